"""GeneratedReplay: a buffer of the console's memory, replayed as generated frames."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.frame_buffer import FrameBuffer, Seed
from atarigan.data.buffer.sampling import Transitions
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import Frames
from atarigan.models.frame_generator import FrameGenerator

States = npt.NDArray[np.uint8]
_NUM_LATENTS = 1024
_HASH_FACTOR = 0x9E3779B1  # an odd number near 2**32 over the golden ratio: Fibonacci hashing


class GeneratedReplay:
    """Samples a `FrameBuffer` as the buffer itself does, with frames that a generator draws of the
    memory stored in it: 128 bytes a step instead of a frame.

        python -m atarigan.collect --no-frames --num-steps 1000000 --out data/long

        replay = GeneratedReplay("data/long", "runs/states")
        replay.sample_transitions(32, num_stack=4)

    A step is drawn the same whenever it is sampled: its latent is chosen by its memory. Frames have
    the buffer's format, whatever the generator's is.

    Args:
        buffer: one that stores console memory, with frames or without, or its folder.
        generator: one that reads memory, or a run or checkpoint folder to load it from.
        seed: of the latents.

    Raises:
        InputError: the buffer stores no memory, the generator does not read it or reads another
            console's, or the buffer wants palette indices that it does not draw.
    """

    def __init__(
        self,
        buffer: FrameBuffer | str | Path,
        generator: FrameGenerator | str | Path,
        seed: int = 0,
    ) -> None:
        if not isinstance(buffer, FrameBuffer):
            buffer = FrameBuffer.open(buffer)
        if isinstance(generator, (str, Path)):
            generator = FrameGenerator.load(generator)
        if not generator.reads_ram:
            raise InputError("GeneratedReplay needs a generator trained with --condition ram")
        if not buffer.meta.ram_size:
            raise InputError(f"{buffer.path} stores no ram to generate frames from")
        self.buffer = buffer
        self._generator = generator
        self._latents = generator.latents(_NUM_LATENTS, seed)
        self.frames_of(np.zeros((1, buffer.meta.ram_size), np.uint8))  # what does not fit shows now

    def __len__(self) -> int:
        return len(self.buffer)

    def frames_of(self, states: States) -> Frames:
        """The frames of memory uint8 (..., bytes), uint8 (..., H, W, C)."""
        flat = states.reshape(-1, states.shape[-1])
        frames = self._generator.decode(self._latents[_places(flat)], flat)
        frame_format = self.buffer.meta.frame_format
        frames = pixels.convert(frames, self._generator.frame_format, frame_format)
        return frames.reshape(*states.shape[:-1], *frame_format.shape)

    def sample(self, batch_size: int, seed: Seed = None) -> Frames:
        """As `FrameBuffer.sample`, uint8 (B, H, W, C)."""
        return self.frames_of(self.buffer.sample(batch_size, seed, "ram"))

    def sample_stacks(self, batch_size: int, num_stack: int, seed: Seed = None) -> Frames:
        """As `FrameBuffer.sample_stacks`, uint8 (B, K, H, W, C)."""
        return self.frames_of(self.buffer.sample_stacks(batch_size, num_stack, seed, "ram"))

    def sample_transitions(
        self, batch_size: int, num_stack: int = 1, seed: Seed = None
    ) -> Transitions:
        """As `FrameBuffer.sample_transitions`."""
        batch = self.buffer.sample_transitions(batch_size, num_stack, seed, "ram")
        states = np.concatenate([batch.frames, batch.next_frames[:, -1:]], axis=1)
        frames = self.frames_of(states)  # the frames that both stacks share are drawn once
        return dataclasses.replace(
            batch, frames=frames[:, :-1].copy(), next_frames=frames[:, 1:].copy()
        )


def _places(states: States) -> npt.NDArray[np.int64]:
    """A number below `_NUM_LATENTS` for each state (N, bytes): a hash of all its bytes."""
    powers = np.cumprod(np.full(states.shape[1], _HASH_FACTOR, np.uint32), dtype=np.uint32)
    sums = states.astype(np.uint32) @ powers
    return (sums >> np.uint32(16)).astype(np.int64) % _NUM_LATENTS
