"""Horizons: borders whose heights are numbers that the renderer rounds."""

import cv2
import numpy as np
import pytest
import torch

from atarigan.models.families.coordinates import CoordinatesFamily
from atarigan.models.families.horizon import Horizon, find_horizon
from atarigan.models.families.network import NetworkShape
from atarigan.models.families.renderer_grid import RendererGrid
from atarigan.models.state.vector_bins import VectorBins

NUM, SIZE, FINE = 1500, 32, 160  # frames, pixels of a frame, pixels of the renderer
UNIT = 4.0  # pixels of the renderer for a number
KNOTS = (0, 48, 100, FINE - 1)


def terrains() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """White terrains under a black sky: frames uint8 (N, H, W, 1), states (N, 5), the heights at
    four places and a number that does nothing, and the heights in pixels, (N, W).
    """
    rng = np.random.default_rng(0)
    states = rng.uniform(6, 16, (NUM, 5)).astype(np.float32)
    states[:, 3] = (states[:, 1] + states[:, 2]) / 2  # but for rounding, the two say it already
    corners = np.trunc(states[:, :4].astype(np.float64) * UNIT)
    heights = np.stack([np.interp(np.arange(FINE), KNOTS, each) for each in corners])
    covered = np.clip(heights[:, None] - np.arange(FINE)[::-1, None], 0, 1)
    fine = (255 * covered).astype(np.uint8)
    frames = [cv2.resize(each, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for each in fine]
    in_pixels = heights.reshape(NUM, SIZE, -1).mean(2) * SIZE / FINE
    return torch.from_numpy(np.stack(frames)[..., None]), torch.from_numpy(states), in_pixels


def found(frames: torch.Tensor, states: torch.Tensor) -> tuple[Horizon | None, RendererGrid]:
    bins, grid = VectorBins(states.shape[1], 16), RendererGrid(states.shape[1])
    bins.fit(states)
    return find_horizon(frames, states, bins, grid, 16), grid


def test_the_steps_of_all_heights_are_found() -> None:
    frames, states, _ = terrains()
    horizon, grid = found(frames, states)
    assert horizon is not None
    torch.testing.assert_close(grid.steps[:4] * UNIT, torch.ones(4).double(), atol=0.003, rtol=0)
    assert not grid.steps[4]
    assert not horizon.slopes[:, 4].any()


def test_places_are_right_to_a_fraction_of_a_pixel() -> None:
    frames, states, heights = terrains()
    horizon, grid = found(frames, states)
    assert horizon is not None
    bins = VectorBins(5, 16)
    bins.fit(states)
    places = bins.spread(grid(states)) @ horizon.slopes.T + horizon.base
    errors = (SIZE - places).numpy() - heights
    assert np.abs(errors).mean() < 0.01


@pytest.mark.parametrize("case", ["noise", "one color"])
def test_nothing_is_found_where_states_do_not_tell(case: str) -> None:
    frames, states, _ = terrains()
    if case == "noise":
        states = states[torch.randperm(len(states), generator=torch.Generator().manual_seed(0))]
    else:
        frames = torch.zeros_like(frames)
    assert found(frames, states)[0] is None


def test_a_network_begins_with_the_horizon() -> None:
    """Before any update. A network without it draws what each pixel usually shows."""
    frames, states, _ = terrains()
    for frame, state in zip(frames, states, strict=True):  # a figure above the terrain
        frame[2:5, 2 * int(state[4]) - 6 : 2 * int(state[4]) - 3] = 200
    torch.manual_seed(0)
    shape = NetworkShape((1, SIZE, SIZE), 2, condition_size=8, vector_size=5, generator_width=16)
    network = CoordinatesFamily().generator(shape)
    network.fit(frames, states)
    with torch.no_grad():
        drawn = network(torch.zeros(64, 2), torch.zeros(64, 8), states[:64])
    below = slice(12, SIZE)
    levels = ((drawn + 1) * 127.5).permute(0, 2, 3, 1)[:, below]
    real = frames[:64, below].float()
    usual = frames.mode(0).values[below].float()
    differs = (real - usual).abs() > 8
    assert ((levels - real).abs()[differs] <= 8).float().mean() > 0.75
