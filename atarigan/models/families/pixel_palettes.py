"""Which colors every pixel shows in real frames, on a line where a network points at them."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.images.pixel_values import color_codes, colors_of, unusual_pixels, usual_colors
from atarigan.images.pixels import Frames, frames_to_floats
from atarigan.models.families.color_keys import (
    keys_of_frames,
    keys_of_images,
    nearest_of_keys,
    num_keys,
)
from atarigan.models.sized_by_data import SizedByData

MOST_COLORS = 256
_NUM_LEVELS = 256
_LEAST_APART = 2.0
_MARGIN = 0.3
_CLOSE_ENOUGH = 3.0
_FAR = 1e3
_LUMINANCE = (0.299, 0.587, 0.114)


class PixelPalettes(SizedByData):
    """Each pixel's own palette: the colors that it shows in real frames.

    A game's colors have places on a line, ordered by luminance, from -1 to 1; a network gives a
    number on that line, and the pixel takes the nearest of its own colors. What never changes has
    one color and is exact, and no color is made up.

    Attributes:
        colors: of the game, uint8 (num_colors, C), in order; at most 256, the most frequent ones.
        shown: bits, the lowest first, of which of them a pixel shows, uint8 (H * W, bytes).
    """

    colors: Tensor
    shown: Tensor
    places: Tensor
    nearest_shown: Tensor
    bounds: Tensor
    nearest_kept: Tensor

    def __init__(self, height: int, width: int, num_channels: int) -> None:
        super().__init__()
        self.height, self.width, self.num_channels = height, width, num_channels
        self.register_buffer("colors", torch.zeros(1, num_channels, dtype=torch.uint8))
        self.register_buffer("shown", torch.ones(height * width, 1, dtype=torch.uint8))
        derived = {
            "places": torch.zeros(1),
            "nearest_shown": torch.zeros(
                height * width * _NUM_LEVELS, num_channels, dtype=torch.uint8
            ),
            "bounds": torch.zeros(2, height * width),
            "nearest_kept": torch.zeros(num_keys(num_channels), dtype=torch.int32),
        }
        for name, table in derived.items():
            self.register_buffer(name, table, persistent=False)

    def fit(self, frames: Frames) -> Tensor:
        """Learn from real frames uint8 (N, H, W, C), and get the place of each pixel's most
        frequent color, float (H, W).
        """
        usual = usual_colors(frames)
        colors = _frequent_colors(frames, usual)
        order = np.argsort(_luminance(colors), kind="stable")
        device = self.colors.device
        self.colors = torch.from_numpy(colors[order]).to(device)
        self.shown = torch.zeros(len(self.shown), -(-len(colors) // 8), dtype=torch.uint8)
        self._derive_of_colors()
        self.observe([frames])
        return self.places[self._nearest_color(torch.from_numpy(usual).to(device)).long()]

    def observe(self, parts: Iterable[Frames]) -> None:
        """Let pixels take the colors that they show in further real frames, parts uint8 (N, H, W,
        C): a pixel has seen all shades of a moving ball late only.
        """
        device = self.colors.device
        shown = self._shown()
        for frames in parts:
            first = self._nearest_color(torch.from_numpy(frames[0]).to(device))
            shown[np.arange(len(shown)), first.flatten().cpu().numpy()] = True
            for pixels, others in unusual_pixels(frames, frames[0]):
                found = self._nearest_color(torch.from_numpy(others).to(device))
                shown[pixels, found.cpu().numpy()] = True
        bits = np.packbits(shown, axis=1, bitorder="little")
        self.shown = torch.from_numpy(bits).to(device)
        self._derive_of_pixels()

    def snapped(self, places: Tensor) -> Tensor:
        """Each pixel's nearest own color to places (B, H, W), an image (B, C, H, W) in [-1, 1].

        The gradient is the straight-through estimator's (Bengio et al. 2013, arXiv:1308.3432): as
        if every channel had the place itself for its value, within the line.
        """
        image = frames_to_floats(self.frames(places))
        if places.requires_grad:
            within = places.clamp(-1, 1)
            image = image + (within - within.detach())[:, None]
        return image

    def frames(self, places: Tensor) -> Tensor:
        """The same as frames uint8 (B, H, W, C)."""
        half = (_NUM_LEVELS - 1) / 2
        middle = torch.full((), half + 0.5, device=places.device)
        levels = torch.add(middle, places.detach().float().flatten(1), alpha=half)
        # Whole numbers are clamped, because what is not a number is one of them, whichever.
        rows = levels.int().clamp_(0, _NUM_LEVELS - 1).add_(self._offsets(_NUM_LEVELS))
        return _entries(self.nearest_shown, rows).view(*places.shape, self.num_channels)

    def misplacement(self, places: Tensor, real: Tensor) -> Tensor:
        """How far places (B, H, W) lie outside of where they would give real images (B, C, H, W), a
        scalar.

        A pixel's mistake is its distance to the nearest place that is surely snapped to the real
        color: three tenths of the way from the border to it, or as near to it as three levels. What
        is right costs nothing, so that a ball of one pixel in 7,000 is not drowned by the rest.
        """
        kept = _entries(self.nearest_kept, keys_of_images(real)).flatten(1)
        rows = kept + self._offsets(len(self.colors))
        low, high = (_entries(table, rows) for table in self.bounds)
        found = places.flatten(1)
        nearest = torch.minimum(torch.maximum(found.detach(), low), high)
        return (found - nearest).abs().mean()

    def _offsets(self, step: int) -> Tensor:
        """Where each pixel's row of a flattened table begins, int32 (H * W,)."""
        size = self.height * self.width
        return torch.arange(size, dtype=torch.int32, device=self.colors.device) * step

    def _nearest_color(self, frames: Tensor) -> Tensor:
        """The kept color's number for each pixel of frames uint8 (B, H, W, C), int32 (B, H, W)."""
        return _entries(self.nearest_kept, keys_of_frames(frames))

    def _check(self) -> None:
        num_colors = len(self.colors)
        if not 1 <= num_colors <= MOST_COLORS:
            raise ValueError(f"there must be 1 to {MOST_COLORS} colors, not {num_colors}")
        self._expect("colors", (num_colors, self.num_channels))
        self._expect("shown", (self.height * self.width, -(-num_colors // 8)))

    def _shown(self) -> npt.NDArray[np.bool_]:
        """Whether pixels show colors, (pixels, num_colors)."""
        bits = np.unpackbits(self.shown.cpu().numpy(), axis=1, bitorder="little")
        return bits[:, : len(self.colors)].astype(bool)

    def _derive(self) -> None:
        self._derive_of_colors()
        self._derive_of_pixels()

    def _derive_of_colors(self) -> None:
        """Make the tables that follow from the game's colors."""
        colors, device = self.colors.cpu(), self.colors.device
        self.places = torch.from_numpy(_places(colors.numpy()).astype(np.float32)).to(device)
        self.nearest_kept = nearest_of_keys(colors).to(device)

    def _derive_of_pixels(self) -> None:
        """Make the tables that follow from which colors pixels show, and where those are."""
        places, device = _places(self.colors.cpu().numpy()), self.colors.device
        shown = self._shown()
        shown[~shown.any(1)] = True  # nothing is known yet
        below, above = _shown_neighbors(shown)
        low, high = _bounds(places, shown, below, above)
        nearest = torch.from_numpy(_nearest_shown(places, below, above)).flatten().to(device)
        self.nearest_shown = _entries(self.colors, nearest.int())
        bounds = torch.from_numpy(np.stack([low, high]))
        self.bounds = bounds.float().flatten(1).to(device)


def _entries(table: Tensor, rows: Tensor) -> Tensor:
    """Entries (*rows.shape, …) of a table (N, …); single numbers five times faster on a CPU than by
    brackets.
    """
    flat = table.flatten() if table.ndim == 2 and table.shape[1] == 1 else table
    return flat.index_select(0, rows.flatten()).view(*rows.shape, *table.shape[1:])


def _frequent_colors(frames: Frames, usual: Frames) -> Frames:
    """The most frequent colors of frames (N, H, W, C), uint8 (at most 256, C)."""
    num_channels = usual.shape[-1]
    counts = np.bincount(color_codes(usual).ravel(), minlength=1 << 8 * num_channels) * len(frames)
    for pixels, others in unusual_pixels(frames, usual):
        np.subtract.at(counts, color_codes(usual.reshape(-1, num_channels)[pixels]), 1)
        np.add.at(counts, color_codes(others), 1)
    present = np.flatnonzero(counts > 0).astype(np.int32)
    if len(present) > MOST_COLORS:
        present = np.sort(present[np.argsort(-counts[present], kind="stable")[:MOST_COLORS]])
    return colors_of(present, num_channels)


def _luminance(colors: Frames) -> npt.NDArray[np.float64]:
    """Of colors (num_colors, C), 0 to 255."""
    levels = colors.astype(np.float64)
    found: npt.NDArray[np.float64] = (
        levels @ np.array(_LUMINANCE) if colors.shape[1] == 3 else levels.mean(1)
    )
    return found


def _places(colors: Frames) -> npt.NDArray[np.float64]:
    """Where colors (num_colors, C) in order of luminance are on the line."""
    return _spread(_luminance(colors)) / 127.5 - 1


def _spread(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Ascending levels, 0 to 255, moved apart where two are nearly the same."""
    apart = min(_LEAST_APART, (_NUM_LEVELS - 1) / max(1, len(levels) - 1))
    steps = np.arange(len(levels)) * apart
    spread = np.maximum.accumulate(levels - steps) + steps
    return np.asarray(spread * min(1.0, 255 / max(spread[-1], 1.0)), np.float64)


def _shown_neighbors(
    shown: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """For each pixel and color the last shown one up to it and the first from it on, (pixels,
    num_colors); -1 and num_colors where there is none.
    """
    num = shown.shape[1]
    numbers = np.arange(num, dtype=np.int16)
    below = np.maximum.accumulate(np.where(shown, numbers, np.int16(-1)), axis=1)
    above = np.where(shown, numbers, np.int16(num))
    return below, np.minimum.accumulate(above[:, ::-1], axis=1)[:, ::-1]


def _nearest_shown(
    places: npt.NDArray[np.float64],
    below: npt.NDArray[np.int16],
    above: npt.NDArray[np.int16],
) -> npt.NDArray[np.uint8]:
    """The nearest shown color's number for each pixel and level of the line, (pixels, 256)."""
    levels = np.linspace(-1, 1, _NUM_LEVELS)
    num = len(places)
    last = np.searchsorted(places, levels, side="right") - 1
    first = np.minimum(last + 1, num - 1)
    down = np.where(last >= 0, below[:, np.maximum(last, 0)], -1)
    up = np.where(last + 1 < num, above[:, first], num)
    padded = np.concatenate([places, [_FAR, -_FAR]])  # numbers num and -1
    is_up = np.abs(padded[up] - levels) < np.abs(padded[down] - levels)
    return np.where(is_up, up, down).astype(np.uint8)


def _bounds(
    places: npt.NDArray[np.float64],
    shown: npt.NDArray[np.bool_],
    below: npt.NDArray[np.int16],
    above: npt.NDArray[np.int16],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Lowest and highest place that surely gives a color, for each pixel and color, (pixels,
    num_colors); of a color that the pixel does not show, those of the nearest that it does.
    """
    num = len(places)
    padded = np.concatenate([places, [_FAR, -_FAR]])
    before = np.concatenate([np.full((len(below), 1), -1, np.int16), below[:, :-1]], axis=1)
    after = np.concatenate([above[:, 1:], np.full((len(above), 1), num, np.int16)], axis=1)
    down, up = places - padded[before], padded[after] - places
    near = _CLOSE_ENOUGH / 127.5
    low = places - np.minimum(down / 2, np.maximum((1 - _MARGIN) * down / 2, near))
    high = places + np.minimum(up / 2, np.maximum((1 - _MARGIN) * up / 2, near))
    is_up = np.abs(padded[above] - places) < np.abs(padded[below] - places)
    nearest = np.where(shown, np.arange(num), np.where(is_up, above, below))
    take = np.take_along_axis
    return (
        take(low, nearest, 1).astype(np.float32),
        take(high, nearest, 1).astype(np.float32),
    )
