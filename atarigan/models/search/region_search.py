"""The search for parts of the screen that take another color as a whole, such as at a flash.

The console draws its background in one color, which a program may set anew for each frame, such as
for an explosion. A frame whose background changes differs from all others in nearly every pixel,
although one number changed. So for each color of the usual background, frames are found, at most a
tenth, in which most of its pixels have another color, all the same one. Then bytes of the state are
looked for: one or two that tell whether the color is another, and one that tells which. Programs
count in a byte and send it to the console as a color, so a byte plus a constant, or with some bits
inverted, is often the index of the color in the console's palette; then colors are known that did
not occur.
"""

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.images.pixel_values import color_codes, usual_colors
from atarigan.images.pixels import PALETTES, Frames, ale_grays, ale_palette

MAX_REGIONS = 8
NUM_VALUES = 256
NUM_PAIRS = NUM_VALUES**2
_LEAST_AREA = 0.04
_MIN_SHARE = 0.5  # of a region's pixels that have a color
_MIN_FRAMES = 24
_MAX_RATE = 0.1  # networks learn more frequent colors better, including blended object edges
_MIN_RIGHT = 0.8
_PAIR_GAIN = 0.05
_CONSOLE_RIGHT = 0.95
_MIN_COLORS = 3
_NUM_BLOCKS = 16
_CHUNK = 512

# the index of a color for a value and a constant
_INDEX_OF: tuple[Callable[[Any, Any], Any], ...] = (
    lambda value, constant: (value + constant) % NUM_VALUES,
    np.bitwise_xor,
)

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


class Region(NamedTuple):
    """Pixels of one usual color that take another one together.

    Attributes:
        pixels: indices in the flattened frame, int64 (P,).
        usual: the usual color, a code of `images.pixel_values.color_codes`.
        colors: the code for each value of `color_byte`, int32 (256,).
        color_byte: address in the state.
        on: whether the color is another one than the usual, for 256 times a value of the first of
            `on_bytes` plus one of the second, bool (65536,).
        on_bytes: two addresses, or twice the same one.
        share: of the frames in which the color is another one.
        right: accuracy over frames whose true or predicted color is another one. The tables were
            made from other frames; the bytes were chosen by these.
    """

    pixels: npt.NDArray[np.int64]
    usual: int
    colors: Codes
    color_byte: int
    on: Flags
    on_bytes: tuple[int, int]
    share: float
    right: float

    def __str__(self) -> str:
        first, second = self.on_bytes
        when = f"byte {first} tells" if first == second else f"bytes {first} and {second} tell"
        return (
            f"{len(self.pixels):,} pixels change their color together in {self.share:.1%} of the "
            f"frames: {when} when, byte {self.color_byte} which color, {self.right:.1%} right in "
            "other frames"
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
    num_channels = frames.shape[-1]
    color_byte, right = _color_byte(
        states[is_other], shown[is_other], is_first[is_other], num_channels
    )
    if right < _MIN_RIGHT:
        return None
    on_bytes = _on_bytes(states, is_other, is_first)
    tables = [
        _Tables.of(states[half], shown[half], usual, on_bytes, color_byte, num_channels)
        for half in (is_first, slice(None))
    ]
    told, real = tables[0].told(states[~is_first], usual), shown[~is_first]
    matters = (told != usual) | (real != usual)
    right = float((told == real)[matters].mean()) if matters.any() else 0.0
    if right < _MIN_RIGHT:
        return None
    return Region(pixels, usual, *tables[1], float(is_other.mean()), right)


class _Tables(NamedTuple):
    """What values of bytes tell, as in `Region`."""

    colors: Codes
    color_byte: int
    on: Flags
    on_bytes: tuple[int, int]

    @classmethod
    def of(
        cls,
        states: Bytes,
        shown: Codes,
        usual: int,
        on_bytes: tuple[int, int],
        color_byte: int,
        num_channels: int,
    ) -> "_Tables":
        is_other = shown != usual
        colors = _color_table(states[is_other, color_byte], shown[is_other], num_channels)
        on = _rates(_pairs(states, on_bytes), is_other) > 1 / 2
        return cls(colors, color_byte, on, on_bytes)

    def told(self, states: Bytes, usual: int) -> Codes:
        colors = self.colors[states[:, self.color_byte]]
        return np.where(self.on[_pairs(states, self.on_bytes)], colors, usual)


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


def _pairs(states: Bytes, pair: tuple[int, int]) -> npt.NDArray[np.int64]:
    """The values of two bytes as one number, 0 to 65535, (N,)."""
    first, second = pair
    return states[:, first].astype(np.int64) * NUM_VALUES + states[:, second]


def _rates(numbers: npt.NDArray[np.int64], flags: Flags) -> npt.NDArray[np.float64]:
    """The share of flags that are set for each number, 0 where it does not occur, (65536,)."""
    counts = np.bincount(numbers, minlength=NUM_PAIRS)
    return np.bincount(numbers, flags, minlength=NUM_PAIRS) / np.maximum(counts, 1)


def _on_bytes(states: Bytes, is_other: Flags, is_first: Flags) -> tuple[int, int]:
    """The byte, twice, or the two bytes that agree most with flags; two only if they agree much
    more.
    """
    varying = np.flatnonzero((states != states[0]).any(0)).tolist() or [0]
    singles = {
        (byte, byte): _agreement(states, (byte, byte), is_other, is_first) for byte in varying
    }
    best = max(singles, key=lambda pair: singles[pair])
    if singles[best] >= 1 - _PAIR_GAIN:
        return best
    pairs = {
        pair: _agreement(states, pair, is_other, is_first)
        for pair in itertools.combinations(varying, 2)
    }
    both = max(pairs, key=lambda pair: pairs[pair], default=best)
    return both if pairs.get(both, 0.0) >= singles[best] + _PAIR_GAIN else best


def _agreement(states: Bytes, pair: tuple[int, int], is_other: Flags, is_first: Flags) -> float:
    """Over frames that are flagged or told to be by two bytes, the share that are both, in frames
    that the bytes' table was not made from.
    """
    numbers = _pairs(states, pair)
    told = _rates(numbers[is_first], is_other[is_first])[numbers[~is_first]] > 1 / 2
    real = is_other[~is_first]
    return float((told & real).sum() / max(1, (told | real).sum()))


def _color_byte(
    states: Bytes, shown: Codes, is_first: Flags, num_channels: int
) -> tuple[int, float]:
    """The byte whose table tells most colors of the frames that it was not made from, and the share
    that it tells; of equal ones the byte with fewest values.
    """
    found = []
    for byte, values in enumerate(states.T):
        colors = _color_table(values[is_first], shown[is_first], num_channels)
        right = (colors[values[~is_first]] == shown[~is_first]).sum() / max(1, (~is_first).sum())
        found.append((round(float(right), 2), -len(np.unique(values)), -byte))
    right, _, byte = max(found)
    return -byte, right


def _color_table(values: Bytes, shown: Codes, num_channels: int) -> Codes:
    """The code for each value of a byte, (256,).

    It is the console's color whose index is the value plus a constant, or with some bits inverted,
    if that is nearly always right for several colors, as some constant fits a single one; else the
    most frequent one of the value, or of the nearest value that occurs.
    """
    if not len(values):
        return np.zeros(NUM_VALUES, np.int32)
    is_varied = len(np.unique(shown)) >= _MIN_COLORS
    all_values = np.arange(NUM_VALUES)
    ways = itertools.product(_console_colors(num_channels), _INDEX_OF)
    for table, index_of in ways if is_varied else ():
        right = (table[index_of(values, all_values[:, None])] == shown).mean(1)  # of each constant
        if right.max() >= _CONSOLE_RIGHT:
            colors: Codes = table[index_of(all_values, int(right.argmax()))]
            return colors
    codes, numbers = np.unique(shown, return_inverse=True)
    counts = np.zeros((NUM_VALUES, len(codes)), np.int64)
    np.add.at(counts, (values, numbers), 1)
    present = np.unique(values).astype(np.int64)
    nearest = np.abs(np.arange(NUM_VALUES)[:, None] - present).argmin(1)
    most: Codes = codes[counts[present[nearest]].argmax(1)].astype(np.int32)
    return most


@cache
def _console_colors(num_channels: int) -> list[Codes]:
    """Codes of the console's colors by index, int32 (256,), for each way in which frames of so many
    channels may show them. The console ignores the lowest bit of an index.
    """
    even = np.arange(NUM_VALUES) & 0xFE
    if num_channels == 3:
        return [color_codes(ale_palette(name))[even] for name in PALETTES]
    return [even.astype(np.int32), *(ale_grays(name)[even].astype(np.int32) for name in PALETTES)]
