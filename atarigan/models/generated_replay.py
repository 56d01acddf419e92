"""GeneratedReplay: samples a buffer of states as generated frames."""

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atarigan.config.condition import RAM_AND_ACTION
from atarigan.data.buffer.column_readers import column_reader
from atarigan.data.buffer.frame_buffer import FrameBuffer, Seed
from atarigan.data.buffer.sampling import Transitions
from atarigan.data.provenance import Provenance, check_same_game
from atarigan.data.states import State
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import Frames
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.latent_stream import state_of

_NUM_LATENTS = 1024
_HASH_FACTOR = 0x9E3779B1  # an odd number near 2**32 over the golden ratio: Fibonacci hashing


class GeneratedReplay:
    """Samples a `FrameBuffer` with frames generated from the stored states, such as RAM, the
    console's 128 bytes of memory, so that a step takes 128 bytes instead of a frame.

    `python -m atarigan.collect --no-frames` writes such buffers of RAM and vectors, and
    `python -m atarigan.convert --codes` those of learned codes. A state always gives the same
    frame, because a hash of its bytes selects its latent. Frames are converted to the buffer's
    format.

    Args:
        buffer: one that stores states, or its folder.
        generator: one that reads such states, or what `FrameGenerator.load` takes.
        seed: of the latents.
        allow_other_game: whether the generator may be of another game than the buffer.

    Raises:
        InputError: the buffer stores no states, the generator reads no such ones, expects another
            size or actions without names in the buffer, is of another game or did not write the
            codes, or its frames cannot be converted to the buffer's format.

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
        state = buffer.meta.state
        if state is None:
            raise InputError(f"{buffer.path} stores no states to generate frames from")
        read = state_of(generator)
        kinds = [each.kind for each in (state, state.with_action) if each]
        if read is None or read.kind not in kinds:
            known = " or ".join(kinds)
            raise InputError(f"GeneratedReplay needs a generator trained with --condition {known}")
        written, own = buffer.meta.encoder, getattr(generator, "weights_sha256", None)
        if written is not None and written != own:
            raise InputError(
                f"{buffer.path} holds codes of an encoder with the checksum {written[:12]}, and "
                f"the generator's is {str(own)[:12]}: name the run or the packed folder that wrote "
                "them"
            )
        check_same_game(
            getattr(generator, "provenance", Provenance()),
            Provenance.of(buffer.meta),
            str(buffer.path),
            reads_state=True,
            allow=None if allow_other_game else "allow_other_game=True",
        )
        self.buffer = buffer
        self._generator = generator
        self._column = RAM_AND_ACTION if read.kind != state.kind else "state"
        self._latents = generator.latents(_NUM_LATENTS, seed)
        # A mismatch fails here rather than at the first sample.
        column_reader(buffer.meta, self._column, buffer.path)
        self.frames_of(np.zeros((1, state.size), state.dtype))

    def __len__(self) -> int:
        return len(self.buffer)

    def frames_of(self, states: State) -> Frames:
        """Return the frames of states (..., size), uint8 (..., H, W, C). Actions that RAM lacks are
        no-ops.
        """
        flat = states.reshape(-1, states.shape[-1])
        frames = self._generator.decode(self._latents[_latent_numbers(flat)], flat)
        frame_format = self.buffer.meta.frame_format
        frames = pixels.convert(frames, self._generator.frame_format, frame_format)
        return frames.reshape(*states.shape[:-1], *frame_format.shape)

    def sample(self, batch_size: int, seed: Seed = None) -> Frames:
        """Do the same as `FrameBuffer.sample`, uint8 (B, H, W, C)."""
        return self.frames_of(self.buffer.sample(batch_size, seed, self._column))

    def sample_stacks(self, batch_size: int, num_stack: int, seed: Seed = None) -> Frames:
        """Do the same as `FrameBuffer.sample_stacks`, uint8 (B, K, H, W, C)."""
        return self.frames_of(self.buffer.sample_stacks(batch_size, num_stack, seed, self._column))

    def sample_transitions(
        self, batch_size: int, num_stack: int = 1, seed: Seed = None
    ) -> Transitions:
        """Do the same as `FrameBuffer.sample_transitions`. Their states are those that are stored,
        without an action that the generator reads.
        """
        batch = self.buffer.sample_transitions(batch_size, num_stack, seed, self._column)
        states = np.concatenate([batch.frames, batch.next_frames[:, -1:]], axis=1)
        frames = self.frames_of(states)  # frames that both stacks share are drawn once
        return dataclasses.replace(
            batch, frames=frames[:, :-1].copy(), next_frames=frames[:, 1:].copy()
        )


def _latent_numbers(states: State) -> npt.NDArray[np.int64]:
    """Return a hash below `_NUM_LATENTS` of each state (N, size)."""
    states = np.ascontiguousarray(states).view(np.uint8)
    powers = np.cumprod(np.full(states.shape[1], _HASH_FACTOR, np.uint32), dtype=np.uint32)
    sums = states.astype(np.uint32) @ powers
    return (sums >> np.uint32(16)).astype(np.int64) % _NUM_LATENTS
