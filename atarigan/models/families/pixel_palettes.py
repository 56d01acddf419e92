"""The colors that each pixel has in real frames, addressed by positions on a line."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.images.pixel_values import color_codes, colors_of, unusual_pixels, usual_colors
from atarigan.images.pixels import Frames, frames_to_floats
from atarigan.models.sized_by_data import SizedByData

MAX_COLORS = 256
_NUM_LEVELS = 256
_MIN_GAP = 2.0  # levels between the positions of two colors
_MARGIN = 0.3
_CLOSE_ENOUGH = 3.0  # levels
_FAR = 1e3
_LUMINANCE = (0.299, 0.587, 0.114)
_GRAY_BITS = 8
_COLOR_BITS = 5


class PixelPalettes(SizedByData):
    """A palette for each pixel: the colors that it has in real frames.

    The colors of a game lie on a line from -1 to 1, ordered by luminance. A network gives each
    pixel a position on the line, and the pixel takes the nearest color of its own palette. Pixels
    that never change have one color and are always exact, and every color is real.

    Attributes:
        colors: of the game, uint8 (num_colors, C), ordered by luminance: the at most 256 most
            frequent ones.
        shown: which colors each pixel's palette holds, as bits, the lowest first, uint8 (H * W,
            bytes).
        positions: of the colors on the line, float (num_colors,).
    """

    colors: Tensor
    shown: Tensor
    positions: Tensor
    color_at_level: Tensor
    bounds: Tensor
    color_of_key: Tensor

    def __init__(self, height: int, width: int, num_channels: int) -> None:
        super().__init__()
        self.height, self.width, self.num_channels = height, width, num_channels
        num_pixels = height * width
        self.register_buffer("colors", torch.zeros(1, num_channels, dtype=torch.uint8))
        self.register_buffer("shown", torch.ones(num_pixels, 1, dtype=torch.uint8))
        derived = {
            "positions": torch.zeros(1),
            "color_at_level": torch.zeros(
                num_pixels * _NUM_LEVELS, num_channels, dtype=torch.uint8
            ),
            "bounds": torch.zeros(2, num_pixels),
            "color_of_key": torch.zeros(num_keys(num_channels), dtype=torch.int32),
        }
        for name, table in derived.items():
            self.register_buffer(name, table, persistent=False)

    def fit(self, frames: Frames) -> Tensor:
        """Find the game's colors and each pixel's palette in real frames uint8 (N, H, W, C).

        Returns:
            The position of each pixel's most frequent color, float (H, W).
        """
        usual = usual_colors(frames)
        colors = _frequent_colors(frames, usual)
        order = np.argsort(_luminance(colors), kind="stable")
        device = self.colors.device
        self.colors = torch.from_numpy(colors[order]).to(device)
        self.shown = torch.zeros(len(self.shown), -(-len(colors) // 8), dtype=torch.uint8)
        self._derive_of_colors()
        self.observe([frames])
        return self.positions[self._nearest_color(torch.from_numpy(usual).to(device)).long()]

    def observe(self, parts: Iterable[Frames]) -> None:
        """Add the colors of further real frames, parts uint8 (N, H, W, C), to the palettes.

        Rare shades, such as those of a moving ball, need many frames.
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

    def positions_of(self, frames: Tensor) -> Tensor:
        """Return the positions of the colors of frames uint8 (N, H, W, C), float (N, H, W)."""
        return _entries(self.positions, self._nearest_color(frames))

    def positions_of_images(self, images: Tensor) -> Tensor:
        """Return the same of images (B, C, H, W) in [-1, 1] of whole levels, float (B, H, W)."""
        return _entries(self.positions, _entries(self.color_of_key, keys_of_images(images)))

    def images(self, positions: Tensor) -> Tensor:
        """Return images (B, C, H, W) in [-1, 1] of the nearest palette colors to positions (B, H,
        W).

        The gradient is a straight-through estimator (Bengio et al. 2013, arXiv:1308.3432): the
        identity for every channel where the position is within the line, zero elsewhere.
        """
        images = frames_to_floats(self.frames(positions))
        if positions.requires_grad:
            within = positions.clamp(-1, 1)
            images = images + (within - within.detach())[:, None]
        return images

    def frames(self, positions: Tensor) -> Tensor:
        """Return the same as frames uint8 (B, H, W, C)."""
        half = (_NUM_LEVELS - 1) / 2
        middle = torch.full((), half + 0.5, device=positions.device)
        levels = torch.add(middle, positions.detach().float().flatten(1), alpha=half)
        # NaN casts to an arbitrary integer, so clamp the integers.
        rows = levels.int().clamp_(0, _NUM_LEVELS - 1).add_(self._first_rows(_NUM_LEVELS))
        return _entries(self.color_at_level, rows).view(*positions.shape, self.num_channels)

    def position_error(self, positions: Tensor, real: Tensor) -> Tensor:
        """Return the mean distance, a scalar, of positions (B, H, W) from where pixels take the
        colors of real images (B, C, H, W).

        A pixel's error is its distance to an interval around the real color. On each side the
        interval reaches 70 % of the way to the border with the next palette color, and at least 3
        levels where the border is farther. Correct pixels cost nothing, so that a ball of one pixel
        in 7,000 still counts.
        """
        return self.pixel_errors(positions, real).mean()

    def frame_errors(self, positions: Tensor, real: Tensor) -> Tensor:
        """Return `position_error` of each frame, (B,)."""
        return self.pixel_errors(positions, real).mean(1)

    def pixel_errors(self, positions: Tensor, real: Tensor) -> Tensor:
        """Return the distance of each pixel, (B, H * W)."""
        colors = _entries(self.color_of_key, keys_of_images(real)).flatten(1)
        rows = colors + self._first_rows(len(self.colors))
        low, high = (_entries(table, rows) for table in self.bounds)
        found = positions.flatten(1)
        nearest = torch.minimum(torch.maximum(found.detach(), low), high)
        return (found - nearest).abs()

    def _first_rows(self, rows_per_pixel: int) -> Tensor:
        """Return the row at which each pixel begins in a flattened table, int32 (H * W,)."""
        size = self.height * self.width
        return torch.arange(size, dtype=torch.int32, device=self.colors.device) * rows_per_pixel

    def _nearest_color(self, frames: Tensor) -> Tensor:
        """Return the index in `colors` for each pixel of frames uint8 (..., C), int32 (...)."""
        return _entries(self.color_of_key, keys_of_frames(frames))

    def _check(self) -> None:
        num_colors = len(self.colors)
        if not 1 <= num_colors <= MAX_COLORS:
            raise ValueError(f"there must be 1 to {MAX_COLORS} colors, not {num_colors}")
        self._expect("colors", (num_colors, self.num_channels))
        self._expect("shown", (self.height * self.width, -(-num_colors // 8)))

    def _shown(self) -> npt.NDArray[np.bool_]:
        """Return whether each pixel's palette holds each color, (pixels, num_colors)."""
        return _unpacked(self.shown.cpu().numpy(), len(self.colors))

    def _derive(self) -> None:
        self._derive_of_colors()
        self._derive_of_pixels()

    def _derive_of_colors(self) -> None:
        """Compute the tables that depend on the colors alone."""
        colors, device = self.colors.cpu(), self.colors.device
        self.positions = torch.from_numpy(_positions(colors.numpy()).astype(np.float32)).to(device)
        self.color_of_key = nearest_of_keys(colors).to(device)

    def _derive_of_pixels(self) -> None:
        """Compute the tables that depend on the palettes, once for pixels of the same palette."""
        positions, device = _positions(self.colors.cpu().numpy()), self.colors.device
        packed = np.ascontiguousarray(self.shown.cpu().numpy())
        rows = packed.view(f"V{packed.shape[1]}")[:, 0]
        _, first, of_pixel = np.unique(rows, return_index=True, return_inverse=True)
        shown = _unpacked(packed[first], len(positions))
        shown[~shown.any(1)] = True  # an empty palette allows all colors
        below, above = _shown_neighbors(shown)
        nearest = torch.from_numpy(_nearest_shown(positions, below, above)[of_pixel])
        self.color_at_level = _entries(self.colors, nearest.flatten().int().to(device))
        bounds = np.stack(_bounds(positions, shown, below, above))[:, of_pixel]
        self.bounds = torch.from_numpy(bounds).flatten(1).to(device)


def num_keys(num_channels: int) -> int:
    """Return the number of color keys: one for each gray level; otherwise one for all colors that
    share the upper five bits of every channel, so that a table of all keys stays small.
    """
    return 1 << (_GRAY_BITS if num_channels == 1 else _COLOR_BITS * num_channels)


def keys_of_frames(frames: Tensor) -> Tensor:
    """Return the color keys of frames uint8 (..., C), int32 (...)."""
    return _keys([channel.int() for channel in frames.unbind(-1)])


def keys_of_images(images: Tensor) -> Tensor:
    """Return the color keys of images (B, C, H, W) in [-1, 1], int32 (B, H, W).

    Values must be those of whole levels.
    """
    middle = torch.full((), 128.0, device=images.device)
    channels = images.float().unbind(1)
    return _keys([torch.add(middle, channel, alpha=127.5).int() for channel in channels])


def nearest_of_keys(colors: Tensor) -> Tensor:
    """Return the index of the nearest of colors uint8 (num_colors, C) for each key, int32 (keys,).

    The key of a given color maps to that color.
    """
    num_channels = colors.shape[1]
    bits = _GRAY_BITS if num_channels == 1 else _COLOR_BITS
    keys = np.arange(num_keys(num_channels))
    channels = [(keys >> bits * c & (1 << bits) - 1) << 8 - bits for c in range(num_channels)]
    middle = np.stack(channels, axis=1) + ((1 << 8 - bits) - 1) / 2
    table = torch.cdist(torch.from_numpy(middle), colors.double()).argmin(1).int()
    table[keys_of_frames(colors).long()] = torch.from_numpy(np.arange(len(colors), dtype=np.int32))
    return table


def _keys(levels: Sequence[Tensor]) -> Tensor:
    """Return the color keys of channels with these levels, int32 (...) each."""
    if len(levels) == 1:
        return levels[0]
    keys = torch.zeros_like(levels[0])
    for number, level in enumerate(levels):
        keys.add_(level >> (8 - _COLOR_BITS), alpha=1 << _COLOR_BITS * number)
    return keys


def _entries(table: Tensor, rows: Tensor) -> Tensor:
    """Return the rows (*rows.shape, …) of a table (N, …).

    Five times faster on a CPU than indexing where rows are single numbers.
    """
    flat = table.flatten() if table.ndim == 2 and table.shape[1] == 1 else table
    return flat.index_select(0, rows.flatten()).view(*rows.shape, *table.shape[1:])


def _unpacked(packed: npt.NDArray[np.uint8], num: int) -> npt.NDArray[np.bool_]:
    """Return the first `num` bits of each row of bytes (N, bytes), bool (N, num)."""
    return np.unpackbits(packed, axis=1, count=num, bitorder="little").astype(bool)


def _frequent_colors(frames: Frames, usual: Frames) -> Frames:
    """Return the most frequent colors of frames (N, H, W, C), uint8 (at most 256, C)."""
    num_channels = usual.shape[-1]
    counts = np.bincount(color_codes(usual).ravel(), minlength=1 << 8 * num_channels) * len(frames)
    for pixels, others in unusual_pixels(frames, usual):
        np.subtract.at(counts, color_codes(usual.reshape(-1, num_channels)[pixels]), 1)
        np.add.at(counts, color_codes(others), 1)
    present = np.flatnonzero(counts > 0).astype(np.int32)
    if len(present) > MAX_COLORS:
        present = np.sort(present[np.argsort(-counts[present], kind="stable")[:MAX_COLORS]])
    return colors_of(present, num_channels)


def _luminance(colors: Frames) -> npt.NDArray[np.float64]:
    """Return the luminance of colors (num_colors, C), 0 to 255."""
    levels = colors.astype(np.float64)
    found: npt.NDArray[np.float64] = (
        levels @ np.array(_LUMINANCE) if colors.shape[1] == 3 else levels.mean(1)
    )
    return found


def _positions(colors: Frames) -> npt.NDArray[np.float64]:
    """Return the positions on the line of colors (num_colors, C), ordered by luminance."""
    return _spread(_luminance(colors)) / 127.5 - 1


def _spread(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Move ascending levels, 0 to 255, apart where two nearly coincide."""
    apart = min(_MIN_GAP, (_NUM_LEVELS - 1) / max(1, len(levels) - 1))
    steps = np.arange(len(levels)) * apart
    spread = np.maximum.accumulate(levels - steps) + steps
    return np.asarray(spread * min(1.0, 255 / max(spread[-1], 1.0)), np.float64)


def _shown_neighbors(
    shown: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]]:
    """Return, for each pixel and color, the last palette color up to it and the first from it on,
    (pixels, num_colors) each; -1 and num_colors stand for none.
    """
    num = shown.shape[1]
    numbers = np.arange(num, dtype=np.int16)
    below = np.maximum.accumulate(np.where(shown, numbers, np.int16(-1)), axis=1)
    above = np.where(shown, numbers, np.int16(num))
    return below, np.minimum.accumulate(above[:, ::-1], axis=1)[:, ::-1]


def _nearest_shown(
    positions: npt.NDArray[np.float64],
    below: npt.NDArray[np.int16],
    above: npt.NDArray[np.int16],
) -> npt.NDArray[np.uint8]:
    """Return the nearest palette color for each pixel and level of the line, (pixels, 256)."""
    levels = np.linspace(-1, 1, _NUM_LEVELS)
    num = len(positions)
    last = np.searchsorted(positions, levels, side="right") - 1
    first = np.minimum(last + 1, num - 1)
    down = np.where(last >= 0, below[:, np.maximum(last, 0)], -1)
    up = np.where(last + 1 < num, above[:, first], num)
    padded = np.concatenate([positions, [_FAR, -_FAR]])  # colors num and -1
    is_up = np.abs(padded[up] - levels) < np.abs(padded[down] - levels)
    return np.where(is_up, up, down).astype(np.uint8)


def _bounds(
    positions: npt.NDArray[np.float64],
    shown: npt.NDArray[np.bool_],
    below: npt.NDArray[np.int16],
    above: npt.NDArray[np.int16],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return, for each pixel and color, the interval of `PixelPalettes.position_error`: its lower
    and upper ends, (pixels, num_colors) each.

    A color outside of the pixel's palette has the interval of the nearest palette color.
    """
    num = len(positions)
    padded = np.concatenate([positions, [_FAR, -_FAR]])
    before = np.concatenate([np.full((len(below), 1), -1, np.int16), below[:, :-1]], axis=1)
    after = np.concatenate([above[:, 1:], np.full((len(above), 1), num, np.int16)], axis=1)
    down, up = positions - padded[before], padded[after] - positions
    near = _CLOSE_ENOUGH / 127.5
    low = positions - np.minimum(down / 2, np.maximum((1 - _MARGIN) * down / 2, near))
    high = positions + np.minimum(up / 2, np.maximum((1 - _MARGIN) * up / 2, near))
    is_up = np.abs(padded[above] - positions) < np.abs(padded[below] - positions)
    nearest = np.where(shown, np.arange(num), np.where(is_up, above, below))
    take = np.take_along_axis
    return (
        take(low, nearest, 1).astype(np.float32),
        take(high, nearest, 1).astype(np.float32),
    )
