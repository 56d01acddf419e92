"""Known disturbances of frames, to compare generated ones with."""

from collections.abc import Sequence

import cv2
import numpy as np

from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.objects import small_object_pixels
from atarigan.evaluation.policy.episodes import Ram, View
from atarigan.images.pixels import Frames

NOISE_LEVELS = 10
_BLUR_WIDTH, _BLUR_DEVIATION = 5, 1.0


def real(games: Sequence[int], is_first: Sequence[bool], frames: Frames, ram: Ram | None) -> Frames:
    """The view that changes nothing."""
    return frames


def disturbances(scene: GameStatistics, seed: int) -> dict[str, View]:
    """Views of disturbed frames by name.

    Args:
        scene: of the game.
        seed: of the noise.

    Returns:
        "noise", normal with a deviation of 10 levels, another at every pixel and step; "blurred",
        by a Gaussian of deviation 1 pixel; "erased", background in the place of small objects that
        move; "blind", the background and nothing else, at all times.
    """
    rng = np.random.default_rng(seed)

    def noise(
        games: Sequence[int], is_first: Sequence[bool], frames: Frames, ram: Ram | None
    ) -> Frames:
        noise = rng.normal(0, NOISE_LEVELS, frames.shape).round()
        return (frames + noise).clip(0, 255).astype(np.uint8)

    def blurred(
        games: Sequence[int], is_first: Sequence[bool], frames: Frames, ram: Ram | None
    ) -> Frames:
        size = (_BLUR_WIDTH, _BLUR_WIDTH)
        blurred = [cv2.GaussianBlur(frame, size, _BLUR_DEVIATION) for frame in frames]
        return np.stack(blurred).reshape(frames.shape).astype(np.uint8)

    def erased(
        games: Sequence[int], is_first: Sequence[bool], frames: Frames, ram: Ram | None
    ) -> Frames:
        return np.where(small_object_pixels(scene, frames)[..., None], scene.background, frames)

    def blind(
        games: Sequence[int], is_first: Sequence[bool], frames: Frames, ram: Ram | None
    ) -> Frames:
        return np.broadcast_to(scene.background, frames.shape)

    return {"noise": noise, "blurred": blurred, "erased": erased, "blind": blind}
