"""The protocol of data sources, the order of their samples, and the format of their images."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from atarigan.config.registry import Registry
from atarigan.config.run_config import RunConfig
from atarigan.data.provenance import Provenance
from atarigan.data.sample_spec import SampleSpec
from atarigan.images import pixels
from atarigan.images.pixels import FrameFormat


class Batch(NamedTuple):
    """Real samples. Images stay uint8 until they are on the device.

    Attributes:
        samples: uint8 (B, H, W, C) for images, float32 (B, 2) for points.
        condition: (B, *condition_shape), or None without a condition.
    """

    samples: npt.NDArray[Any]
    condition: npt.NDArray[Any] | None = None


class DataSource(Protocol):
    """An endless, seeded stream of real samples. Each epoch has every sample once.

    Attributes:
        spec: shape and format of a sample.
        num_samples: number of different samples.
        provenance: the environment that samples come from; unknown for most sources.
    """

    spec: SampleSpec
    num_samples: int
    provenance: Provenance = Provenance()

    def samples_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return numbered samples, as `batches` yields them; numbers are below `num_samples`."""

    def conditions_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any] | None:
        """Return the conditions of numbered samples, or None without a condition."""

    def episodes(self) -> npt.NDArray[np.int64] | None:
        """Return the number of each sample's episode, int64 (num_samples,), ascending from 0; None
        if samples are independent of one another.
        """
        return None

    def batches(
        self, batch_size: int, seed: int, start: int = 0, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        """Yield batches number start, start + 1, … without end, in an order set by `seed`.

        Batch n does not depend on `start`. With `world_size` processes, the global batch n has
        world_size * batch_size samples, and process `rank` gets its own slice of it.
        """
        for indices in shuffled_indices(
            self.num_samples, batch_size, seed, start, rank, world_size
        ):
            yield Batch(self.samples_at(indices), self.conditions_at(indices))


class SourceOpener(Protocol):
    """Open a source by a run's configuration. Raise InputError if data is missing or damaged."""

    def __call__(self, config: RunConfig) -> DataSource: ...


SOURCES: Registry[SourceOpener] = Registry("source")


def shuffled_indices(
    num_samples: int, batch_size: int, seed: int, start: int, rank: int, world_size: int
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the sample numbers of each batch, without end.

    Every epoch has each sample once. Its order depends on the seed and the epoch's number only. A
    batch may span two epochs.
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
    """Return the format of the images that networks see, as --color and --image-size say.

    Without the flags, images keep their size, gray frames stay gray, and others become RGB.

    Raises:
        InputError: the size is malformed.
    """
    name = config.color
    if name == "stored":
        name = "gray" if stored.name == "gray" else "rgb"
    size = (stored.height, stored.width)
    if config.image_size is not None:
        size = pixels.parse_size(config.image_size, "--image-size")
    return FrameFormat(name, *size)
