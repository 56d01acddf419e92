"""Data sets whose images have labels, with the split that their authors made."""

from collections.abc import Callable
from functools import partial

from atarigan.config.run_config import RunConfig
from atarigan.data.sources.cifar import open_cifar
from atarigan.data.sources.data_files import Split
from atarigan.data.sources.idx_images import open_idx
from atarigan.data.sources.image_set import ImageSet
from atarigan.errors import InputError, did_you_mean

LABELED: dict[str, Callable[[RunConfig, Split], ImageSet]] = {
    "mnist": partial(open_idx, "mnist"),
    "fashion-mnist": partial(open_idx, "fashion-mnist"),
    "cifar10": open_cifar,
}


def open_split(config: RunConfig, split: Split) -> ImageSet:
    """The images to train on, or those to test with, of the source that a configuration names.

    Raises:
        InputError: the source has no labels, or its files are missing or damaged.
    """
    if config.source not in LABELED:
        hint = did_you_mean(config.source, LABELED)
        raise InputError(f"{config.source!r} must be a source with labels and a test split: {hint}")
    return LABELED[config.source](config, split)
