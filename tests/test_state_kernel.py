"""One kernel draws the states that the loop over groups draws."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys, torch
from atarigan import FrameGenerator
from benchmarks.on_device import prior_of
from benchmarks.state_kernel import StateKernel
device = sys.argv[1]
prior = prior_of(FrameGenerator.load("breakout", device))
quantiles = torch.rand(37, prior.num_quantiles, generator=torch.Generator().manual_seed(0))
quantiles = quantiles.to(device)
with torch.inference_mode():
    found, expected = StateKernel(prior).states(quantiles), prior.states(quantiles)
assert (found == expected).float().mean() > 0.99, (found != expected).sum()
"""


def draw(device: str, **variables: str) -> None:
    pytest.importorskip("triton")
    words = [sys.executable, "-c", PROGRAM, device]
    subprocess.run(words, check=True, env={**os.environ, **variables}, timeout=300)


@pytest.mark.slow
def test_states_are_those_of_the_loop() -> None:
    """Interpreted on a CPU, operation by operation."""
    draw("cpu", TRITON_INTERPRET="1")


@pytest.mark.cuda
def test_states_are_those_of_the_loop_on_cuda() -> None:
    draw("cuda")
