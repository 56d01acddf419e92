"""Quantized weights, a quarter to half of the size, for generators that are distributed."""

import io
import zlib

import numpy as np
import torch
from torch import Tensor

_STEPS = ":steps"
_DEFLATED = ":deflated"
_MAX_INT8 = 127
_LEAST_MATRIX = 2048  # weights
_MIN_DEFLATED = 4096  # bytes
_MAX_INFLATED = 1 << 26  # bytes; a file may come from anywhere


def quantized(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Quantize large float matrices to 8 bits with one scale for each row; store other floats in
    half precision, and integers in 16 bits where they fit. What has double precision needs it, and
    is stored as it is. Small matrices would save little, and a few weights that all pixels share
    have to be more exact.

    The scale of a row is its largest absolute value over 127. Large tables of integers are
    compressed (zlib) as files of `numpy.save`.
    """
    small = {}
    for name, weight in weights.items():
        if weight.dtype == torch.float64:
            small[name] = weight
        elif weight.is_floating_point() and weight.ndim == 2 and weight.numel() >= _LEAST_MATRIX:
            steps = (weight.float().abs().amax(1, keepdim=True) / _MAX_INT8).clamp(min=1e-30)
            small[name] = (weight.float() / steps).round().to(torch.int8)
            small[name + _STEPS] = steps
        else:
            narrow = _narrow(weight)
            packed = None if narrow.is_floating_point() else _deflated(narrow)
            small[name if packed is None else name + _DEFLATED] = (
                narrow if packed is None else packed
            )
    return small


def dequantized(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return quantized matrices as float32; loading into a network converts the other dtypes.

    Raises:
        ValueError: scales do not belong to a matrix in 8 bits, or a compressed table is
            damaged.
    """
    weights = {
        name.removesuffix(_DEFLATED): _inflated(name, weight)
        if name.endswith(_DEFLATED)
        else weight
        for name, weight in weights.items()
    }
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


def _deflated(table: Tensor) -> Tensor | None:
    """Return a table compressed, uint8 (bytes,), or None if that hardly makes it smaller."""
    size = table.numel() * table.element_size()
    if size < _MIN_DEFLATED:
        return None
    file = io.BytesIO()
    np.save(file, table.cpu().numpy(), allow_pickle=False)
    packed = zlib.compress(file.getvalue(), 9)
    if len(packed) > 0.9 * size:
        return None
    return torch.from_numpy(np.frombuffer(packed, np.uint8).copy())


def _inflated(name: str, packed: Tensor) -> Tensor:
    inflating = zlib.decompressobj()
    try:
        content = inflating.decompress(packed.numpy().tobytes(), _MAX_INFLATED)
        if not inflating.eof:
            raise ValueError("it is cut off or too large")
        return torch.from_numpy(np.load(io.BytesIO(content), allow_pickle=False))
    except (zlib.error, ValueError, TypeError, EOFError) as error:
        raise ValueError(f"{name} must be a compressed table: {error}") from None
