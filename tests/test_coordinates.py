"""Coordinate networks: what moves, how large it is, and that training compares what is drawn."""

import numpy as np
import pytest
import torch

from atarigan.models.families.coordinates import CoordinatesGenerator
from atarigan.models.families.moving_origin import MovingOrigin
from atarigan.models.families.network import NetworkShape
from atarigan.models.families.origin_window import OriginWindow
from tests.moving_square import HEIGHT, WIDTH

SIZE = 2 * HEIGHT, 2 * WIDTH


def scenes(num: int, *, floor: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Squares of 5x5 pixels at (state 0, state 1) over a floor, the height of which is state 2 in
    most frames ("height"), or that flickers in the whole picture ("noise"), or that there is none
    ("none"): frames uint8 (N, H, W, 1), states (N, 4), and the background.
    """
    rng = np.random.default_rng(0)
    rows, columns = (np.arange(size) for size in SIZE)
    frames = np.zeros((num, *SIZE), np.uint8)
    states = np.zeros((num, 4), np.float32)
    for frame, state in zip(frames, states, strict=True):
        y, x = rng.integers(4, 20), rng.integers(4, SIZE[1] - 4)
        height, other = rng.integers(0, 12, 2)
        if floor == "noise":
            frame[:] = rng.integers(0, 2, SIZE) * 120
        if floor == "height":
            frame[SIZE[0] - height :] = 255
        frame[(abs(rows - y) <= 2)[:, None] & (abs(columns - x) <= 2)] = 200
        state[:] = y, x / 7, height, other
    frames = frames[..., None]
    return torch.from_numpy(frames), torch.from_numpy(states), torch.zeros(*SIZE, 1).byte()


@torch.no_grad()
def fitted(floor: str) -> tuple[torch.Tensor, OriginWindow]:
    """The errors of origins, (N, 2), and the window."""
    frames, states, background = scenes(400, floor=floor)
    origin, window = MovingOrigin(4), OriginWindow(*SIZE)
    origin.fit(frames, states, background)
    found = origin(states)
    window.fit(frames, states, found, background)
    middle = torch.tensor([(size - 1) / 2 for size in SIZE])
    return found + middle - torch.stack([states[:, 0], states[:, 1] * 7], dim=1), window


@pytest.mark.parametrize("floor", ["none", "height"])
def test_origins_follow_what_moves_whatever_else_differs(floor: str) -> None:
    errors, window = fitted(floor)
    assert errors.abs().mean() < 0.6
    top, bottom, left, right = window.bounds.tolist()
    assert all(-7 <= each <= -2 for each in (top, left))
    assert all(2 <= each <= 7 for each in (bottom, right))
    assert window.is_still_outside == (floor == "none")


def test_the_window_is_everywhere_where_states_do_not_tell_the_rest() -> None:
    assert fitted("noise")[1].is_everywhere


def generator(floor: str) -> tuple[CoordinatesGenerator, torch.Tensor, torch.Tensor]:
    """A generator with random weights that is fitted to scenes, and features and states."""
    torch.manual_seed(3)
    shape = NetworkShape((1, *SIZE), 2, condition_size=8, vector_size=4, generator_width=16)
    network = CoordinatesGenerator(shape, (1, *SIZE))
    frames, states, _ = scenes(400, floor=floor)
    network.fit(frames, states)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
        network.color.weight.abs_()  # brighter than the black background
    return network, torch.randn(64, 8), states[:64]


@pytest.mark.parametrize("floor", ["none", "height", "noise"])
def test_training_compares_what_is_drawn(floor: str) -> None:
    network, features, states = generator(floor)
    latents = torch.randn(64, 2)
    with torch.no_grad():
        drawn = network(latents, features, states)
    right = network.reconstruction_loss(latents, features, drawn, states).detach()
    wrong = network.reconstruction_loss(latents, features, drawn.flip(0), states).detach()
    assert float(right) < 1e-4 < 0.01 < float(wrong)
    assert drawn.std() > 0.02
    apart = network(latents, features, states).detach() - drawn  # another path, with gradients
    assert apart.abs().max() < 1e-4


def test_windows_at_the_edge_are_cut_off() -> None:
    network, features, states = generator("none")
    states = states[:2].clone()
    states[:, :2] = torch.tensor([[4, 4 / 7], [19, 43 / 7]])
    with torch.no_grad():
        drawn = network(torch.zeros(2, 2), features[:2], states)
    assert drawn.shape == (2, 1, *SIZE)
    assert (drawn[0, 0, :, 20:] == -1).all()
    assert (drawn[1, 0, :, :30] == -1).all()


def squares_of_a_coarse_screen(num: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Squares at whole pixels of a screen of 7 times the size, which is made smaller, and how far
    the first number was rounded, in small pixels.
    """
    rng = np.random.default_rng(0)
    states = rng.uniform(-2, 2, (num, 2)).astype(np.float32)
    frames = np.zeros((num, *SIZE), np.uint8)
    for frame, (x, y) in zip(frames, states, strict=True):
        left, top = np.floor([7 * (20 + 6 * x), 7 * (12 + 3 * y)]).astype(int)
        screen = np.zeros((7 * SIZE[0], 7 * SIZE[1]), np.float32)
        screen[top - 14 : top + 14, left - 14 : left + 14] = 255
        frame[:] = screen.reshape(SIZE[0], 7, SIZE[1], 7).mean((1, 3)).round()
    numbers = torch.from_numpy(states)
    return torch.from_numpy(frames[..., None]), numbers, torch.zeros(*SIZE, 1).byte()


@torch.no_grad()
def test_origins_move_in_the_steps_of_the_renderer() -> None:
    frames, states, background = squares_of_a_coarse_screen(2000)
    origin = MovingOrigin(2)
    origin.fit(frames, states, background)
    assert origin.grid.steps.tolist() == pytest.approx([1 / 42, 1 / 21], rel=1e-3)
    begun = origin.grid.offsets / origin.grid.steps  # a step begins at 0, as 7 * 20 is whole
    assert (begun - begun.round()).abs().max() < 0.05
    within_a_step = torch.tensor([[1.1 / 42, 0.5 / 21], [1.9 / 42, 0.5 / 21]])
    assert torch.equal(*origin(within_a_step))
    assert not torch.equal(*origin(torch.tensor([[0.9 / 42, 0.5 / 21], [1.1 / 42, 0.5 / 21]])))


@torch.no_grad()
def test_numbers_that_move_things_smoothly_have_no_steps() -> None:
    origin = MovingOrigin(4)
    origin.fit(*scenes(400, floor="none"))
    assert origin.grid.steps.tolist() == [0.0] * 4
