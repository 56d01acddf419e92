"""What each byte of RAM does to a frame: which pixels it changes, and whether it moves things."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from atarigan.data.sample_spec import Ram
from atarigan.images.pixels import Frames
from atarigan.models.dream_frames import frames_of
from atarigan.models.frame_generator import FrameGenerator

_NUM_STATES = 256
_NUM_CHANGED = 4
_NUM_VALUES = 12
_SEED = 0
_VISIBLE = 16  # levels
_MIN_PLACES = 5
_MIN_SPREAD = 2.0  # pixels
_MIN_CORRELATION = 0.9

Way = Literal["", "across", "along"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ShownByte:
    """A byte that varies.

    Attributes:
        address: its address.
        least, most: its values in drawn states.
        pixels: mean number of pixels that change with its value.
        moves: in which direction it moves something; "" for none.
    """

    address: int
    least: int
    most: int
    pixels: float
    moves: Way


def shown_bytes(generator: FrameGenerator) -> list[ShownByte]:
    """Return the bytes of RAM that vary in states that a generator draws: first those that move
    something, then those that change most of a frame.
    """
    states = generator.states(generator.latents(_NUM_STATES, _SEED))
    of_ram = states[:, :-1] if generator.state and generator.state.adds_action else states
    varying = np.flatnonzero((of_ram != of_ram[0]).any(0)).tolist()
    found = [_shown(generator, states, address) for address in varying]
    return sorted(found, key=lambda each: (not each.moves, -each.pixels, each.address))


def _shown(generator: FrameGenerator, states: Ram, address: int) -> ShownByte:
    known = np.unique(states[:, address])
    picked = np.unique(known[np.linspace(0, len(known) - 1, _NUM_VALUES).round().astype(int)])
    changed = states[:_NUM_CHANGED].repeat(len(picked), axis=0)
    changed[:, address] = np.tile(picked, len(changed) // len(picked))
    frames = frames_of(generator, changed)
    of_states = frames.reshape(-1, len(picked), *frames.shape[1:])
    pixels = float((of_states != of_states[:, :1]).any(-1).sum((2, 3)).mean())
    moves = _way(of_states, picked.astype(np.float64))
    return ShownByte(address, int(known[0]), int(known[-1]), pixels, moves)


def _way(of_states: Frames, values: Floats) -> Way:
    """Return along which axis things move as a byte's value grows, in frames (states, values, H, W,
    C), by the correlation of values with the middle of the pixels that differ from the usual frame.
    """
    found = [each for frames in of_states if (each := _correlations(frames, values)) is not None]
    if 2 * len(found) < len(of_states):
        return ""
    along, across = np.median(found, axis=0)
    if max(along, across) < _MIN_CORRELATION:
        return ""
    return "along" if along > across else "across"


def _correlations(frames: Frames, values: Floats) -> tuple[float, float] | None:
    """Return them for rows and columns, 0 to 1; None if too few values show something."""
    levels = frames.astype(np.int16)
    differs = (np.abs(levels - np.median(levels, axis=0)) > _VISIBLE).any(-1)
    shows = differs.any((1, 2))
    if shows.sum() < _MIN_PLACES:
        return None
    middles = np.array([np.argwhere(each).mean(0) for each in differs[shows]])
    along, across = (_correlation(axis, values[shows]) for axis in middles.T)
    return along, across


def _correlation(places: Floats, values: Floats) -> float:
    return 0.0 if places.std() < _MIN_SPREAD else abs(float(np.corrcoef(places, values)[0, 1]))
