"""A folder of images as a source."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from atarigan.config.run_config import RunConfig
from atarigan.data.sources.image_set import ImageSet
from atarigan.data.sources.source import SOURCES
from atarigan.errors import InputError
from atarigan.files.untrusted_paths import confined
from atarigan.images import pixels
from atarigan.images.pixels import Frames

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
LARGEST_FILE = 64 << 20
MOST_PIXELS = 1 << 26
_PIXELS_PER_BYTE = 8 * 1032  # deflate expands at most 1032 times; a byte can hold 8 pixels


@SOURCES.register("folder")
def open_folder(config: RunConfig) -> ImageSet:
    """The images in the folder --data, as RGB; --image-size resizes them to one size."""
    if config.data is None:
        raise InputError("--source folder needs --data DIR, a folder of images")
    folder = Path(config.data)
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        known = ", ".join(SUFFIXES)
        raise InputError(f"{folder} must hold at least 1 image ({known}), not 0")
    size = config.image_size and pixels.parse_size(config.image_size, "--image-size")
    images = [read_image(confined(path, folder)) for path in paths]
    if size is not None:
        images = [pixels.resize(image, *size) for image in images]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            (height, width), (other_height, other_width) = images[0].shape[:2], image.shape[:2]
            raise InputError(
                f"{path} must be {height}x{width} as {paths[0]} is, not "
                f"{other_height}x{other_width}: --image-size brings all images to one size"
            )
    return ImageSet(np.stack(images), config)


def read_image(path: Path) -> Frames:
    """Read an image file as RGB, uint8 (H, W, 3).

    Raises:
        InputError: the file is larger than 64 MiB, claims more than 64 Mi pixels or more than its
            bytes can hold, or is not an image.
    """
    num_bytes = path.stat().st_size
    if num_bytes > LARGEST_FILE:
        raise InputError(f"{path} must be at most 64 MiB, not {num_bytes:,} bytes")
    height, width = _size_in_header(path)
    if height * width > min(MOST_PIXELS, _PIXELS_PER_BYTE * num_bytes):
        raise InputError(
            f"{path} must have at most {MOST_PIXELS:,} pixels and at most {_PIXELS_PER_BYTE:,} a "
            f"byte, not {height}x{width} in {num_bytes:,} bytes"
        )
    content = np.frombuffer(path.read_bytes(), np.uint8)
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR_RGB) if len(content) else None
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f"{path} is not an image that can be read")
    return np.asarray(image, np.uint8)


def _size_in_header(path: Path) -> tuple[int, int]:
    """Return (height, width) without decoding the image."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return image.height, image.width
    except Exception:  # Pillow may raise anything on a damaged file
        raise InputError(f"{path} is not an image that can be read") from None
