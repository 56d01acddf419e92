"""Errors such as those of generated frames, for a policy that learns to tolerate them."""

import numpy as np

from atarigan.images.pixels import Frames

_BLOCK = 4


def with_swapped_blocks(frames: Frames, share: float, rng: np.random.Generator) -> Frames:
    """Replace a share of the blocks of 4 × 4 pixels by the same block of another frame.

    Args:
        frames: uint8 (N, H, W, C), with H and W multiples of 4.
        share: from 0 to 1.
        rng: source of randomness.
    """
    num, height, width, _ = frames.shape
    is_swapped = rng.random((num, height // _BLOCK, width // _BLOCK, 1)) < share
    is_swapped = is_swapped.repeat(_BLOCK, axis=1).repeat(_BLOCK, axis=2)
    return np.where(is_swapped, frames[rng.permutation(num)], frames)


def with_noise(frames: Frames, most_levels: int, rng: np.random.Generator) -> Frames:
    """Add uniform noise to every pixel; results are rounded, and clipped to 0 … 255.

    The amplitude of a frame is drawn from 0 … `most_levels`, so that a policy does not come to
    expect noise.

    Args:
        frames: uint8 (N, H, W, C).
        most_levels: the largest change of a pixel, in levels.
        rng: source of randomness.
    """
    amplitudes = rng.uniform(0, most_levels, (len(frames), 1, 1, 1)).astype(np.float32)
    noise = amplitudes * rng.uniform(-1, 1, frames.shape).astype(np.float32)
    noisy: Frames = np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)
    return noisy
