"""Latents as tensors on a device; `latents` does the same in NumPy."""

import torch
from jaxtyping import Float
from torch import Tensor

from atarigan.config.run_config import LatentDistribution


def draw_latents(
    num: int, size: int, distribution: LatentDistribution, rng: torch.Generator
) -> Float[Tensor, "{num} {size}"]:
    """Draw independent numbers from N(0, 1), U(-1, 1) or U[0, 1), on the device of `rng`."""
    if distribution == "normal":
        return torch.randn(num, size, generator=rng, device=rng.device)
    units = torch.rand(num, size, generator=rng, device=rng.device)
    return units if distribution == "unit" else units * 2 - 1


def from_gaussian(
    gaussian: Float[Tensor, "B n"], distribution: LatentDistribution
) -> Float[Tensor, "B n"]:
    """Map N(0, 1) numbers to the distribution, by the normal distribution function."""
    if distribution == "normal":
        return gaussian
    unit: Tensor = torch.special.ndtr(gaussian).clamp(max=1 - 2**-24)
    return unit if distribution == "unit" else unit * 2 - 1


def on_unit_interval(
    latents: Float[Tensor, "B n"], distribution: LatentDistribution
) -> Float[Tensor, "B n"]:
    """Map numbers of the distribution to U[0, 1), by its distribution function."""
    if distribution == "unit":
        return latents
    unit = torch.special.ndtr(latents) if distribution == "normal" else (latents + 1) / 2
    return unit.clamp(0, 1 - 2**-24)
