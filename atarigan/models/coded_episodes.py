"""Episodes whose frames are replaced by the codes that a generator's encoder reads off them."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from atarigan.data.buffer.episodes import Episode, EpisodeSet
from atarigan.data.provenance import Provenance, check_same_game
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.models.frame_generator import FrameGenerator


def coded(episodes: EpisodeSet, generator: FrameGenerator) -> EpisodeSet:
    """Return the episodes with codes in the place of frames and states, for `GeneratedReplay`.

    Raises:
        InputError: the generator was not trained with `--condition code` or is of another game, or
            there are no frames.
    """
    meta, state = episodes.meta, generator.state
    if state is None or not generator.num_encoded:
        raise InputError("--codes needs a run that was trained with --condition code")
    if not meta.stores_frames:
        raise InputError("--codes needs frames to encode, and the buffer stores none")
    check_same_game(
        generator.provenance, Provenance.of(meta), "the buffer", reads_state=True, allow=None
    )
    without_frames = dataclasses.replace(
        meta,
        frame_format=generator.frame_format,
        state=state,
        stores_frames=False,
        encoder=generator.weights_sha256,
    )
    each = _coded_each(episodes, generator)
    return dataclasses.replace(episodes, meta=without_frames, episodes=each)


def _coded_each(episodes: EpisodeSet, generator: FrameGenerator) -> Iterator[Episode]:
    for episode in episodes.episodes:
        stored = episode.columns["frames"]
        frames = pixels.convert(stored, episodes.meta.frame_format, generator.frame_format)
        places = np.arange(len(frames))[:, None] + np.arange(1 - generator.num_encoded, 1)
        columns = {name: each for name, each in episode.columns.items() if name != "frames"}
        columns["state"] = generator.encode(frames[np.maximum(places, 0)])
        yield dataclasses.replace(episode, columns=columns)
