"""FrameGenerator: loads a trained generator and draws frames from it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from atarigan.config.run_config import LatentDistribution
from atarigan.data.provenance import Provenance
from atarigan.data.states import State, StateSpec
from atarigan.errors import InputError
from atarigan.files.checksum import sha256_of
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.models import hub_card, model_source
from atarigan.models.captured_update import replayed
from atarigan.models.checkpoint import (
    WEIGHTS_FILE,
    find_checkpoint,
    folders_of,
    load_model_config,
    load_weights,
    write_packed,
)
from atarigan.models.code_conditioned import CodeConditionedGenerator
from atarigan.models.device import choose_device
from atarigan.models.families import Generator
from atarigan.models.frame_network import FrameNetwork, loaded_network, network_inputs
from atarigan.models.hub import HubModel
from atarigan.models.latent_tensors import on_unit_interval
from atarigan.models.latents import LARGEST_BATCH, Latents, Seed, batches, draw_latents
from atarigan.models.model_config import ModelConfig
from atarigan.models.state.state_prior import StatePrior
from atarigan.models.state.vector_encoder import VectorEncoder
from atarigan.models.state.vector_prior import VectorPrior
from atarigan.models.state_conditioned import StateConditionedGenerator

Conditions = npt.NDArray[np.float32]
_LARGEST_ON_CPU = 64
_LARGEST_STATES, _LARGEST_FRAMES = 65_536, 1024  # batches that are replayed on CUDA


class FrameGenerator(HubModel):
    """Draws samples from a trained generator, without its data or its critic.

    Frames depend on a latent and, if the generator was trained with a condition, on a class or on a
    state: the console's 128 bytes of memory (RAM), a vector of numbers, or a code that its encoder
    reads off real frames (`encode`). Without a given state it draws one.

    Attributes:
        model: the configuration of the training run.
        sample_shape: (C, H, W) of images, (2,) of points.
        device: where it computes.
        num_clipped: given states so far with a number outside of the range in the training data,
            which is clipped to it.
        folder: the checkpoint that it was loaded from; None if none.

    Example:
        >>> from atarigan import FrameGenerator
        >>> generator = FrameGenerator.load("pong", device="cpu")
        >>> frames = generator.sample(4, seed=0)
        >>> frames.shape, frames.dtype
        ((4, 84, 84, 1), dtype('uint8'))

        The same frames in three steps: latents, states, frames.

        >>> latents = generator.latents(4, seed=0)
        >>> states = generator.states(latents)
        >>> states.shape
        (4, 128)
        >>> bool((generator.decode(latents, states) == frames).all())
        True
    """

    def __init__(
        self,
        model: ModelConfig,
        network: Generator,
        device: torch.device,
        folder: Path | None = None,
    ) -> None:
        self.model = model
        self.folder = folder
        self.sample_shape = model.sample.shape
        self.device = device
        self.num_clipped = 0
        self._network = network.to(device).requires_grad_(False).eval()
        self._frames = replayed(self._network.frames, _LARGEST_FRAMES, device)
        self._states = replayed(self._drawn_states, _LARGEST_STATES, device)

    @classmethod
    def load(cls, source: str | Path, device: str = "auto") -> Self:
        """Load a generator.

        Args:
            source: a run folder (its newest checkpoint is used), a checkpoint folder, the name of
                a shipped generator, such as "pong", or a name on the Hugging Face Hub,
                "hf://USER/NAME" or "hf://USER/NAME@REVISION".
            device: "auto", "cpu" or "cuda".

        Raises:
            InputError: the source is missing or damaged, or the device is not available.
        """
        checkpoint = find_checkpoint(model_source.resolved(source))
        model = load_model_config(checkpoint)
        network = loaded_network(model, load_weights(checkpoint), checkpoint)
        return cls(model, network, choose_device(device), checkpoint)

    def _write_for_hub(self, folder: Path, repository: str) -> None:
        weights = {name: each.cpu() for name, each in self._network.state_dict().items()}
        write_packed(folder, self.model, weights)
        self.write_grid(folder / hub_card.PICTURE)
        facts = hub_card.generator_facts(self.model)
        measured = []
        if self.folder is not None:
            measured = hub_card.measurements(self.weights_sha256, folders_of(self.folder))
        hub_card.write_card(folder, repository, facts, measured, self.folder)

    @property
    def weights_sha256(self) -> str | None:
        """Checksum of the file that its weights were loaded from; None if there is none."""
        return None if self.folder is None else sha256_of(self.folder / WEIGHTS_FILE)

    @property
    def largest_batch(self) -> int:
        """Samples that it decodes at once.

        On a CPU these are few: memory that is asked for and given back for each large batch has to
        be mapped anew, which takes up to half of the time.
        """
        return _LARGEST_ON_CPU if self.device.type == "cpu" else LARGEST_BATCH

    @property
    def makes_frames(self) -> bool:
        """Whether samples are frames rather than points."""
        return self.model.sample.frame_format is not None

    @property
    def frame_format(self) -> FrameFormat:
        """Format of the frames.

        Raises:
            InputError: it generates points.
        """
        if self.model.sample.frame_format is None:
            raise InputError(
                f"this generator makes points of shape {self.sample_shape}, not frames"
            )
        return self.model.sample.frame_format

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(H, W, C) of a frame. Raises InputError if it generates points."""
        return self.frame_format.shape

    @property
    def provenance(self) -> Provenance:
        """The environment that the training data came from, as far as it is known."""
        return self.model.provenance

    @property
    def latent_size(self) -> int:
        """Length of a latent, the network's part and the part that determines a state together."""
        prior = self._state_prior
        return self.model.run.latent_size + (prior.num_quantiles if prior else 0)

    @property
    def latent_distribution(self) -> LatentDistribution:
        """Distribution of latents, "normal" N(0, 1), "uniform" U(-1, 1) or "unit" U[0, 1)."""
        return self.model.run.latent_prior

    def latents(self, num: int, seed: Seed = None) -> Latents:
        """Draw latents, float32 (num, latent_size), from the latent distribution.

        The first latents of a seed are the same for every `num`.

        Raises:
            InputError: num is below 0.
        """
        return draw_latents(num, self.latent_size, self.latent_distribution, seed)

    @property
    def num_classes(self) -> int:
        """Number of classes that condition a sample; 0 for a generator without classes."""
        return self.model.num_classes

    @property
    def state(self) -> StateSpec | None:
        """The state that conditions a frame; None for a generator without states."""
        return self.model.state

    @property
    def reads_ram(self) -> bool:
        """Whether RAM conditions a frame."""
        return self.model.reads_ram

    def states(self, latents: Latents) -> State:
        """Return the states that latents (N, latent_size) determine, RAM or codes uint8 (N, bytes)
        or vectors float32 (N, size).

        Their distribution approximates that of the training data.

        Raises:
            InputError: it was trained without states, or the latents have another shape.
        """
        if self._state_prior is None:
            raise InputError("this generator was trained without states, and draws none")
        self._check_latents(latents)
        return self._states(torch.from_numpy(latents).to(self.device)).cpu().numpy()

    @torch.inference_mode()
    def _drawn_states(self, latents: Tensor) -> Tensor:
        assert self._state_prior is not None
        numbers = latents[:, self.model.run.latent_size :]
        return self._state_prior.states(on_unit_interval(numbers, self.latent_distribution))

    @property
    def _state_prior(self) -> StatePrior | VectorPrior | None:
        network = self._network
        if isinstance(network, (StateConditionedGenerator, CodeConditionedGenerator)):
            return network.prior
        return None

    @property
    def num_encoded(self) -> int:
        """How many frames `encode` reads; 0 for a generator without an encoder."""
        has_encoder = isinstance(self._network, CodeConditionedGenerator)
        return self.model.run.code_frames if has_encoder else 0

    @torch.inference_mode()
    def encode(self, frames: Frames) -> State:
        """Return the codes, uint8 (N, size), of the newest frames of moments, oldest first, uint8
        (N, num_encoded, H, W, C).

        Raises:
            InputError: it was trained without an encoder, or the frames have another shape.
        """
        network, state = self._network, self.state
        if state is None or not isinstance(network, CodeConditionedGenerator):
            raise InputError("it was trained without --condition code: it has no encoder")
        expected = (len(frames), self.num_encoded, *self.frame_shape)
        if frames.shape != expected or frames.dtype != np.uint8:
            raise InputError(
                f"frames to encode must be uint8 {expected}, not {frames.dtype} {frames.shape}"
            )
        codes = np.empty((len(frames), state.size), np.uint8)
        for part in batches(len(frames), self.largest_batch):
            codes[part] = network.codes(self._on_device(frames[part], np.uint8)).cpu().numpy()
        return codes

    def conditions(self, labels: Sequence[int] | npt.NDArray[np.integer]) -> Conditions:
        """Return the conditions of class labels (N,): one-hot float32 (N, num_classes).

        Raises:
            InputError: it was trained without classes, or a label is out of range.
        """
        if not self.num_classes:
            raise InputError("this generator was trained without classes and takes no labels")
        wrong = [label for label in labels if not 0 <= label < self.num_classes]
        if wrong:
            raise InputError(f"labels must be 0 to {self.num_classes - 1}, not {wrong[0]}")
        return np.eye(self.num_classes, dtype=np.float32)[np.asarray(labels, np.int64)]

    def sample(
        self,
        num: int,
        seed: Seed = 0,
        labels: Sequence[int] | npt.NDArray[np.integer] | None = None,
    ) -> Frames:
        """Generate frames, uint8 (num, H, W, C).

        The same seed gives the same frames on the same machine.

        Args:
            num: number of frames, at least 0.
            seed: of the latents.
            labels: class of each frame; None cycles through the classes, if there are any.

        Raises:
            InputError: it generates points, num is below 0, or the labels do not fit.
        """
        latents = self.latents(num, seed)
        if labels is None and self.num_classes:
            labels = np.arange(num) % self.num_classes
        return self.decode(latents, None if labels is None else self.conditions(labels))

    def num_outside(self, states: State) -> int:
        """Return how many states (N, size) have a number outside of the range in the training data;
        0 for RAM and codes.
        """
        encoder = getattr(self._network, "encoder", None)
        if not isinstance(encoder, VectorEncoder):
            return 0
        outside = encoder.bins.is_outside(torch.from_numpy(states).to(self.device))
        return int(outside.any(1).sum())

    def decode(self, latents: Latents, conditions: Conditions | State | None = None) -> Frames:
        """Return the frames of latents (N, latent_size), uint8 (N, H, W, C).

        Args:
            latents: float32, from `latents`.
            conditions: classes float32 (N, num_classes), RAM or codes uint8 (N, bytes), or other
                states float32 (N, size), if the generator was trained with them. Actions that are
                left out are no-ops. None draws the `states` of the latents.

        Raises:
            InputError: it generates points, or the latents or conditions have another shape.
        """
        frames = np.empty((len(latents), *self.frame_shape), np.uint8)
        if self.state is not None:  # drawing states is faster for all latents than in batches
            conditions = self.states(latents) if conditions is None else conditions
            conditions = self.state.with_no_op(conditions)
        for part, inputs in self._batches(latents, conditions):
            frames[part] = self.decode_on_device(*inputs).cpu().numpy()
        return frames

    @torch.inference_mode()
    def decode_on_device(self, latents: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Do the same as `decode` with tensors on the `device`, in one batch: latents, classes and
        vectors float32; RAM with its action, codes and frames uint8.
        """
        if self.state is not None and conditions is None:
            conditions = self._states(latents)
        numbers = latents[:, : self.model.run.latent_size]
        return self._frames(*network_inputs(numbers, conditions))

    def sample_points(self, num: int, seed: Seed = 0) -> npt.NDArray[np.float32]:
        """Generate points, float32 (num, 2). Raises InputError if it generates images."""
        if len(self.sample_shape) != 1:
            raise InputError(f"this generator makes images {self.sample_shape}, not points")
        latents = self.latents(num, seed)
        points = np.empty((num, *self.sample_shape), np.float32)
        with torch.inference_mode():
            for part, inputs in self._batches(latents):
                points[part] = self._network(*network_inputs(*inputs)).cpu().numpy()
        return points

    def write_grid(
        self, path: Path, num: int = 20, seed: int = 0, labels: Sequence[int] | None = None
    ) -> None:
        """Write samples as a PNG: a grid of frames, by class if classes take turns, or points."""
        from atarigan.pictures import grids, points

        if self.makes_frames:
            frame_format = self.frame_format
            scale = grids.scale_for(frame_format.height, frame_format.width)
            frames = frame_format.to_rgb(self.sample(num, seed, labels))
            columns = self.num_classes if labels is None else 0
            picture = grids.grid(frames, columns=columns, scale=scale)
        else:
            picture = points.scatter(self.sample_points(num, seed))
        grids.save_picture(path, picture, self.provenance.note)

    def _batches(
        self, latents: Latents, conditions: Conditions | State | None = None
    ) -> Iterator[tuple[slice, tuple[Tensor, Tensor | None]]]:
        """Yield a slice of a batch, and its latents and conditions on the device.

        Raises:
            InputError: latents or conditions have another shape.
        """
        self._check_latents(latents)
        shape = self.model.sample.condition_shape
        expected = (len(latents), *shape) if shape else None
        found = None if conditions is None else conditions.shape
        if found != expected:
            raise InputError(f"conditions must be {expected}, not {found}")
        state = self.state
        dtype = np.dtype(np.float32 if state is None else state.dtype)
        if conditions is not None and state is not None and dtype == np.float32:
            conditions = _finite(conditions)
            self.num_clipped += self.num_outside(conditions)
        for part in batches(len(latents), self.largest_batch):
            some = None if conditions is None else self._on_device(conditions[part], dtype)
            yield part, (self._on_device(latents[part], np.float32), some)

    def _on_device(self, numbers: npt.NDArray[Any], dtype: npt.DTypeLike) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers, dtype)).to(self.device)

    def network(self) -> nn.Module:
        """Return a module for export: latents float32 (B, latent_size), and conditions if any, to
        frames uint8 (B, H, W, C) or points (B, 2).
        """
        return FrameNetwork(self._network) if self.makes_frames else self._network

    def _check_latents(self, latents: Latents) -> None:
        if latents.ndim != 2 or latents.shape[1] != self.latent_size:
            raise InputError(f"latents must be (N, {self.latent_size}), not {latents.shape}")


def _finite(states: State) -> State:
    """Return states as float32. Raise InputError if one holds other things than finite numbers."""
    floats = np.asarray(states, np.float32)
    if len(wrong := floats[~np.isfinite(floats)]):
        raise InputError(f"states must hold finite numbers, not {wrong[0]}")
    return floats
