"""The search for parts of the screen that take another color as a whole, such as at a flash.

The console draws its background in one color, which a program may set anew for each frame, such as
for an explosion. A frame whose background changes differs from all others in nearly every pixel,
but in a single number. So for each color of the usual background, frames are found, at most a
tenth, in which most of its pixels have another color, all the same one. Then two bytes of the state
are looked for: one that tells whether the color is another, and one that tells which.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.images.pixel_values import color_codes, usual_colors
from atarigan.images.pixels import Frames

MAX_REGIONS = 8
NUM_VALUES = 256
_LEAST_AREA = 0.04
_MIN_SHARE = 0.5  # of a region's pixels that have a color
_MIN_FRAMES = 24
_MAX_RATE = (
    0.1  # more frequent colors networks learn, with the edges of objects, which mix with them
)
_MIN_RIGHT = 0.8
_NUM_BLOCKS = 16
_MASKS = (0xFE, 0xFF)  # the console ignores the lowest bit of a color
_CHUNK = 512

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


class Region(NamedTuple):
    """Pixels of one usual color that take another one together.

    Attributes:
        pixels: indices in the flattened frame, int64 (P,).
        usual: the usual color, a code of `images.pixel_values.color_codes`.
        colors: the code for each value of `color_byte`, int32 (256,).
        on: whether the color is another one than the usual, for each value of `on_byte`, bool
            (256,).
        color_byte, on_byte: addresses in the state.
        share: of the frames in which the color is another one.
        right: share of these, and of those that bytes take for these, in which the bytes tell the
            right color, in frames that they were not found in.
    """

    pixels: npt.NDArray[np.int64]
    usual: int
    colors: Codes
    on: Flags
    color_byte: int
    on_byte: int
    share: float
    right: float

    def __str__(self) -> str:
        return (
            f"{len(self.pixels):,} pixels change their color together in {self.share:.1%} of the "
            f"frames: which color byte {self.color_byte} tells, and when byte {self.on_byte}; "
            f"{self.right:.1%} right in other frames"
        )


def find_regions(frames: Frames, states: Bytes) -> list[Region]:
    """Find regions in frames uint8 (N, H, W, C), C at most 3, with states uint8 (N, bytes)."""
    usual = color_codes(usual_colors(frames)).ravel()
    codes, counts = np.unique(usual, return_counts=True)
    least = _LEAST_AREA * usual.size
    found: list[Region] = []
    for code in codes[np.argsort(-counts, kind="stable")].tolist():
        pixels = np.flatnonzero(usual == code)
        while len(pixels) >= least and len(found) < MAX_REGIONS:
            region = _region(frames, states, pixels, code)
            if region is None:
                break
            found.append(region)
            pixels = np.setdiff1d(pixels, region.pixels)
    return found


def _region(
    frames: Frames, states: Bytes, pixels: npt.NDArray[np.int64], usual: int
) -> Region | None:
    """The region within these pixels whose usual color has this code, if bytes tell its color."""
    shown = _shared_colors(frames, pixels, usual)
    is_other = shown != usual
    if not _MIN_FRAMES <= is_other.sum() <= _MAX_RATE * len(frames):
        return None
    agreeing = np.zeros(len(pixels))
    for some in np.array_split(np.flatnonzero(is_other), -(-int(is_other.sum()) // _CHUNK)):
        agreeing += (_codes_at(frames[some], pixels) == shown[some, None]).sum(0)
    pixels = pixels[agreeing >= _MIN_SHARE * is_other.sum()]
    is_first = np.arange(len(frames)) * _NUM_BLOCKS // len(frames) % 2 == 0
    on_byte, _ = max(enumerate(_agreement_on(states, is_other, is_first)), key=lambda x: x[1])
    color_byte, mask = _best_color_byte(states[is_other], shown[is_other], is_first[is_other])
    halves = [
        _Tables.of(states[half], shown[half], usual, on_byte, color_byte, mask)
        for half in (is_first, slice(None))
    ]
    predicted = halves[0].colors_of(states[~is_first], usual)
    real = shown[~is_first]
    matters = (predicted != usual) | (real != usual)
    right = float((predicted == real)[matters].mean()) if matters.any() else 0.0
    if right < _MIN_RIGHT or not len(pixels):
        return None
    tables = halves[1]
    share = float(is_other.mean())
    return Region(pixels, usual, tables.colors, tables.on, color_byte, on_byte, share, right)


class _Tables(NamedTuple):
    """What values of two bytes tell: see `Region`."""

    on_byte: int
    color_byte: int
    on: Flags
    colors: Codes

    @classmethod
    def of(
        cls, states: Bytes, shown: Codes, usual: int, on_byte: int, color_byte: int, mask: int
    ) -> "_Tables":
        is_other = shown != usual
        on = _rates(states[:, on_byte], is_other) > 1 / 2
        colors = _most_frequent(states[is_other, color_byte] & mask, shown[is_other])
        return cls(on_byte, color_byte, on, colors[np.arange(NUM_VALUES) & mask])

    def colors_of(self, states: Bytes, usual: int) -> Codes:
        colors = self.colors[states[:, self.color_byte]]
        return np.where(self.on[states[:, self.on_byte]], colors, usual)


def _codes_at(frames: Frames, pixels: npt.NDArray[np.int64]) -> Codes:
    """Color codes of frames (N, H, W, C) at pixels (P,), (N, P)."""
    flat = frames.reshape(len(frames), -1, frames.shape[-1])
    return color_codes(flat[:, pixels])


def _shared_colors(frames: Frames, pixels: npt.NDArray[np.int64], usual: int) -> Codes:
    """The code that at least half of the pixels have in each frame, where that is not the usual
    one; else the usual one, (N,).
    """
    shared = np.full(len(frames), usual, np.int32)
    for start in range(0, len(frames), _CHUNK):
        codes = _codes_at(frames[start : start + _CHUNK], pixels)
        for number in np.flatnonzero((codes == usual).mean(1) < _MIN_SHARE):
            present, counts = np.unique(codes[number], return_counts=True)
            if counts.max() >= _MIN_SHARE * len(pixels):
                shared[start + number] = present[counts.argmax()]
    return shared


def _rates(values: Bytes, flags: Flags) -> npt.NDArray[np.float64]:
    """The share of flags that are set for each value, 0 where it does not occur, (256,)."""
    counts = np.bincount(values, minlength=NUM_VALUES)
    return np.bincount(values, flags, minlength=NUM_VALUES) / np.maximum(counts, 1)


def _agreement_on(states: Bytes, is_other: Flags, is_first: Flags) -> Iterator[float]:
    """For each byte, over frames that are flagged or told to be, the share that are both, in frames
    that the byte's table was not made from.
    """
    for column in states.T:
        told = _rates(column[is_first], is_other[is_first])[column[~is_first]] > 1 / 2
        real = is_other[~is_first]
        yield float((told & real).sum() / max(1, (told | real).sum()))


def _best_color_byte(states: Bytes, shown: Codes, is_first: Flags) -> tuple[int, int]:
    """The byte and its mask whose table tells most colors of the frames that it was not made from;
    of equal ones that with fewest values.
    """
    best, chosen = (-1.0, 0), (0, _MASKS[0])
    for byte, column in enumerate(states.T):
        for mask in _MASKS:
            values = column & mask
            colors = _most_frequent(values[is_first], shown[is_first])
            right = float((colors[values[~is_first]] == shown[~is_first]).mean())
            quality = (round(right, 2), -len(np.unique(values)))
            if quality > best:
                best, chosen = quality, (byte, mask)
    return chosen


def _most_frequent(values: Bytes, shown: Codes) -> Codes:
    """The most frequent code for each value, (256,); for a value that does not occur, that of the
    nearest one.
    """
    present = np.unique(values)
    if not len(present):
        return np.zeros(NUM_VALUES, np.int32)
    codes, numbers = np.unique(shown, return_inverse=True)
    counts = np.zeros((NUM_VALUES, len(codes)), np.int64)
    np.add.at(counts, (values, numbers), 1)
    nearest = np.abs(np.arange(NUM_VALUES)[:, None] - present.astype(np.int64)).argmin(1)
    most: Codes = codes[counts[present[nearest]].argmax(1)].astype(np.int32)
    return most
