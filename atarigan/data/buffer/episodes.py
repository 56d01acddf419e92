"""Whole episodes, read from a buffer one at a time, or written into a new one."""

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import EMULATOR_COLUMNS, FORMAT_VERSION, STATE_COLUMNS, BufferMeta
from atarigan.data.buffer.ring import Ring
from atarigan.data.buffer.sampling import episode_ends, take
from atarigan.data.buffer.writer import BufferWriter, Seeds, recorded_seeds
from atarigan.errors import InputError
from atarigan.files import atomic, typed_json


@dataclass(frozen=True)
class Episode:
    """The T steps of an episode, from its beginning to its end.

    Attributes:
        columns: values (T, *row shape) by column, as in `BufferMeta.columns` of the newest format.
            Those of `EMULATOR_COLUMNS` may be missing.
        writer: number of the writer, of whose episodes each begins where the one before it ended.
        seeds: given to the reset that began the episode; None if the random state went on.
    """

    columns: dict[str, npt.NDArray[Any]]
    writer: int = 0
    seeds: Seeds | None = None

    def __len__(self) -> int:
        return len(self.columns["rewards"])


@dataclass(frozen=True)
class EpisodeSet:
    """Episodes that can be gone through once, so that one at a time is in memory.

    Attributes:
        meta: what a buffer of them stores; its capacity suffices for the steps of each writer.
        action_space: space that holds all actions.
        num_episodes, num_steps: number of episodes, and of the steps of all of them.
        episodes: writer by writer, in the order of play.
        num_cut: episodes left out because their first steps were overwritten.
    """

    meta: BufferMeta
    action_space: gym.Space[Any]
    num_episodes: int
    num_steps: int
    episodes: Iterable[Episode]
    num_cut: int = 0


def whole_episodes(buffer: FrameBuffer) -> EpisodeSet:
    """Return the episodes of a buffer that are stored from their beginning on.

    The last episode of each writer may lack an end, which makes it truncated, as when the writer is
    closed. Of a ring that has overwritten steps, those before the first end are left out.

    Raises:
        InputError: there are none; also during iteration, if a writer overwrites steps.
    """
    meta = buffer.meta
    rings = [Ring(each.folder, meta.columns, meta.capacity) for each in buffer.writers]
    spans = [_episode_spans(ring) for ring in rings]
    num_steps = sum(len(span) for ring_spans in spans for span in ring_spans)
    num_cut = sum(ring.oldest > 0 for ring in rings)
    if num_steps == 0:
        raise InputError(f"{buffer.path} must hold at least 1 whole episode, not 0")
    return EpisodeSet(
        dataclasses.replace(meta, format_version=FORMAT_VERSION),
        _space_of_actions(meta, rings, spans),
        sum(map(len, spans)),
        num_steps,
        _episodes_in(rings, spans),
        num_cut,
    )


def write_buffer(episodes: EpisodeSet, path: Path) -> None:
    """Write episodes into a new buffer, with a ring for each of their writers. It gets its name
    when it is complete.

    Raises:
        InputError: the path exists, or an episode is not what the metadata says.
        OSError: the disk is full or not writable.
    """
    if path.exists():
        raise InputError(f"{path} exists: name a new folder")
    with atomic.new_folder(path) as temporary:
        typed_json.write_json(temporary / "meta.json", episodes.meta)
        with FrameBuffer.open(temporary) as buffer:
            writers: dict[int, BufferWriter] = {}
            for number, episode in enumerate(episodes.episodes):
                _check_columns(episode, episodes.meta, number)
                if episode.writer not in writers:
                    writers[episode.writer] = buffer.new_writer()
                _write(episode, writers[episode.writer])


def _episode_spans(ring: Ring) -> list[range]:
    """Return the row numbers of each whole episode."""
    rows = np.arange(ring.oldest, ring.num_committed)
    ends = rows[episode_ends(ring, rows)] + 1
    bounds: list[int] = [0] * (ring.oldest == 0) + ends.tolist()
    if bounds and bounds[-1] < ring.num_committed:
        bounds.append(ring.num_committed)
    return [range(*each) for each in itertools.pairwise(bounds)]


def _episodes_in(rings: list[Ring], spans: list[list[range]]) -> Iterator[Episode]:
    for number, (ring, ring_spans) in enumerate(zip(rings, spans, strict=True)):
        seeds = recorded_seeds(ring.folder)
        for span in ring_spans:
            rows = np.arange(span.start, span.stop)
            columns = {
                "state" if name in STATE_COLUMNS else name: take(ring, name, rows)
                for name in ring.columns
            }
            if ring.oldest > span.start:
                raise InputError(
                    f"{ring.folder} must not be written meanwhile: its oldest steps were "
                    "overwritten"
                )
            if not columns["terminations"][-1]:
                columns["truncations"][-1] = True
            yield Episode(columns, number, seeds.get(span.start))


def _space_of_actions(
    meta: BufferMeta, rings: list[Ring], spans: list[list[range]]
) -> gym.spaces.Box | gym.spaces.Discrete | gym.spaces.MultiDiscrete:
    """Return the smallest space of the stored actions, with all that have names; of floats, a space
    without bounds.
    """
    if meta.action_dtype == "float32":
        return gym.spaces.Box(-np.inf, np.inf, meta.action_shape, np.float32)
    parts = [
        take(ring, "actions", np.arange(each[0].start, each[-1].stop))
        for ring, each in zip(rings, spans, strict=True)
        if each
    ]
    lowest = np.minimum(0, np.min([part.min(axis=0) for part in parts], axis=0))
    highest = np.max([part.max(axis=0) for part in parts], axis=0)
    if meta.action_shape:
        return gym.spaces.MultiDiscrete(highest - lowest + 1, start=lowest)
    num_named = len(meta.origin.action_meanings)
    return gym.spaces.Discrete(max(num_named, int(highest) + 1) - int(lowest), start=int(lowest))


def _check_columns(episode: Episode, meta: BufferMeta, number: int) -> None:
    """Raise InputError if an episode is not what the metadata says."""
    for name, (dtype, shape) in meta.columns.items():
        values = episode.columns.get(name)
        if values is None and name in EMULATOR_COLUMNS:
            continue
        expected = f"{dtype} {(len(episode), *shape)}"
        found = None if values is None else f"{values.dtype} {values.shape}"
        if found != expected:
            raise InputError(f"episode {number}: {name} must be {expected}, not {found}")


def _write(episode: Episode, writer: BufferWriter) -> None:
    if writer.room < len(episode):
        raise InputError(
            f"the buffer's capacity must suffice for all steps, and lacks {len(episode)}"
        )
    if episode.seeds is not None:
        writer.record_seeds(*episode.seeds)
    columns = episode.columns
    emulator = {name: columns[name].tolist() for name in EMULATOR_COLUMNS.keys() & columns.keys()}
    frames, states = columns.get("frames"), columns.get("state")
    for step in range(len(episode)):
        state = None if states is None else states[step]
        if frames is None:
            writer.stage_state(state)
        else:
            writer.stage(state)[:] = frames[step]
        writer.commit(
            columns["actions"][step],
            columns["rewards"][step],
            columns["terminations"][step],
            columns["truncations"][step],
            **{name: values[step] for name, values in emulator.items()},
        )
    writer.end_episode()
