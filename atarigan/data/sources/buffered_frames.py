"""Frames out of a FrameBuffer as a source."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sample_spec import SampleSpec
from atarigan.data.sources.source import SOURCES, Batch, shown_format, shuffled_indices
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import Frames


class BufferedFrames:
    """The frames of a buffer, each once an epoch, in the colors and at the size that the
    configuration asks for; palette frames as RGB.

    The buffer is read as it is when the source is made: train on one that is not being written
    over.

    Raises:
        InputError: the buffer is empty.
    """

    def __init__(self, buffer: FrameBuffer, config: RunConfig) -> None:
        self.num_samples = len(buffer)
        if self.num_samples == 0:
            raise InputError(f"{buffer.path} must hold at least 1 step to learn from, not 0")
        self._buffer = buffer
        if config.condition == "class":
            raise InputError("--condition class needs a source with labels, and frames have none")
        ram_size = buffer.meta.ram_size
        self._with_ram = config.condition == "ram"
        if self._with_ram and not ram_size:
            raise InputError(
                f"--condition ram needs frames with the console's memory: {buffer.path} stores "
                "none, and --recipe atari-frames does without"
            )
        self._shown = shown_format(buffer.meta.frame_format, config)
        height, width, channels = self._shown.shape
        condition_shape = (ram_size,) if self._with_ram else None
        self.spec = SampleSpec((channels, height, width), self._shown, condition_shape)

    def samples_at(self, indices: npt.NDArray[np.int64]) -> Frames:
        frames = self._buffer.values_at("frames", indices)
        return pixels.convert(frames, self._buffer.meta.frame_format, self._shown)

    def ram_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8] | None:
        """The console's memory behind numbered frames, uint8 (N, bytes); None where none is
        stored.
        """
        return self._buffer.values_at("ram", indices) if self._buffer.meta.ram_size else None

    def conditions_at(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8] | None:
        return self.ram_at(indices) if self._with_ram else None

    def whole_stacks(self, num_stack: int) -> npt.NDArray[np.int64]:
        """Numbers of frames that followed one another within an episode, (N, num_stack), oldest
        first; every frame is in one of them at most.
        """
        everything = np.arange(self.num_samples)
        ends = self._buffer.values_at("terminations", everything)
        ends |= self._buffer.values_at("truncations", everything)
        ends[np.cumsum(self._buffer.writer_lengths) - 1] = True  # the next step is another writer's
        begins = np.flatnonzero(np.concatenate([[True], ends[:-1]]))
        places = everything - np.repeat(begins, np.diff([*begins, self.num_samples]))
        lasts = np.flatnonzero(places % num_stack == num_stack - 1)
        return lasts[:, None] + np.arange(1 - num_stack, 1)

    def batches(
        self, batch_size: int, seed: int, start: int = 0, rank: int = 0, world_size: int = 1
    ) -> Iterator[Batch]:
        for indices in shuffled_indices(
            self.num_samples, batch_size, seed, start, rank, world_size
        ):
            yield Batch(self.samples_at(indices), self.conditions_at(indices))


@SOURCES.register("frames")
def open_frames(config: RunConfig) -> BufferedFrames:
    """Frames that `python -m atarigan.collect` stored; --data names the buffer's folder."""
    if config.data is None:
        raise InputError(
            "--source frames needs --data DIR, the folder that atarigan.collect filled"
        )
    return BufferedFrames(FrameBuffer.open(config.data), config)
