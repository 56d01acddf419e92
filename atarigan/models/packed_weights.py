"""Quantized weights, a quarter to half of the size, for generators that are distributed."""

import torch
from torch import Tensor

_STEPS = ":steps"
_MOST = 127


def quantized(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Quantize float matrices to 8 bits with one step size for each row; store other floats in half
    precision, and integers in 16 bits where they fit.

    The step size of a row is its largest absolute value over 127.
    """
    small = {}
    for name, weight in weights.items():
        if weight.is_floating_point() and weight.ndim == 2:
            steps = (weight.float().abs().amax(1, keepdim=True) / _MOST).clamp(min=1e-30)
            small[name] = (weight.float() / steps).round().to(torch.int8)
            small[name + _STEPS] = steps
        else:
            small[name] = _narrow(weight)
    return small


def dequantized(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return quantized matrices as float32; loading into a network converts the other dtypes.

    Raises:
        ValueError: step sizes do not belong to a matrix in 8 bits.
    """
    wide = {name: weight for name, weight in weights.items() if not name.endswith(_STEPS)}
    for name in weights.keys() - wide.keys():
        steps, matrix = weights[name], wide.get(name.removesuffix(_STEPS))
        if (
            matrix is None
            or matrix.dtype != torch.int8
            or matrix.ndim != 2
            or steps.shape != (len(matrix), 1)
        ):
            raise ValueError(f"{name} must be steps of a matrix of 8 bits, a row each")
        wide[name.removesuffix(_STEPS)] = matrix * steps
    return wide


def _narrow(weight: Tensor) -> Tensor:
    if weight.is_floating_point():
        return weight.half()
    limits = torch.iinfo(torch.int16)
    is_wide = weight.dtype in (torch.int32, torch.int64)
    fits = is_wide and bool(((weight >= limits.min) & (weight <= limits.max)).all())
    return weight.short() if fits else weight
