"""OriginWindow: the rectangle around a moving origin in which what moves with it is drawn."""

import cv2
import numpy as np
import torch
from torch import Tensor

from atarigan.models.sized_by_data import SizedByData

_VISIBLE = 8  # levels
_NUM_FRAMES = 2048
_LIFT = 2.0  # how much more often a pixel differs than at that place in any frame
_LEAST_SHARE = 0.0005  # of frames
_MARGIN = 2  # pixels
_LEAST_EXPLAINED = 0.5  # of the variance outside
_SMALL_SHARE = 0.001  # of the variance of all pixels
_LARGEST = 0.4  # of the picture


class OriginWindow(SizedByData):
    """Origins (B, 2) to the pixels around them that may show more than fields do.

    The rectangle contains the pixels, counted from the rounded origin, that differ from the
    background at least twice as often as pixels at these places do in any frame, as far as they are
    connected with the one that differs most often. It is the whole picture, wherever the origin is,
    if that rectangle is large, or if what is outside of it does not follow from the state by a
    linear regression, as far as this can be told.

    Attributes:
        bounds: first and last row, first and last column of the rectangle, counted from the rounded
            origin, int64 (4,); empty for the whole picture.
        still: whether pixels outside always show the background, almost, bool ().
    """

    bounds: Tensor
    still: Tensor
    offsets: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.height, self.width = height, width
        self.register_buffer("bounds", torch.zeros(0, dtype=torch.int64))
        self._is_still = False
        self.register_buffer("still", torch.tensor(False))
        self.register_buffer("offsets", torch.zeros(0, 2, dtype=torch.int64), persistent=False)

    @property
    def is_everywhere(self) -> bool:
        """Whether it is the whole picture."""
        return not len(self.bounds)

    @property
    def is_still_outside(self) -> bool:
        """Whether pixels outside always show the background, almost."""
        return self._is_still

    def fit(self, frames: Tensor, states: Tensor, origins: Tensor, background: Tensor) -> None:
        """Find the rectangle.

        Args:
            frames: uint8 (N, H, W, C).
            states: their vectors, (N, size).
            origins: of the states, (N, 2), in pixels from the middle.
            background: uint8 (H, W, C).
        """
        frames, states, origins = (each[:_NUM_FRAMES] for each in (frames, states, origins))
        corners = self.corners(origins)
        differs = (frames.short() - background.short()).abs().amax(3) > _VISIBLE
        self.bounds = self._connected(differs.float(), corners)
        if not self.is_everywhere and not self._explains(frames, states, corners, background):
            self.bounds = self.bounds[:0]
        self._derive()

    def corners(self, origins: Tensor) -> Tensor:
        """Return the rows and columns of the pixels that contain origins (B, 2), int64 (B, 2); at
        the edge of the picture if they are outside.
        """
        rows, columns = ((size - 1) / 2 for size in (self.height, self.width))
        y = (origins[:, 0] + rows).round().clamp(0, self.height - 1)
        x = (origins[:, 1] + columns).round().clamp(0, self.width - 1)
        return torch.stack([y, x], dim=1).long()

    def pixels(self, corners: Tensor) -> Tensor:
        """Return the numbers of the window's pixels, int64 (B, R); H * W for those outside of the
        picture.
        """
        y = corners[:, :1] + self.offsets[:, 0]
        x = corners[:, 1:] + self.offsets[:, 1]
        is_inside = (y >= 0) & (y < self.height) & (x >= 0) & (x < self.width)
        return torch.where(is_inside, y * self.width + x, self.height * self.width)

    def contains(self, corners: Tensor, pixels: Tensor) -> Tensor:
        """Return which pixels, int64 (K,) or (B, K), are inside, bool (B, K)."""
        top, bottom, left, right = self.bounds
        y = pixels // self.width - corners[:, :1]
        x = pixels % self.width - corners[:, 1:]
        inside: Tensor = (y >= top) & (y <= bottom) & (x >= left) & (x <= right)
        return inside

    def _connected(self, differs: Tensor, corners: Tensor) -> Tensor:
        """Return the bounds of what moves with the origin; none if that is much of the picture."""
        height, width = self.height, self.width
        seen, expected = torch.zeros(2, 2 * height, 2 * width, device=differs.device)
        usual = differs.mean(0)
        for frame, (y, x) in zip(differs, corners.tolist(), strict=True):
            here = slice(height - y, 2 * height - y), slice(width - x, 2 * width - x)
            seen[here] += frame
            expected[here] += usual
        is_kept = (seen > _LIFT * expected) & (seen > _LEAST_SHARE * len(differs))
        mask = is_kept.cpu().numpy().astype(np.uint8)
        _, labels = cv2.connectedComponents(mask)
        most = labels.flat[int((seen * is_kept).argmax())]
        rows, columns = np.nonzero((labels == most) & (most > 0))
        if not len(rows):
            return self.bounds[:0]
        top, bottom = int(rows.min()) - height - _MARGIN, int(rows.max()) - height + _MARGIN
        left, right = int(columns.min()) - width - _MARGIN, int(columns.max()) - width + _MARGIN
        area = (bottom - top + 1) * (right - left + 1)
        is_large = area > _LARGEST * height * width
        return self.bounds.new_tensor([] if is_large else [top, bottom, left, right])

    def _explains(
        self, frames: Tensor, states: Tensor, corners: Tensor, background: Tensor
    ) -> bool:
        """Return whether pixels outside of the bounds follow from the state."""
        values = frames.flatten(1, 2).float().mean(2)
        numbers = states.float() - states.float().mean(0)
        numbers = numbers / numbers.std(0).clamp(min=1e-6)
        numbers = torch.cat([numbers, torch.ones_like(numbers[:, :1])], dim=1)
        square = numbers.T @ numbers + torch.eye(numbers.shape[1], device=numbers.device)
        linear = (numbers @ torch.linalg.solve(square, numbers.T @ values)).clamp(0, 255)
        still = background.flatten(0, 1).float().mean(1)
        pixels = torch.arange(self.height * self.width, device=corners.device)
        is_outside = ~self.contains(corners, pixels)
        errors = [((values - each).square() * is_outside).sum(0) for each in (linear, still)]
        outside = ((values - values.mean(0)).square() * is_outside).sum()
        variance = (values - values.mean(0)).square().sum()
        self.still = errors[1].sum() <= _SMALL_SHARE * variance
        left = torch.minimum(*errors).sum()
        return bool(self.still) or bool(left <= (1 - _LEAST_EXPLAINED) * outside)

    def _check(self) -> None:
        self._expect(
            "bounds",
            (len(self.bounds),),
            range(-(self.height + self.width), self.height + self.width),
        )
        if len(self.bounds) not in (0, 4):
            raise ValueError(f"bounds must be 4 numbers or none, not {len(self.bounds)}")

    def _derive(self) -> None:
        """Compute the offsets of the rectangle's pixels, int64 (R, 2)."""
        self._is_still = bool(self.still)
        if self.is_everywhere:
            self.offsets = self.bounds.new_zeros(0, 2)
            return
        top, bottom, left, right = self.bounds.tolist()
        device = self.bounds.device
        rows = torch.arange(top, bottom + 1, device=device)
        columns = torch.arange(left, right + 1, device=device)
        self.offsets = torch.cartesian_prod(rows, columns)
