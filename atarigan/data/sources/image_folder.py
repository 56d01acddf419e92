"""A folder of images as a source."""

import warnings
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np

from atarigan.config.run_config import RunConfig
from atarigan.data.sources.data_files import named_folder
from atarigan.data.sources.image_file import ImageReader
from atarigan.data.sources.image_set import ImageSet
from atarigan.data.sources.source import SOURCES
from atarigan.errors import InputError
from atarigan.files.untrusted_paths import confined
from atarigan.images import pixels

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")


@SOURCES.register("folder")
def open_folder(config: RunConfig) -> ImageSet:
    """The images in the folder --data, as RGB; --image-size resizes them to one size."""
    if config.data is None:
        raise InputError("--source folder needs --data DIR, a folder of images")
    folder = named_folder(config.data, "--data")
    files = [path for path in folder.rglob("*") if not path.is_dir()]
    paths = sorted(path for path in files if path.suffix.lower() in SUFFIXES)
    if not paths:
        known = ", ".join(SUFFIXES)
        raise InputError(
            f"{folder} must hold at least 1 image ({known}), not 0; other files: {len(files):,}"
        )
    size = config.image_size and pixels.parse_size(config.image_size, "--image-size")
    _warn_of_others(folder, files)
    reader = ImageReader()
    images = [reader.read(confined(path, folder)) for path in paths]
    reader.finish(folder)
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


def _warn_of_others(folder: Path, files: Collection[Path]) -> None:
    """Warn of files that are left out because of their names, unless they are hidden."""
    others = [path.suffix.lower() for path in files if not path.name.startswith(".")]
    kinds = Counter(suffix or "no suffix" for suffix in others if suffix not in SUFFIXES)
    if kinds:
        named = ", ".join(f"{num:,} {kind}" for kind, num in kinds.most_common(5))
        warnings.warn(f"{folder}: {kinds.total():,} files are not read: {named}", stacklevel=3)
