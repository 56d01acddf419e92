"""A set of images in memory as a source."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.pixels import FrameFormat, Frames
from atarigan.run_config import SampleSpec
from atarigan.sources.source import Batch, shuffled_indices


class ImageSet:
    """Images of one size, each once an epoch.

    Args:
        images: uint8 (N, H, W, C), C 1 or 3.
        labels: int64 (N,), each below `num_classes`; None where there are none.
        num_classes: 0 where there are no labels.

    Raises:
        InputError: there are no images.
    """

    def __init__(
        self, images: Frames, labels: npt.NDArray[np.int64] | None = None, num_classes: int = 0
    ) -> None:
        if len(images) == 0:
            raise InputError("an image source must hold at least 1 image, not 0")
        self.images = images
        self.labels = labels
        self.num_classes = num_classes
        self.num_samples = len(images)
        _, height, width, channels = images.shape
        frame_format = FrameFormat("gray" if channels == 1 else "rgb", height, width)
        self.spec = SampleSpec((channels, height, width), frame_format)

    def batches(
        self, batch_size: int, seed: int, start: int = 0, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        for indices in shuffled_indices(
            self.num_samples, batch_size, seed, start, rank, world_size
        ):
            yield Batch(self.images[indices])
