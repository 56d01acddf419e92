"""Waves of the corners of polygons, which a renderer rounds to its own pixels."""

import cv2
import numpy as np
import pytest
import torch

from atarigan.models.families.corner_waves import NUM_WAVES, CornerWaves
from atarigan.models.families.moving_origin import MovingOrigin
from atarigan.models.families.renderer_grid import RendererGrid

SIZE, COARSE = (24, 48), 7  # of the picture, and pixels of the screen in one of its pixels
LENGTH, SPEED = 40.0, 42.0  # of the pole, and of its foot, in pixels of the screen
FOOT = 20 * COARSE


def leaning_poles(num: int, *, rounds: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Poles whose foot moves by the first number, and whose top moves by the second as well."""
    rng = np.random.default_rng(0)
    states = rng.uniform(-2, 2, (num, 3))
    frames = np.zeros((num, *SIZE, 1), np.uint8)
    rows, columns = np.arange(20, 140)[:, None], np.arange(SIZE[1] * COARSE)
    for frame, (x, angle, _) in zip(frames, states, strict=True):
        ends = FOOT + SPEED * x, FOOT + SPEED * x + LENGTH * angle / 2
        foot, top = np.floor(ends) if rounds else ends
        left = top + (foot - top) * (rows - 20) / 120
        screen = np.zeros((SIZE[0] * COARSE, SIZE[1] * COARSE), np.float32)
        screen[20:140] = 255 * np.clip(np.minimum(columns - left + 1, left + 15 - columns), 0, 1)
        frame[:, :, 0] = cv2.resize(screen, SIZE[::-1], interpolation=cv2.INTER_AREA).round()
    return torch.from_numpy(frames), torch.from_numpy(states).float()


@torch.no_grad()
def fitted(*, rounds: bool) -> CornerWaves:
    frames, states = leaning_poles(2500, rounds=rounds)
    background = torch.zeros(*SIZE, 1, dtype=torch.uint8)
    origin = MovingOrigin(3)
    origin.fit(frames, states, background)
    grid = RendererGrid(3)
    grid.steps[0] = 1 / SPEED
    waves = CornerWaves(3, 4)
    waves.fit(frames, states, background, grid, origin.bins)
    return waves


def test_a_wave_is_found_for_each_corner_that_is_rounded() -> None:
    found = fitted(rounds=True)
    used = found.waves[found.waves.any(1)]
    assert used[:, 0].tolist() == pytest.approx([SPEED] * len(used))
    assert used[:, 2].abs().max() < 0.01
    cycles = used[:, 1].tolist()
    assert min(abs(each) for each in cycles) < 0.2  # of the foot
    assert min(abs(each - LENGTH / 2) for each in cycles) < 0.2  # of the top


def test_corners_that_are_not_rounded_have_no_waves() -> None:
    assert not fitted(rounds=False).waves.any()


def test_features_repeat_with_each_pixel_of_the_screen() -> None:
    waves = CornerWaves(2, 4)
    waves.waves[0] = torch.tensor([42.0, 30.0])
    with torch.no_grad():
        assert not waves(torch.rand(5, 2)).any()  # before it learns
        waves.weights.normal_()
        states = torch.tensor([[0.1, 0.2], [0.1 + 1 / 42, 0.2], [0.1 + 2 / 42, 0.2 + 1 / 30]])
        values = waves(states)
        assert (values - values[0]).abs().max() < 1e-4
        assert not torch.allclose(waves(states + 0.01), values, atol=0.01)


def test_tables_of_another_size_are_refused() -> None:
    tables = CornerWaves(3, 4).state_dict()
    with pytest.raises(ValueError, match=rf"waves must be \({NUM_WAVES}, 2\)"):
        CornerWaves(2, 4).load_state_dict(tables)
    tables["waves"][0, 0] = torch.inf
    with pytest.raises(ValueError, match="waves must be finite"):
        CornerWaves(3, 4).load_state_dict(tables)
