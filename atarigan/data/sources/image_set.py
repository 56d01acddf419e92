"""A set of images in memory as a source."""

import numpy as np
import numpy.typing as npt

from atarigan.config.condition import CODE, RAM, is_state
from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import SampleSpec
from atarigan.data.sources.source import DataSource, shown_format
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import FrameFormat, Frames


class ImageSet(DataSource):
    """Images of one size.

    Args:
        images: uint8 (N, H, W, C), C 1 or 3.
        config: color and size of the samples, and whether the labels are conditions: one-hot
            float32 (num_classes,).
        labels: int64 (N,), each below `num_classes`; None without labels.
        num_classes: number of classes; 0 without labels.

    Raises:
        InputError: there are no images, or the condition needs labels or RAM that they lack.
    """

    def __init__(
        self,
        images: Frames,
        config: RunConfig,
        labels: npt.NDArray[np.int64] | None = None,
        num_classes: int = 0,
    ) -> None:
        if len(images) == 0:
            raise InputError("an image source must hold at least 1 image, not 0")
        if is_state(config.condition):
            names = {RAM: "frames with RAM", CODE: "frames of a buffer"}
            name = names.get(config.condition, "frames with this state")
            raise InputError(
                f"--condition {config.condition} needs {name}, and {config.source!r} has none"
            )
        self._with_condition = config.condition == "class"
        if self._with_condition and labels is None:
            raise InputError(
                f"--condition class needs a source with labels, and {config.source!r} has none"
            )
        height, width, channels = images.shape[1:]
        stored = FrameFormat("gray" if channels == 1 else "rgb", height, width)
        shown = shown_format(stored, config)
        self.images = pixels.convert(images, stored, shown)
        self.labels = labels
        self.num_classes = num_classes
        self.num_samples = len(images)
        sample_shape = (shown.num_channels, shown.height, shown.width)
        condition_shape = (num_classes,) if self._with_condition else None
        self.spec = SampleSpec(sample_shape, shown, condition_shape)

    def samples_at(self, indices: npt.NDArray[np.int64]) -> Frames:
        return self.images[indices]

    def conditions_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float32] | None:
        if not self._with_condition:
            return None
        assert self.labels is not None
        return np.eye(self.num_classes, dtype=np.float32)[self.labels[indices]]
