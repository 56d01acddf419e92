"""Weights in 8 bits and in half precision."""

import zlib

import numpy as np
import pytest
import torch

from atarigan.models.packed_weights import dequantized, quantized

SHAPES = {"matrix": (4, 9), "vector": (7,), "cube": (2, 3, 4)}


def test_large_matrices_are_near_and_the_rest_is_as_exact_as_half_precision():
    torch.manual_seed(0)
    sizes = torch.logspace(-6, 3, 40)[:, None]
    weights = {
        "matrix": torch.randn(40, 100) * sizes,
        "small": torch.randn(40, 30),
        "bias": torch.randn(30),
    }
    wide = dequantized(quantized(weights))
    largest = weights["matrix"].abs().amax(1, keepdim=True)
    assert ((wide["matrix"] - weights["matrix"]).abs() <= largest / 253).all()
    assert all(torch.equal(wide[name], weights[name].half()) for name in ("small", "bias"))


def test_they_take_a_quarter():
    small = quantized({"matrix": torch.randn(200, 100)})
    assert sum(each.nbytes for each in small.values()) < 0.27 * 200 * 100 * 4


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_whole_numbers_stay_as_they_are(dtype):
    weights = {
        "few": torch.tensor([[1, -30_000]]).to(dtype),
        "many": torch.tensor([70_000]).to(dtype),
    }
    small = quantized(weights)
    assert small["few"].dtype == torch.int16
    assert all(torch.equal(dequantized(small)[name].to(dtype), weights[name]) for name in weights)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_large_tables_of_whole_numbers_are_compressed(dtype):
    table = (torch.arange(40_000) // 500).view(200, 200).to(dtype)
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, 9000).astype(np.uint8))
    small = quantized({"table": table, "noise": noise})
    assert sum(each.nbytes for each in small.values()) < 10_000
    wide = dequantized(small)
    assert torch.equal(wide["table"].to(dtype), table)
    assert torch.equal(wide["noise"], noise)


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense",
        zlib.compress(b"nonsense"),
        zlib.compress(bytes(5000))[:-3],
        zlib.compress(bytes(1 << 27)),
    ],
)
def test_damaged_compressed_tables_are_refused(content):
    packed = torch.from_numpy(np.frombuffer(content, np.uint8).copy())
    with pytest.raises(ValueError, match="w:deflated must be a compressed table"):
        dequantized({"w:deflated": packed})


def test_what_is_nothing_stays_nothing():
    weights = {"zeros": torch.zeros(3, 4), "rows": torch.zeros(0, 4), "columns": torch.zeros(3, 1)}
    wide = dequantized(quantized(weights))
    assert all(torch.equal(wide[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    "weights",
    [
        {"w:steps": torch.ones(2, 1)},
        {"w": torch.ones(2, 3), "w:steps": torch.ones(2, 1)},
        {"w": torch.ones(2, 3, dtype=torch.int8), "w:steps": torch.ones(3, 1)},
        {"w": torch.ones(2, 3, dtype=torch.int8), "w:steps": torch.ones(2)},
        {"w": torch.tensor(3, dtype=torch.int8), "w:steps": torch.ones(1, 1)},
    ],
)
def test_steps_of_something_else_are_refused(weights):
    with pytest.raises(ValueError, match="w:steps must be steps of a matrix"):
        dequantized(weights)


def test_what_has_double_precision_is_kept_exact() -> None:
    weights = {name: torch.randn(*shape).double() for name, shape in SHAPES.items()}
    wide = dequantized(quantized(weights))
    assert all(torch.equal(wide[name], weights[name]) for name in SHAPES)
