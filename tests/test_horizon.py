"""Horizons: borders whose heights are numbers that the renderer rounds."""

import cv2
import numpy as np
import pytest
import torch

from atarigan.models.families.coordinates import CoordinatesGenerator
from atarigan.models.families.horizon import Horizon
from atarigan.models.families.network import NetworkShape
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


class Found:
    """The horizon of terrains, if there is one."""

    def __init__(self, frames: torch.Tensor, states: torch.Tensor) -> None:
        size = states.shape[1]
        self.bins = VectorBins(size, 16)
        self.bins.fit(states)
        self.horizon = Horizon(size, *frames.shape[1:])
        self.above = self.horizon.fit(frames, states, self.bins)

    def places(self, states: torch.Tensor) -> torch.Tensor:
        return self.horizon.places(states, self.bins)


@pytest.fixture(scope="module")
def found() -> Found:
    frames, states, _ = terrains()
    return Found(frames, states)


def test_the_steps_of_all_heights_are_found(found: Found) -> None:
    torch.testing.assert_close(
        found.horizon.grid.steps[:4] * UNIT, torch.ones(4).double(), atol=0.003, rtol=0
    )
    assert not found.horizon.grid.steps[4]
    assert not found.horizon.slopes[:, 4].any()


def test_places_are_right_to_a_fraction_of_a_pixel(found: Found) -> None:
    _, states, heights = terrains()
    places = found.places(states)
    assert np.abs((SIZE - places).numpy() - heights).mean() < 0.01


def test_what_stands_on_it_is_not_part_of_it() -> None:
    frames, states, heights = terrains()
    with_flag = frames.clone()
    with_flag[:, 8:11, 20:23] = with_flag[:, 8:11, 20:23].clamp(min=120)
    found = Found(with_flag, states)
    assert np.abs((SIZE - found.places(states)).numpy() - heights).mean() < 0.02
    assert found.above is not None
    flag = (found.above.unflatten(0, (SIZE, SIZE))[8:11, 20:23] + 1) * 127.5
    torch.testing.assert_close(flag, torch.full_like(flag, 120.0))


def test_some_pixels_are_covered_as_in_the_whole_picture(found: Found) -> None:
    _, states, _ = terrains()
    places = found.places(states[:8])
    everywhere = found.horizon.coverage(places)
    pixels = torch.randint(SIZE * SIZE, (8, 50), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        found.horizon.coverage_at(places, pixels), everywhere.gather(1, pixels)
    )
    torch.testing.assert_close(
        found.horizon.coverage_at(places, pixels[0]), everywhere[:, pixels[0]]
    )


@pytest.mark.parametrize("case", ["noise", "one color", "still", "rests in most frames"])
def test_nothing_is_found_where_states_do_not_tell(case: str) -> None:
    frames, states, _ = terrains()
    if case == "noise":
        states = states[torch.randperm(len(states), generator=torch.Generator().manual_seed(0))]
    elif case == "one color":
        frames = torch.zeros_like(frames)
    else:
        num = len(frames) if case == "still" else len(frames) * 6 // 10
        frames[:num] = frames[0]
        states = states.flip(0)
    found = Found(frames, states)
    assert found.above is None
    assert not len(found.horizon)
    assert not found.horizon.grid.steps.any()


def test_colors_are_those_above_and_below() -> None:
    frames, states, _ = terrains()
    sky, ground = torch.tensor([10.0, 60, 200]), torch.tensor([120.0, 80, 20])
    colored = torch.lerp(sky, ground, frames / 255).round().byte()
    found = Found(colored, states)
    assert found.above is not None
    at_the_top = found.above[:SIZE]
    torch.testing.assert_close((at_the_top + 1) * 127.5, sky.expand(SIZE, -1))
    torch.testing.assert_close((found.horizon.color + 1) * 127.5, ground)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("slopes", torch.full((SIZE, 5), float("nan"))),
        ("base", torch.zeros(SIZE - 1)),
        ("color", torch.zeros(3)),
    ],
)
def test_damaged_files_are_refused(found: Found, name: str, value: torch.Tensor) -> None:
    stored = found.horizon.state_dict() | {name: value}
    with pytest.raises(ValueError, match=name):
        Horizon(5, SIZE, SIZE, 1).load_state_dict(stored)


def test_a_network_begins_with_the_horizon() -> None:
    """Before any update. A network without it draws what each pixel usually shows."""
    frames, states, _ = terrains()
    for frame, state in zip(frames, states, strict=True):  # a figure above the terrain
        frame[2:5, 2 * int(state[4]) - 6 : 2 * int(state[4]) - 3] = 200
    torch.manual_seed(0)
    shape = NetworkShape((1, SIZE, SIZE), 2, condition_size=8, vector_size=5, generator_width=16)
    network = CoordinatesGenerator(shape, (1, SIZE, SIZE))
    network.fit(frames, states)
    assert len(network.horizon)
    with torch.no_grad():
        drawn = network(torch.zeros(64, 2), torch.zeros(64, 8), states[:64])
    below = slice(12, SIZE)
    levels = ((drawn + 1) * 127.5).permute(0, 2, 3, 1)[:, below]
    real = frames[:64, below].float()
    usual = frames.mode(0).values[below].float()
    differs = (real - usual).abs() > 8
    assert ((levels - real).abs()[differs] <= 8).float().mean() > 0.75
