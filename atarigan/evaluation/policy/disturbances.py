"""Views that disturb real frames in known ways, to compare generated frames with."""

from collections.abc import Sequence

import cv2
import numpy as np

from atarigan.data.states import State
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.objects import small_object_pixels
from atarigan.evaluation.policy.episodes import View
from atarigan.images.pixels import Frames

NOISE_LEVELS = 10
_BLUR_WIDTH, _BLUR_DEVIATION = 5, 1.0


def real(
    episodes: Sequence[int], is_first: Sequence[bool], frames: Frames, states: State | None
) -> Frames:
    """Show real frames unchanged."""
    return frames


def disturbances(statistics: GameStatistics, seed: int) -> dict[str, View]:
    """Return views of disturbed frames by name.

    Args:
        statistics: statistics of the game.
        seed: seed of the noise.

    Returns:
        "noise": Gaussian noise with a standard deviation of 10 levels, independent per pixel and
            step.
        "blurred": a Gaussian blur with a standard deviation of 1 pixel.
        "erased": small moving objects replaced by the background.
        "blind": the background alone.
    """
    rngs: dict[int, np.random.Generator] = {}

    def noise(
        episodes: Sequence[int], is_first: Sequence[bool], frames: Frames, states: State | None
    ) -> Frames:
        for episode, begins in zip(episodes, is_first, strict=True):
            if begins:
                rngs[episode] = np.random.default_rng([seed, episode])
        size = frames.shape[1:]
        noise = np.stack([rngs[each].normal(0, NOISE_LEVELS, size) for each in episodes])
        return (frames + noise.round()).clip(0, 255).astype(np.uint8)

    def blurred(
        episodes: Sequence[int], is_first: Sequence[bool], frames: Frames, states: State | None
    ) -> Frames:
        size = (_BLUR_WIDTH, _BLUR_WIDTH)
        blurred = [cv2.GaussianBlur(frame, size, _BLUR_DEVIATION) for frame in frames]
        return np.stack(blurred).reshape(frames.shape).astype(np.uint8)

    def erased(
        episodes: Sequence[int], is_first: Sequence[bool], frames: Frames, states: State | None
    ) -> Frames:
        is_small = small_object_pixels(statistics, frames)
        return np.where(is_small[..., None], statistics.background, frames)

    def blind(
        episodes: Sequence[int], is_first: Sequence[bool], frames: Frames, states: State | None
    ) -> Frames:
        return np.broadcast_to(statistics.background, frames.shape)

    return {"noise": noise, "blurred": blurred, "erased": erased, "blind": blind}
