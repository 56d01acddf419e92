"""Grids of frames, and pictures with titles side by side."""

from pathlib import Path
from typing import Any

import cv2
import imageio.v3 as iio
import numpy as np
from PIL.PngImagePlugin import PngInfo

from atarigan.images.pixels import Frames

_GAP = 2
_WHITE = 255
_TITLE_HEIGHT = 28


def grid(frames: Frames, columns: int = 0, scale: int = 1) -> Frames:
    """Arrange RGB frames (N, H, W, 3) in rows with a thin white gap, uint8 (height, width, 3).

    Args:
        frames: the frames, in reading order.
        columns: frames in a row; 0 makes the picture about square.
        scale: factor by which frames are enlarged.
    """
    num, height, width, _ = frames.shape
    columns = columns or int(np.ceil(np.sqrt(num * height / width)))
    rows = -(-num // columns)
    cell_height, cell_width = height * scale + _GAP, width * scale + _GAP
    picture = np.full((rows * cell_height + _GAP, columns * cell_width + _GAP, 3), _WHITE, np.uint8)
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        top, left = row * cell_height + _GAP, column * cell_width + _GAP
        picture[top : top + height * scale, left : left + width * scale] = enlarged(frame, scale)
    return picture


def side_by_side(left: Frames, right: Frames, titles: tuple[str, str]) -> Frames:
    """Join two RGB pictures horizontally, each under its title."""
    height = max(len(left), len(right))
    first, second = (
        titled(padded(picture, height, picture.shape[1]), title)
        for picture, title in zip((left, right), titles, strict=True)
    )
    gap = np.full((len(first), 4 * _GAP, 3), _WHITE, np.uint8)
    return np.concatenate([first, gap, second], axis=1)


def enlarged(frame: Frames, scale: int) -> Frames:
    """Repeat each pixel as a square of `scale` × `scale`."""
    return frame.repeat(scale, axis=0).repeat(scale, axis=1)


def scale_for(height: int, width: int, target: int = 168) -> int:
    """Return the whole factor that brings the shorter side nearest to `target` pixels."""
    return max(1, round(target / min(height, width)))


def save_picture(path: Path, picture: Frames, note: str = "") -> None:
    """Write an RGB picture as PNG, with a note as its text "Comment"."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {}
    if note:
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Comment", note)
    iio.imwrite(path, picture, extension=".png", **options)


def padded(picture: Frames, height: int, width: int) -> Frames:
    """Pad a picture with white at the bottom and the right."""
    below, right = height - picture.shape[0], width - picture.shape[1]
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=_WHITE)


def titled(picture: Frames, title: str) -> Frames:
    """Add a title above a picture."""
    band = np.full((_TITLE_HEIGHT, picture.shape[1], 3), _WHITE, np.uint8)
    cv2.putText(band, title, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([band, picture])
