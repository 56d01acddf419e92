"""The protocol of data sources, and what they share: the order of samples, the shown format."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from atarigan.config.registry import Registry
from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import SampleSpec
from atarigan.images import pixels
from atarigan.images.pixels import FrameFormat


class Batch(NamedTuple):
    """Real samples as they are kept: bytes stay bytes until they are on the device.

    Attributes:
        samples: uint8 (B, H, W, C) for images, float32 (B, 2) for points.
        condition: (B, *condition_shape), or None where there is nothing to condition on.
    """

    samples: npt.NDArray[Any]
    condition: npt.NDArray[Any] | None = None


class DataSource(Protocol):
    """An endless, seeded supply of real samples.

    Attributes:
        spec: what one sample is.
        num_samples: how many different ones there are.
    """

    spec: SampleSpec
    num_samples: int

    def samples_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Numbered samples, each below `num_samples`, as `batches` gives them."""

    def conditions_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any] | None:
        """What numbered samples are conditioned on, as `batches` gives it; None means nothing."""

    def batches(
        self, batch_size: int, seed: int, start: int = 0, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """Batches number start, start + 1, … of the order that `seed` sets, without end.

        Batch n is the same wherever iteration starts. With `world_size` processes, the global batch
        n has world_size * batch_size samples and process `rank` gets its own slice of it.
        """


class SourceOpener(Protocol):
    """Makes a source from a run's configuration. Raises InputError where its data is missing or
    damaged.
    """

    def __call__(self, config: RunConfig) -> DataSource: ...


SOURCES: Registry[SourceOpener] = Registry("source")


def shuffled_indices(
    num_samples: int, batch_size: int, seed: int, start: int, rank: int, world_size: int
) -> Iterator[npt.NDArray[np.int64]]:
    """For each batch, which samples it holds: every epoch has each sample once, in an order of its
    own.

    Epochs follow one another without a gap, so that a batch may end one and begin the next. The
    order depends on the seed and the epoch's number alone.
    """
    orders: dict[int, npt.NDArray[np.int64]] = {}
    number = start
    while True:
        first = (number * world_size + rank) * batch_size
        epochs, places = np.divmod(np.arange(first, first + batch_size), num_samples)
        needed = range(int(epochs[0]), int(epochs[-1]) + 1)
        orders = {
            epoch: orders[epoch]
            if epoch in orders
            else np.random.default_rng([seed, epoch]).permutation(num_samples)
            for epoch in needed
        }
        yield np.concatenate([orders[epoch][places[epochs == epoch]] for epoch in needed])
        number += 1


def shown_format(stored: FrameFormat, config: RunConfig) -> FrameFormat:
    """Return the format in which networks see images, by the flags --color and --image-size.

    Without the flags images keep their size; gray stays gray and everything else becomes RGB.

    Raises:
        InputError: the size cannot be read.
    """
    name = config.color
    if name == "stored":
        name = "gray" if stored.name == "gray" else "rgb"
    size = (stored.height, stored.width)
    if config.image_size is not None:
        size = pixels.parse_size(config.image_size, "--image-size")
    return FrameFormat(name, *size)
