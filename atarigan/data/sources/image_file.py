"""Read image files as RGB frames, whatever their depth, palette or transparency."""

import io
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps

from atarigan.errors import InputError
from atarigan.images.pixels import Frames, gray_to_rgb

LARGEST_FILE = 64 << 20
MAX_PIXELS = 1 << 26
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
_PIXELS_PER_BYTE = 8 * 1032  # deflate expands at most 1032 times; a byte can hold 8 pixels
_MAX_UINT16 = 0xFFFF
_MIN_BRIGHTEST = 1 << 14
_TIFF_MAX_SAMPLE_VALUE = 281
_ORIENTATION = 274
_OTHER_COLORS = ("CMYK", "LAB", "YCbCr")  # which OpenCV converts differently, or not at all


class ImageReader:
    """Reads image files as RGB, and counts those that had to be converted.

    - Transparent pixels are blended over white: their colors are not meant to be seen.
    - Values of 16 bits are scaled to 8, by the maximum that a TIFF file names or else by 65,535.
    - Floats must be from 0 to 1.
    - Of a file with several pictures, the first is read.
    - CMYK, YCbCr and Lab colors are converted to sRGB.
    - The orientation that a camera wrote is applied.
    """

    def __init__(self) -> None:
        self._notes: Counter[str] = Counter()
        self._brightest: tuple[int, Path] | None = None

    def read(self, path: Path) -> Frames:
        """Read an image file as RGB, uint8 (H, W, 3).

        Raises:
            InputError: the file is larger than 64 MiB, claims more than 64 Mi pixels or more than
                its bytes can hold, is not an image, or holds numbers that are not pixels.
        """
        num_bytes = path.stat().st_size
        if num_bytes > LARGEST_FILE:
            raise InputError(f"{path} must be at most 64 MiB, not {num_bytes:,} bytes")
        content = path.read_bytes()
        try:
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                _check_size(path, image, num_bytes)
                return self._read(path, image, content)
        except InputError:
            raise
        except Exception:  # Pillow may raise anything on a damaged file
            raise InputError(f"{path} is not an image that can be read") from None

    def finish(self, folder: Path) -> None:
        """Warn of the conversions of all images of a folder.

        Raises:
            InputError: all values of 16 bits would be dark, as those of a camera of 12 bits are.
        """
        if self._brightest is not None and self._brightest[0] < _MIN_BRIGHTEST:
            value, path = self._brightest
            raise InputError(
                f"images of 16 bits must use their range up to {_MAX_UINT16:,}, and the largest "
                f"value in {folder} is {value:,} ({path.name}): scale them to 16 bits or to 8"
            )
        for note, num in self._notes.items():
            warnings.warn(f"{folder}: {num:,} images {note}", stacklevel=3)

    def _read(self, path: Path, image: Any, content: bytes) -> Frames:
        if getattr(image, "n_frames", 1) > 1:
            self._notes["hold several pictures, of which the first is read"] += 1
        has_alpha = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info
        is_deep = image.mode[0] in "IF" or any(bits in str(image.tile) for bits in (";16", ";32"))
        if is_deep:
            return self._read_deep(path, image, content, has_alpha=has_alpha)
        if has_alpha:
            upright = ImageOps.exif_transpose(image).convert("RGBA")
            rgba = np.asarray(upright, np.uint8)
            if rgba[..., 3].min() < 0xFF:
                return self._blended(rgba[..., :3], rgba[..., 3:] / 0xFF)
        if image.mode in _OTHER_COLORS:
            return np.asarray(_as_rgb(ImageOps.exif_transpose(image)), np.uint8)
        rgb = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
        if rgb is None:
            raise ValueError("OpenCV cannot read it")
        return np.asarray(rgb, np.uint8)

    def _read_deep(self, path: Path, image: Any, content: bytes, *, has_alpha: bool) -> Frames:
        values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        if values is None:
            raise ValueError("OpenCV cannot read it")
        num_channels = 1 if values.ndim == 2 else values.shape[2]
        if has_alpha != (num_channels == 4) or (has_alpha and image.format != "PNG"):
            raise InputError(
                f"{path} must not have transparency and more than 8 bits: convert it to 8 bits"
            )
        if image.format == "PNG":  # of a TIFF file, OpenCV applies it
            values = _upright(values, image.getexif().get(_ORIENTATION, 1))
        levels = self._levels(path, image, np.atleast_3d(values))
        if num_channels == 1:
            return gray_to_rgb(levels)
        rgb = np.ascontiguousarray(levels[..., 2::-1])  # OpenCV's order is blue, green, red, alpha
        opacity = values[..., 3:] / _MAX_UINT16 if has_alpha else None
        if opacity is None or opacity.min() == 1:
            return rgb
        return self._blended(rgb, opacity)

    def _levels(self, path: Path, image: Any, values: npt.NDArray[Any]) -> Frames:
        """Scale deep values (H, W, C) to uint8."""
        if values.dtype == np.uint16:
            most = _MAX_UINT16
            if image.format == "TIFF":
                named = image.tag_v2.get(_TIFF_MAX_SAMPLE_VALUE, _MAX_UINT16)
                most = int(named[0] if isinstance(named, tuple) else named)
            brightest = int(values.max())
            if brightest > most or most < 1:
                raise InputError(f"{path} must hold values up to its {most:,}, not {brightest:,}")
            if most == _MAX_UINT16 and (self._brightest is None or brightest > self._brightest[0]):
                self._brightest = (brightest, path)
            self._notes["of 16 bits are scaled to 8"] += 1
            return np.asarray(values.astype(np.uint32) * 256 // (most + 1), np.uint8)
        if values.dtype.kind != "f":
            raise InputError(f"{path} must hold 8 or 16 bits or floats, not {values.dtype}")
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= 1):  # NaN fails too
            raise InputError(f"{path} must hold floats from 0 to 1, not {low:.4g} to {high:.4g}")
        self._notes["of floats from 0 to 1 are scaled to 8 bits"] += 1
        return np.asarray(np.rint(values * 0xFF), np.uint8)

    def _blended(self, rgb: Frames, opacity: npt.NDArray[Any]) -> Frames:
        self._notes["with transparency are blended over white"] += 1
        return np.asarray(np.rint(rgb * opacity + 0xFF * (1 - opacity)), np.uint8)


def _check_size(path: Path, image: Any, num_bytes: int) -> None:
    """Raise InputError if an image claims more pixels than allowed, before it is decoded."""
    height, width = image.height, image.width
    if height * width > min(MAX_PIXELS, _PIXELS_PER_BYTE * num_bytes):
        raise InputError(
            f"{path} must have at most {MAX_PIXELS:,} pixels and at most {_PIXELS_PER_BYTE:,} a "
            f"byte, not {height}x{width} in {num_bytes:,} bytes"
        )


def _as_rgb(image: Any) -> Any:
    """Convert an image of another color space to sRGB as Pillow does."""
    if image.mode != "LAB":
        return image.convert("RGB")
    lab, srgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
    return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")


def _upright(values: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Apply the EXIF orientation 1 to 8 to an image (H, W) or (H, W, C)."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)
