"""The averaged generator, which is the one that samples."""

import copy

import torch

from atarigan.models.families import Generator

_RAMP_UP = 0.1


class MovingAverage:
    """An exponential moving average of a generator's weights.

    The half-life is counted in images. Early on it is at most a tenth of the images seen, so that
    the first weights are soon forgotten (Karras et al. 2022, arXiv:2206.00364, appendix F.1,
    `ema_rampup`).

    Args:
        generator: the one whose weights are averaged.
        half_life: images after which a past weight counts half; 0 follows the generator without
            averaging.
    """

    def __init__(self, generator: Generator, half_life: int) -> None:
        self.half_life = half_life
        self.averaged = copy.deepcopy(generator).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, generator: Generator, num_images: int, num_new_images: int) -> None:
        """Take in the generator's weights after `num_images` images, `num_new_images` of them since
        the last call.
        """
        half_life = min(self.half_life, _RAMP_UP * num_images)
        kept = 0.5 ** (num_new_images / half_life) if half_life else 0.0
        torch._foreach_lerp_(
            list(self.averaged.parameters()), list(generator.parameters()), 1.0 - kept
        )
        for averaged, live in zip(self.averaged.buffers(), generator.buffers(), strict=True):
            averaged.copy_(live)
