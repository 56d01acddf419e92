"""Samples of the averaged generator from the same latents throughout a run."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atarigan.images.pixels import floats_to_frames
from atarigan.images.subset import evenly_spaced
from atarigan.models.latent_tensors import draw_latents
from atarigan.models.latents import batches
from atarigan.training.trainer import Trainer


class FixedSamples:
    """Samples from latents that are drawn once. Classes, where there are any, alternate; RAM is
    taken from evenly spaced real frames.

    Args:
        trainer: whose generator is sampled.
        num: number of samples.
        seed: of the latents.
    """

    def __init__(self, trainer: Trainer, num: int, seed: int) -> None:
        config, device = trainer.config, trainer.plan.device
        rng = torch.Generator().manual_seed(seed)  # on the CPU: the same on every device
        latents = draw_latents(num, config.latent_size, config.latent_prior, rng)
        self._latents = latents.to(device)
        self._conditions = _usual_conditions(trainer, num)

    @torch.inference_mode()
    def draw(self, trainer: Trainer) -> Tensor:
        """Samples of the generator as it is now, (num, *sample_shape), on the device."""
        samples: Tensor = trainer.averaged_generator(self._latents, self._conditions)
        return samples

    @torch.inference_mode()
    def arrays(self, trainer: Trainer) -> npt.NDArray[Any]:
        """The same as arrays: frames uint8 (num, H, W, C), or points float32 (num, 2)."""
        makes_frames = trainer.model.sample.frame_format is not None
        parts = []
        for part in batches(len(self._latents)):
            conditions = None if self._conditions is None else self._conditions[part]
            samples = trainer.averaged_generator(self._latents[part], conditions)
            parts.append((floats_to_frames(samples) if makes_frames else samples).cpu().numpy())
        return np.concatenate(parts)


def _usual_conditions(trainer: Trainer, num: int) -> Tensor | None:
    """Conditions (num, K): alternating classes, or those of evenly spaced real samples. None for a
    source without conditions.
    """
    num_classes, source = trainer.model.num_classes, trainer.source
    if num_classes:
        return torch.eye(num_classes, device=trainer.plan.device)[torch.arange(num) % num_classes]
    picked = evenly_spaced(source.num_samples, num, repeats=True)
    return trainer.plan.condition(source.conditions_at(picked))
