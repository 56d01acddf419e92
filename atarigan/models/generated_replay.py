"""GeneratedReplay: samples a buffer of RAM as generated frames."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.frame_buffer import FrameBuffer, Seed
from atarigan.data.buffer.sampling import Transitions
from atarigan.data.provenance import Provenance, check_same_game
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import Frames
from atarigan.models.frame_generator import FrameGenerator

States = npt.NDArray[np.uint8]
_NUM_LATENTS = 1024
_HASH_FACTOR = 0x9E3779B1  # an odd number near 2**32 over the golden ratio: Fibonacci hashing


class GeneratedReplay:
    """Samples a `FrameBuffer` with frames generated from the stored RAM, the console's 128 bytes of
    memory, so that a step takes 128 bytes instead of a frame.

    `python -m atarigan.collect --no-frames` writes such buffers. A state always gives the same
    frame, because a hash of its RAM selects its latent. Frames are converted to the buffer's
    format.

    Args:
        buffer: one that stores RAM, or its folder.
        generator: one that reads RAM, or what `FrameGenerator.load` takes.
        seed: of the latents.
        allow_other_game: whether the generator may be of another game than the buffer.

    Raises:
        InputError: the buffer stores no RAM, the generator does not read it, expects another size
            or is of another game, or its frames cannot be converted to the buffer's format.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from atarigan import FrameBuffer, FrameGenerator, GeneratedReplay
        >>> generator = FrameGenerator.load("pong", device="cpu")
        >>> buffer = FrameBuffer.create(
        ...     tempfile.mkdtemp(), 100, (84, 84, 1), ram_size=128, stores_frames=False
        ... )
        >>> for ram in generator.states(generator.latents(20, seed=0)):
        ...     buffer.add(None, ram=ram)
        >>> buffer.close()
        >>> replay = GeneratedReplay(buffer, generator)
        >>> replay.sample(8, seed=0).shape
        (8, 84, 84, 1)
        >>> replay.sample_transitions(8, num_stack=4, seed=0).next_frames.shape
        (8, 4, 84, 84, 1)
    """

    def __init__(
        self,
        buffer: FrameBuffer | str | Path,
        generator: FrameGenerator | str | Path,
        seed: int = 0,
        *,
        allow_other_game: bool = False,
    ) -> None:
        if not isinstance(buffer, FrameBuffer):
            buffer = FrameBuffer.open(buffer)
        if isinstance(generator, (str, Path)):
            generator = FrameGenerator.load(generator)
        if not generator.reads_ram:
            raise InputError("GeneratedReplay needs a generator trained with --condition ram")
        if not buffer.meta.ram_size:
            raise InputError(f"{buffer.path} stores no ram to generate frames from")
        check_same_game(
            getattr(generator, "provenance", Provenance()),
            Provenance.of(buffer.meta),
            str(buffer.path),
            reads_ram=True,
            allow=None if allow_other_game else "allow_other_game=True",
        )
        self.buffer = buffer
        self._generator = generator
        self._latents = generator.latents(_NUM_LATENTS, seed)
        # A mismatch fails here rather than at the first sample.
        self.frames_of(np.zeros((1, buffer.meta.ram_size), np.uint8))

    def __len__(self) -> int:
        return len(self.buffer)

    def frames_of(self, states: States) -> Frames:
        """Return the frames of RAM uint8 (..., bytes), uint8 (..., H, W, C)."""
        flat = states.reshape(-1, states.shape[-1])
        frames = self._generator.decode(self._latents[_latent_numbers(flat)], flat)
        frame_format = self.buffer.meta.frame_format
        frames = pixels.convert(frames, self._generator.frame_format, frame_format)
        return frames.reshape(*states.shape[:-1], *frame_format.shape)

    def sample(self, batch_size: int, seed: Seed = None) -> Frames:
        """Do the same as `FrameBuffer.sample`, uint8 (B, H, W, C)."""
        return self.frames_of(self.buffer.sample(batch_size, seed, "ram"))

    def sample_stacks(self, batch_size: int, num_stack: int, seed: Seed = None) -> Frames:
        """Do the same as `FrameBuffer.sample_stacks`, uint8 (B, K, H, W, C)."""
        return self.frames_of(self.buffer.sample_stacks(batch_size, num_stack, seed, "ram"))

    def sample_transitions(
        self, batch_size: int, num_stack: int = 1, seed: Seed = None
    ) -> Transitions:
        """Do the same as `FrameBuffer.sample_transitions`."""
        batch = self.buffer.sample_transitions(batch_size, num_stack, seed, "ram")
        states = np.concatenate([batch.frames, batch.next_frames[:, -1:]], axis=1)
        frames = self.frames_of(states)  # frames that both stacks share are drawn once
        return dataclasses.replace(
            batch, frames=frames[:, :-1].copy(), next_frames=frames[:, 1:].copy()
        )


def _latent_numbers(states: States) -> npt.NDArray[np.int64]:
    """Return a hash below `_NUM_LATENTS` of each state (N, bytes)."""
    powers = np.cumprod(np.full(states.shape[1], _HASH_FACTOR, np.uint32), dtype=np.uint32)
    sums = states.astype(np.uint32) @ powers
    return (sums >> np.uint32(16)).astype(np.int64) % _NUM_LATENTS
