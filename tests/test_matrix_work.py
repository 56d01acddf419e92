"""The matrix work of a step: all of its products and convolutions, and nothing else."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.matrix_work import matrix_work


def flop(work):
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def test_it_has_the_flop_of_the_step_backward_included():
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 5)
    )
    weight = network[0].weight
    before = weight.detach().clone()

    def step():
        network.zero_grad()
        for _ in range(3):
            network(torch.randn(2, 1, 8, 8)).sum().backward()

    work = matrix_work(step)
    assert flop(work) == flop(step) > 0
    torch.testing.assert_close(weight, before)
