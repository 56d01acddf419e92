"""RendererGrid: numbers of a vector, rounded as a renderer rounds them to its own pixels.

Renderers place things at whole pixels of a large picture, which is then made smaller. There, things
move in steps of a fraction of a pixel. A network of smooth functions of the numbers
would blur these steps, and with them the borders of things.
"""

import math

import torch
from torch import Tensor

from atarigan.models.sized_by_data import SizedByData

_FREQUENCIES = (1.5, 20.0)  # steps in a pixel of the picture
_OVERSAMPLING = 10  # frequencies tried for each that the data can tell apart
_NUM_REFINED = 41
_LEAST_SHARE = 0.25  # of the variance; of steps alone, their fundamental is 6 / pi ** 2 of it
_LEAST_VALUES = 2.0  # in a step; numbers that are rounded themselves have waves of any frequency
_CHUNK = 512


class RendererGrid(SizedByData):
    """Vectors (B, size) to vectors whose rounded numbers are the middles of their steps.

    Attributes:
        steps: of each number, float64 (size,); 0 for numbers that are not rounded.
        offsets: a number where a step begins, float64 (size,).
    """

    steps: Tensor
    offsets: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        for name in ("steps", "offsets"):
            self.register_buffer(name, torch.zeros(size, dtype=torch.float64))
        self._has_steps = False

    def find(self, number: int, values: Tensor, places: Tensor, errors: Tensor) -> None:
        """Find out whether a number is rounded, and remember it.

        Args:
            number: which.
            values: of the number, (N,).
            places: in pixels, to which the number alone moves things, (N,); a linear function of
                the values.
            errors: in pixels, by which things are at other places than numbers say, (N,).
        """
        places, errors = places.double(), (errors - errors.mean()).double()
        extent = float(places.max() - places.min())
        variance = float(errors.square().mean())
        if extent < 1 or not variance:
            return
        least, most = _FREQUENCIES
        num = int((most - least) * extent * _OVERSAMPLING) + 1
        tried = torch.linspace(least, most, num, dtype=torch.float64)
        best = tried[_waves(tried, places, errors).abs().argmax()]
        gap = (most - least) / num
        nearby = best + torch.linspace(-gap, gap, _NUM_REFINED, dtype=torch.float64)
        waves = _waves(nearby, places, errors)
        place = int(waves.abs().argmax())
        frequency, wave = float(nearby[place]), waves[place]
        has_steps = 2 * float(wave.abs()) ** 2 >= _LEAST_SHARE * variance
        if not has_steps or len(values.unique()) < _LEAST_VALUES * frequency * extent:
            return
        # errors are (1 / 2 - share of the step) steps, whose fundamental is a sine of the share
        begin = math.atan2(-float(wave.real), -float(wave.imag)) / (2 * math.pi * frequency)
        origin, slope = _line(values.double(), places)
        self.steps[number] = 1 / frequency / abs(slope)
        self.offsets[number] = (begin - origin) / slope
        self._derive()

    def forward(self, states: Tensor) -> Tensor:
        if not self._has_steps:
            return states
        steps, offsets = self.steps.to(states.dtype), self.offsets.to(states.dtype)
        is_rounded = steps > 0
        lengths = torch.where(is_rounded, steps, torch.ones_like(steps))
        middles = (torch.floor((states - offsets) / lengths) + 0.5) * lengths + offsets
        return torch.where(is_rounded, middles, states)

    def _check(self) -> None:
        self._expect("steps", (self.size,))
        self._expect("offsets", (self.size,))
        for name in ("steps", "offsets"):
            if not bool(getattr(self, name).isfinite().all()):
                raise ValueError(f"{name} must be finite")

    def _derive(self) -> None:
        self._has_steps = bool((self.steps > 0).any())


def _waves(frequencies: Tensor, places: Tensor, errors: Tensor) -> Tensor:
    """Return the Fourier coefficient of the errors at each frequency, complex (frequencies,)."""
    found = []
    for some in frequencies.split(_CHUNK):
        angles = -2 * math.pi * some[:, None] * places
        found.append(torch.polar(errors.expand_as(angles), angles).mean(1))
    return torch.cat(found)


def linear(values: Tensor, places: Tensor) -> Tensor:
    """Return the linear function of values (N,) that is nearest to places (N,), float64 (N,)."""
    begin, slope = _line(values.double(), places.double())
    return begin + slope * values.double()


def _line(values: Tensor, places: Tensor) -> tuple[float, float]:
    """Return where the nearest line begins, and its slope."""
    apart = values - values.mean()
    slope = float((apart * places).sum() / apart.square().sum())
    return float(places.mean()) - slope * float(values.mean()), slope
