"""FrameGenerator: a trained generator as something that returns frames."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from atarigan.config.run_config import LatentDistribution
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.models import shipped
from atarigan.models.build import build_generator
from atarigan.models.checkpoint import find_checkpoint, load_model_config, load_weights
from atarigan.models.device import choose_device
from atarigan.models.families import Generator
from atarigan.models.latent_tensors import on_unit_interval
from atarigan.models.latents import Latents, Seed, batches, draw_latents
from atarigan.models.model_config import ModelConfig
from atarigan.models.state.ram_conditioned import RamConditionedGenerator
from atarigan.models.state.state_prior import StatePrior

Conditions = npt.NDArray[np.float32]
Ram = npt.NDArray[np.uint8]


class FrameGenerator:
    """Draws samples from a trained generator; needs neither its data nor its critic.

    Attributes:
        model: the configuration it was trained with.
        sample_shape: (C, H, W) of an image as the network makes it, (2,) of a point.
        device: where it computes.
    """

    def __init__(self, model: ModelConfig, network: Generator, device: torch.device) -> None:
        self.model = model
        self.sample_shape = model.sample.shape
        self.device = device
        self._network = network.to(device).requires_grad_(False).eval()

    @classmethod
    def load(cls, source: str | Path, device: str = "auto") -> Self:
        """The generator of a run folder (its newest checkpoint), of one checkpoint folder, or one
        that comes with atarigan.

        Args:
            source: the folder, or a name: "breakout" or "pong".
            device: "auto", "cpu" or "cuda".

        Raises:
            InputError: nothing is there, it is damaged, or there is no such device.
        """
        checkpoint = find_checkpoint(shipped.resolved(source))
        model = load_model_config(checkpoint)
        network = _loaded_generator(model, load_weights(checkpoint), checkpoint)
        return cls(model, network, choose_device(device))

    @property
    def makes_frames(self) -> bool:
        """Whether samples are frames; otherwise they are points."""
        return self.model.sample.frame_format is not None

    @property
    def frame_format(self) -> FrameFormat:
        """What the bytes of a generated frame mean.

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
        """(H, W, C) of a generated frame. Raises InputError where it generates points."""
        return self.frame_format.shape

    @property
    def latent_size(self) -> int:
        """Numbers in a latent: the network's, and those that determine a state it draws."""
        prior = self._state_prior
        return self.model.run.latent_size + (prior.num_numbers if prior else 0)

    @property
    def latent_distribution(self) -> LatentDistribution:
        """Distribution of a latent number: "normal" N(0, 1), "uniform" U(-1, 1), "unit" U[0, 1)."""
        return self.model.run.latent_prior

    def latents(self, num: int, seed: Seed = None) -> Latents:
        """Latents float32 (num, latent_size) from the prior; the first ones are the same however
        many are drawn.

        Raises:
            InputError: num is below 0.
        """
        return draw_latents(num, self.latent_size, self.latent_distribution, seed)

    @property
    def num_classes(self) -> int:
        """Classes among which a sample can be chosen; 0 where it was trained without."""
        return self.model.num_classes

    @property
    def reads_ram(self) -> bool:
        """Whether it draws the frame that belongs to a state of the console's memory."""
        return self.model.reads_ram

    def states(self, latents: Latents) -> Ram:
        """States of the console's memory that latents (N, latent_size) stand for, uint8 (N, bytes),
        distributed as those of the play it was trained on.

        Raises:
            InputError: it was trained without memory, or the latents have another shape.
        """
        if self._state_prior is None:
            raise InputError("this generator was trained without the console's memory")
        self._check_latents(latents)
        return self._states(torch.from_numpy(latents).to(self.device)).cpu().numpy()

    @torch.inference_mode()
    def _states(self, latents: Tensor) -> Tensor:
        assert self._state_prior is not None
        numbers = latents[:, self.model.run.latent_size :]
        return self._state_prior.states(on_unit_interval(numbers, self.latent_distribution))

    @property
    def _state_prior(self) -> StatePrior | None:
        network = self._network
        return network.prior if isinstance(network, RamConditionedGenerator) else None

    def conditions(self, labels: Sequence[int] | npt.NDArray[np.integer]) -> Conditions:
        """Classes as the generator is told them, float32 (N, num_classes).

        Raises:
            InputError: it was trained without classes, or has no such class.
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
        """Generated frames, uint8 (num, H, W, C); the same for the same seed on the same machine.

        Args:
            num: how many.
            seed: of the latents.
            labels: the class of each; without them classes take turns, if there are any. Where the
                console's memory is the condition, the latents draw it as well.

        Raises:
            InputError: it generates points, num is below 0, or the labels do not fit.
        """
        latents = self.latents(num, seed)
        if labels is None and self.num_classes:
            labels = np.arange(num) % self.num_classes
        return self.decode(latents, None if labels is None else self.conditions(labels))

    def decode(self, latents: Latents, conditions: Conditions | Ram | None = None) -> Frames:
        """The frames that latents (N, latent_size) stand for, uint8 (N, H, W, C).

        Args:
            latents: as `latents` gives them.
            conditions: classes (N, num_classes) where it was trained with them; memory uint8 (N,
                bytes) where it was trained with that, or None for the `states` that the latents
                themselves stand for.

        Raises:
            InputError: it generates points, or the latents or conditions have another shape.
        """
        frames = np.empty((len(latents), *self.frame_shape), np.uint8)
        if self.reads_ram and conditions is None:
            conditions = self.states(latents)  # all at once: steps are many, and small
        for part, told in self._batches(latents, conditions):
            frames[part] = self.decode_on_device(*told).cpu().numpy()
        return frames

    @torch.inference_mode()
    def decode_on_device(self, latents: Tensor, conditions: Tensor | None = None) -> Tensor:
        """What `decode` gives, left on the `device`, of latents and conditions that are there,
        float32 and, where it was trained with the console's memory, uint8; all at once.
        """
        if self.reads_ram and conditions is None:
            conditions = self._states(latents)
        numbers = latents[:, : self.model.run.latent_size]
        return self._network.frames(*_given(numbers, conditions))

    def sample_points(self, num: int, seed: Seed = 0) -> npt.NDArray[np.float32]:
        """Generated points, float32 (num, 2). Raises InputError where it generates images."""
        if len(self.sample_shape) != 1:
            raise InputError(f"this generator makes images {self.sample_shape}, not points")
        latents = self.latents(num, seed)
        points = np.empty((num, *self.sample_shape), np.float32)
        with torch.inference_mode():
            for part, told in self._batches(latents):
                points[part] = self._network(*_given(*told)).cpu().numpy()
        return points

    def _batches(
        self, latents: Latents, conditions: Conditions | Ram | None = None
    ) -> Iterator[tuple[slice, tuple[Tensor, Tensor | None]]]:
        """Latents and conditions of at most `LARGEST_BATCH` samples at a time, on the device, and
        which samples they are.
        """
        self._check_latents(latents)
        shape = self.model.sample.condition_shape
        expected = (len(latents), *shape) if shape else None
        found = None if conditions is None else conditions.shape
        if found != expected:
            raise InputError(f"conditions must be {expected}, not {found}")
        for part in batches(len(latents)):
            told = None
            if conditions is not None:
                told = self._on_device(conditions[part], np.uint8 if self.reads_ram else np.float32)
            yield part, (self._on_device(latents[part], np.float32), told)

    def _on_device(self, numbers: npt.NDArray[Any], dtype: npt.DTypeLike) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers, dtype)).to(self.device)

    def network(self) -> nn.Module:
        """Latents float32 (B, latent_size), and conditions where it takes any, to frames uint8 (B,
        H, W, C) or points (B, 2), as one module: for exporting.
        """
        return _Samples(self._network) if self.makes_frames else self._network

    def _check_latents(self, latents: Latents) -> None:
        if latents.ndim != 2 or latents.shape[1] != self.latent_size:
            raise InputError(f"latents must be (N, {self.latent_size}), not {latents.shape}")


class _Samples(nn.Module):
    """A network whose call gives frames."""

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Tensor, conditions: Tensor | None = None) -> Tensor:
        return self.network.frames(*_given(latents, conditions))


def _given(latents: Tensor, conditions: Tensor | None) -> list[Tensor]:
    """What a network is called with."""
    return [latents] if conditions is None else [latents, conditions]


def _loaded_generator(
    model: ModelConfig, weights: dict[str, Tensor], checkpoint: Path
) -> Generator:
    """The network of a configuration with the weights that belong to it.

    It is tried on torch's meta device first: a configuration that wants more than there are weights
    for is refused before it takes any memory.
    """
    try:
        with torch.device("meta"):
            build_generator(model).load_state_dict(weights, assign=True)
        network = build_generator(model)
        network.load_state_dict(weights)
    except Exception as error:  # sizes may be anything, and torch refuses each in its own way
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{checkpoint} does not fit its own config.json: {reason}") from None
    return network
