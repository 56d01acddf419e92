"""States drawn by one Triton kernel: an experiment, next to the captured loop that draws them now.

A state is drawn group after group. As a CUDA graph that is about 500 small kernels; here a program
of one kernel draws 16 states, with all that it decided so far in registers. Where it turns out to
be much faster on a GPU, it belongs into `StatePrior`.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from atarigan.models.state.byte_groups import MAX_CODES
from atarigan.models.state.state_prior import StatePrior

ROWS = 16
_NUM_WARPS = 8
_SLOPE = 0.1


@triton.jit
def _draw_codes(
    quantiles,
    codes,
    starts,
    decided,
    directions,
    frequencies,
    penalties,
    first_weight,
    first_bias,
    second_weight,
    second_bias,
    first_rows,
    sizes,
    parents,
    num_rows,
    num_groups: tl.constexpr,
    width: tl.constexpr,
    padded_width: tl.constexpr,
    padded_groups: tl.constexpr,
    max_codes: tl.constexpr,
    rows: tl.constexpr,
    slope: tl.constexpr,
):
    row = tl.program_id(0) * rows + tl.arange(0, rows)
    is_row = row < num_rows
    unit = tl.arange(0, padded_width)
    is_unit = unit < width
    number = tl.arange(0, max_codes)
    group = tl.arange(0, padded_groups)
    square = unit[:, None] * width + unit[None, :]  # [output, input]
    is_square = is_unit[:, None] & is_unit[None, :]
    first = tl.trans(tl.load(first_weight + square, is_square, 0.0))
    second = tl.trans(tl.load(second_weight + square, is_square, 0.0))
    first_offset = tl.load(first_bias + unit, is_unit, 0.0)
    second_offset = tl.load(second_bias + unit, is_unit, 0.0)
    embedded = tl.zeros((rows, padded_width), tl.float32)
    chosen = tl.zeros((rows, padded_groups), tl.int32)
    for each in range(num_groups):
        size = tl.load(sizes + each)
        first_row = tl.load(first_rows + each)
        inputs = embedded + tl.load(starts + each * width + unit, is_unit, 0.0)[None, :]
        hidden = tl.where(inputs > 0, inputs, slope * inputs)
        hidden = tl.dot(hidden, first, input_precision="ieee") + first_offset[None, :]
        hidden = tl.where(hidden > 0, hidden, slope * hidden)
        hidden = tl.dot(hidden, second, input_precision="ieee") + second_offset[None, :]
        features = inputs + hidden
        is_code = number < size
        table = (first_row + number[None, :]) * width + unit[:, None]  # [unit, code]
        output = tl.load(directions + table, is_unit[:, None] & is_code[None, :], 0.0)
        logits = tl.dot(features, output, input_precision="ieee")
        logits += tl.load(frequencies + first_row + number, is_code, 0.0)[None, :]
        parent = tl.load(parents + each)
        of_parent = tl.sum(tl.where(group[None, :] == parent, chosen, 0), 1)
        places = (first_row + number[None, :]) * max_codes + of_parent[:, None]
        cost = tl.load(penalties + places, is_code[None, :] & (each > 0), 0.0)
        logits = tl.where(is_code[None, :], logits - cost, float("-inf"))
        shares = tl.exp(logits - tl.max(logits, 1)[:, None])
        below = tl.cumsum(shares / tl.sum(shares, 1)[:, None], 1)
        quantile = tl.load(quantiles + row * num_groups + each, is_row, 0.0)
        is_below = (below <= quantile[:, None]) & is_code[None, :]
        code = tl.minimum(tl.sum(is_below.to(tl.int32), 1), size - 1)
        chosen = tl.where(group[None, :] == each, code[:, None], chosen)
        added = (first_row + code)[:, None] * width + unit[None, :]
        embedded += tl.load(decided + added, is_unit[None, :], 0.0)
        tl.store(codes + row * num_groups + each, code.to(tl.int64), is_row)


class StateKernel:
    """Draws the states of a prior on its device.

    Args:
        prior: whose weights are read at each call.
    """

    def __init__(self, prior: StatePrior) -> None:
        self._prior = prior
        groups = prior.groups
        self._tables = [
            each.to(torch.int32) for each in (groups.first_rows, groups.sizes, prior.parents)
        ]

    def arguments(self, quantiles: Tensor, codes: Tensor) -> list[Any]:
        """Return the kernel's tensors and numbers for quantiles (B, groups) and codes of them."""
        prior = self._prior
        layers = (prior.first_layer, prior.second_layer)
        return [
            quantiles.contiguous(),
            codes,
            prior.starts,
            prior.decided,
            prior.directions,
            prior.frequencies,
            prior.penalties,
            *(weight for layer in layers for weight in (layer.weight, layer.bias)),
            *self._tables,
            len(codes),
        ]

    def constants(self) -> dict[str, Any]:
        """Return what the kernel is compiled for."""
        return {
            "num_groups": self._prior.num_quantiles,
            "width": self._prior.width,
            "padded_width": max(16, triton.next_power_of_2(self._prior.width)),
            "padded_groups": triton.next_power_of_2(self._prior.num_quantiles),
            "max_codes": MAX_CODES,
            "rows": ROWS,
            "slope": _SLOPE,
        }

    def states(self, quantiles: Tensor) -> Tensor:
        """As `StatePrior.states`, up to rounding."""
        codes = torch.empty(quantiles.shape, dtype=torch.int64, device=quantiles.device)
        grid = (triton.cdiv(len(quantiles), ROWS),)
        arguments = self.arguments(quantiles, codes)
        _draw_codes[grid](*arguments, **self.constants(), num_warps=_NUM_WARPS)
        return self._prior.groups.ram(codes)
