"""GIF and MP4 files."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from atarigan.errors import InputError
from atarigan.images.pixels import Frames

SUFFIXES = (".gif", ".mp4")


def can_save(suffix: str) -> bool:
    """Return whether files of a suffix can be written: MP4 needs imageio-ffmpeg."""
    return suffix != ".mp4" or find_spec("imageio_ffmpeg") is not None


def save_animation(
    path: Path, pictures: Iterable[Frames], pictures_per_s: float, note: str = ""
) -> None:
    """Write RGB pictures of one size as a GIF or an MP4, by the suffix of the path, with a note as
    its comment.

    Raises:
        InputError: another suffix.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} must end in {' or '.join(SUFFIXES)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any]
    if path.suffix == ".gif":
        options = {"duration": 1000 / pictures_per_s, "loop": 0}
        if note:
            options["comment"] = note.encode()
        iio.imwrite(path, list(pictures), extension=".gif", **options)
    else:
        even = [_even_sized(picture) for picture in pictures]
        options = {"fps": pictures_per_s, "macro_block_size": 1}
        if note:
            options["output_params"] = ["-metadata", f"comment={note}"]
        iio.imwrite(path, even, extension=".mp4", **options)


def _even_sized(picture: Frames) -> Frames:
    """Pad to even height and width, which MP4 needs."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
