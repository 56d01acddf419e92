"""Pictures for people: grids, real beside generated, animations."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import imageio.v3 as iio
import numpy as np

from atarigan.errors import InputError
from atarigan.images.pixels import Frames

ANIMATION_SUFFIXES = (".gif", ".mp4")
_GAP = 2
_PAPER = 255


def grid(frames: Frames, columns: int = 0, scale: int = 1) -> Frames:
    """RGB frames (N, H, W, 3) side by side in rows, with a thin white gap: one picture uint8 (rows,
    columns, 3).

    Args:
        columns: frames in a row; 0 makes it as square as can be.
        scale: screen pixels a side of each pixel.
    """
    num, height, width, _ = frames.shape
    columns = columns or int(np.ceil(np.sqrt(num * height / width)))
    rows = -(-num // columns)
    picture = np.full(
        (rows * (height * scale + _GAP) + _GAP, columns * (width * scale + _GAP) + _GAP, 3),
        _PAPER,
        np.uint8,
    )
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        top, left = row * (height * scale + _GAP) + _GAP, column * (width * scale + _GAP) + _GAP
        picture[top : top + height * scale, left : left + width * scale] = enlarged(frame, scale)
    return picture


def beside(left: Frames, right: Frames, titles: tuple[str, str]) -> Frames:
    """Two RGB pictures side by side, each under its title."""
    height = max(len(left), len(right))
    first, second = (
        titled(padded(picture, height, picture.shape[1]), title)
        for picture, title in zip((left, right), titles, strict=True)
    )
    gap = np.full((len(first), 4 * _GAP, 3), _PAPER, np.uint8)
    return np.concatenate([first, gap, second], axis=1)


def enlarged(frame: Frames, scale: int) -> Frames:
    """Each pixel as a square of `scale` × `scale`."""
    return frame.repeat(scale, axis=0).repeat(scale, axis=1)


def scale_for(height: int, width: int, target: int = 168) -> int:
    """A whole enlargement that brings the shorter side near `target` screen pixels."""
    return max(1, round(target / min(height, width)))


def save_picture(path: Path, picture: Frames) -> None:
    """Write an RGB picture as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    iio.imwrite(path, picture, extension=".png")


def save_animation(path: Path, pictures: Iterable[Frames], pictures_per_s: float) -> None:
    """Write RGB pictures of one size as a GIF or an MP4, by the path's ending.

    Raises:
        InputError: another ending.
    """
    if path.suffix not in ANIMATION_SUFFIXES:
        raise InputError(f"{path} must end in {' or '.join(ANIMATION_SUFFIXES)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".gif":
        options: dict[str, Any] = {"duration": 1000 / pictures_per_s, "loop": 0}
        iio.imwrite(path, list(pictures), extension=".gif", **options)
    else:
        even = [_even_sized(picture) for picture in pictures]
        iio.imwrite(path, even, extension=".mp4", fps=pictures_per_s, macro_block_size=1)


def _even_sized(picture: Frames) -> Frames:
    """Padded by a row or column where the video format needs even sizes."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def padded(picture: Frames, height: int, width: int) -> Frames:
    """White below and right of a picture, up to a size that it does not exceed."""
    below, right = height - picture.shape[0], width - picture.shape[1]
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=_PAPER)


def titled(picture: Frames, title: str) -> Frames:
    """A picture under its title."""
    band = np.full((28, picture.shape[1], 3), _PAPER, np.uint8)
    cv2.putText(band, title, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([band, picture])
