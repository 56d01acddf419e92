"""Latent vectors on a device, from a seeded stream."""

import torch
from jaxtyping import Float
from torch import Tensor

from atarigan.config.run_config import Prior


def draw_latents(
    num: int, size: int, prior: Prior, rng: torch.Generator
) -> Float[Tensor, "{num} {size}"]:
    """Independent numbers of the prior, on the stream's device: N(0, 1), U(-1, 1) or U[0, 1)."""
    if prior == "normal":
        return torch.randn(num, size, generator=rng, device=rng.device)
    units = torch.rand(num, size, generator=rng, device=rng.device)
    return units if prior == "unit" else units * 2 - 1


def from_gaussian(gaussian: Float[Tensor, "B n"], prior: Prior) -> Float[Tensor, "B n"]:
    """N(0, 1) numbers moved to the prior through its inverse distribution function."""
    if prior == "normal":
        return gaussian
    unit: Tensor = torch.special.ndtr(gaussian).clamp(max=1 - 2**-24)
    return unit if prior == "unit" else unit * 2 - 1


def on_unit_interval(latents: Float[Tensor, "B n"], prior: Prior) -> Float[Tensor, "B n"]:
    """Numbers of the prior moved to U[0, 1) by its distribution function."""
    if prior == "unit":
        return latents
    unit = torch.special.ndtr(latents) if prior == "normal" else (latents + 1) / 2
    return unit.clamp(0, 1 - 2**-24)
