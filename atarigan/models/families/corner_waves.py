"""CornerWaves: where in the renderer's own pixels the corners of figures are.

A renderer rounds each corner of a polygon by itself. A corner at distance r of the axis of a figure
that turns by an angle moves r times the angle, beside what the figure itself moves; so the
share of a pixel that it loses is a wave of this sum, which a network of smooth functions of
the numbers does not find.
"""

import math

import torch
from torch import Tensor, nn

from atarigan.models.families.renderer_grid import RendererGrid
from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.vector_bins import VectorBins

NUM_WAVES = 8
NUM_HARMONICS = 3  # of a sawtooth
NUM_FEATURES = 2 * NUM_WAVES * NUM_HARMONICS
_MOST_CYCLES = 96.0  # over the range of a number
_CYCLES_APART = 0.25
_LEAST_SHARE = 0.03  # of the variance of a line's errors; of noise, a wave has about 0.005
_NUM_FRAMES = 4096
_LEAST_MASS = 0.25  # of the usual mass of a line
_RIDGE = 0.01
_OUTLIER = 4.0  # median distances


class CornerWaves(SizedByData):
    """Vectors (B, size) to sines and cosines of the places of corners, and their linear function.

    Attributes:
        waves: cycles of each corner for a unit of each number, float64 (`NUM_WAVES`, size); zeros
            for a wave that is not used.
        weights: of the sines and cosines, (width, `NUM_FEATURES`); zeros at first.
    """

    waves: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.size, self.width = size, width
        self.register_buffer("waves", torch.zeros(NUM_WAVES, size, dtype=torch.float64))
        self.weights = nn.Parameter(torch.zeros(width, NUM_FEATURES))

    @torch.no_grad()
    def fit(
        self,
        frames: Tensor,
        states: Tensor,
        background: Tensor,
        grid: RendererGrid,
        bins: VectorBins,
    ) -> None:
        """Find the waves in frames uint8 (N, H, W, C), their vectors (N, size), and the background
        uint8 (H, W, C), given the numbers that the renderer rounds.
        """
        frames, states = frames[:_NUM_FRAMES], states[:_NUM_FRAMES].double()
        shown = (frames.short() - background.short()).abs().double().mean(3)
        found: list[Tensor] = []
        for number in torch.nonzero(grid.steps)[:, 0].tolist():
            step = torch.zeros(self.size, dtype=torch.float64)
            step[number] = 1 / grid.steps[number]
            others = [each for each in bins.varying.tolist() if each != number]
            for axis in range(2):
                errors = _errors_of_lines(shown, axis, bins.hats(states.float()).double())
                found += _waves_in(errors, states, step, others, NUM_WAVES - len(found))
        for row, wave in zip(self.waves, found, strict=False):
            row.copy_(wave)

    def forward(self, states: Tensor) -> Tensor:
        """Return the function's values, (B, width)."""
        angles = 2 * math.pi * torch.remainder(states.double() @ self.waves.T, 1).float()
        multiples = torch.cat([angles * (1 + each) for each in range(NUM_HARMONICS)], dim=1)
        features = torch.cat([multiples.sin(), multiples.cos() - 1], dim=1)
        return features @ self.weights.T

    def _check(self) -> None:
        self._expect("waves", (NUM_WAVES, self.size))
        self._expect("weights", (self.width, NUM_FEATURES))
        if not bool(self.waves.isfinite().all()):
            raise ValueError("waves must be finite")


def _errors_of_lines(shown: Tensor, axis: int, hats: Tensor) -> Tensor:
    """Return how far, in pixels, the center of each line of images (N, H, W) along an axis is from
    where smooth functions of the numbers place it, (lines, N); 0 where a line shows little.
    """
    lines = shown if axis == 1 else shown.transpose(1, 2)  # (N, lines, places)
    masses = lines.sum(2)
    is_used = masses > _LEAST_MASS * masses.mean(0).clamp(min=1e-9)
    places = torch.arange(lines.shape[2], dtype=lines.dtype)
    centers = (lines @ places) / masses.clamp(min=1e-9)
    centers = torch.where(
        is_used, centers, (centers * is_used).sum(0) / is_used.sum(0).clamp(min=1)
    )
    flat = torch.cat([hats.flatten(1), torch.ones_like(hats[:, :1, 0])], dim=1)
    square = flat.T @ flat + _RIDGE * torch.eye(flat.shape[1], dtype=flat.dtype)
    errors = centers - flat @ torch.linalg.solve(square, flat.T @ centers)
    limits = _OUTLIER * errors.abs().median(0).values
    is_used &= errors.abs() <= limits
    return torch.where(is_used, errors, torch.zeros_like(errors)).T


def _waves_in(
    errors: Tensor, states: Tensor, step: Tensor, others: list[int], most: int
) -> list[Tensor]:
    """Return cycles for a unit of each number, of the strongest waves in errors (lines, N) first:
    by matching pursuit (Mallat and Zhang 1993) among sums of the rounded number and another one.
    """
    variances = errors.square().mean(1)
    errors, variances = errors[variances > 0], variances[variances > 0]
    tried = []
    for other in others:
        extent = float(states[:, other].quantile(0.95) - states[:, other].quantile(0.05))
        num = round(2 * _MOST_CYCLES / _CYCLES_APART) + 1 if extent else 0
        cycles = torch.linspace(-_MOST_CYCLES, _MOST_CYCLES, num, dtype=torch.float64)
        waves = step.repeat(num, 1)
        waves[:, other] = cycles / extent if extent else 0
        tried.append(waves)
    if not tried or not len(errors):
        return []
    candidates = torch.cat(tried)
    angles = 2 * math.pi * states @ candidates.T
    turned = torch.polar(torch.ones_like(angles), angles)
    found: list[Tensor] = []
    while len(found) < most:
        amplitudes = errors.to(turned.dtype) @ turned / len(states)
        shares = 2 * amplitudes.abs().square() / variances[:, None]
        strength = shares.amax(0)
        best = int(strength.argmax())
        if not float(strength[best]) >= _LEAST_SHARE:
            break
        found.append(candidates[best])
        wave = 2 * (amplitudes[:, best : best + 1] * turned[:, best].conj()).real
        errors = errors - wave
    return found
