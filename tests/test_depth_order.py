"""Figures that overlap: which one is in front is found from frames, and it covers the others."""

import numpy as np
import pytest
import torch

from atarigan.models.families import NETWORKS
from atarigan.models.families.depth_order import DepthVotes
from atarigan.models.families.network import NetworkShape
from atarigan.models.families.picture_layers import Layer, draw_layers
from atarigan.models.families.shifted_groups import ShiftedGroups
from atarigan.models.search.positions import DECODINGS, MovingGroup, PositionByte

SIZE = (60, 80)
V = DECODINGS.index("v")
FIGURES = (((6, 9), 1.0), ((11, 5), -0.6))  # size and level
NOTHING = torch.zeros(0, dtype=torch.int64)


def cover(slope, most):
    return {"slope": torch.tensor(slope), "most": torch.tensor(most)}


def test_a_layer_covers_the_figures_behind_it_but_not_the_images():
    behind = Layer(0, torch.tensor([[0, 1, 2]]), torch.tensor([[1.0, 2.0, 3.0]]))
    front = Layer(1, torch.tensor([[1, 2, 3]]), torch.tensor([[-7.0, 1.0, 7.0]]))
    covering = front._replace(**cover(0.5, 0.75))
    expected = {
        (behind, covering): [11.0, 3.5, 12.5, 17.0, 10.0],
        (behind, front): [11.0, 5.0, 14.0, 17.0, 10.0],
        (behind, covering._replace(figure=0)): [11.0, 5.0, 14.0, 17.0, 10.0],
    }
    for layers, values in expected.items():
        assert draw_layers(torch.full((1, 5), 10.0), layers).tolist() == [values]


def test_parts_of_a_figure_cover_a_pixel_together():
    """As the two parts of a tall figure that was cut between the lines of a resized frame."""
    place = torch.zeros(1, 1, dtype=torch.int64)
    half = Layer(1, place, torch.tensor([[3.0]]), **cover(1.0, 0.5))
    behind = Layer(0, place, torch.tensor([[10.0]]))
    assert draw_layers(torch.zeros(1, 1), [behind, half, half]).item() == 6.0


def test_gradients_of_layers_are_right():
    torch.manual_seed(0)
    places = torch.randint(0, 6, (2, 4, 4)).unbind(1)  # some pixels twice
    figures, covers = (0, 1, 1, 2), (True, True, False, True)

    def drawn(pictures, slopes, mosts):
        given = zip(figures, places, pictures, slopes, mosts, strict=True)
        layers = [
            Layer(*each) if does else Layer(*each[:3])
            for each, does in zip(given, covers, strict=True)
        ]
        return draw_layers(torch.zeros(2, 6, dtype=torch.float64), layers)

    values = torch.randn(4, 2, 4), torch.rand(4), torch.rand(4)
    inputs = [each.double().requires_grad_() for each in values]
    opacity = inputs[0].abs() * inputs[1][:, None, None]
    is_rising = opacity < inputs[2][:, None, None]
    assert is_rising.any()
    assert not is_rising.all()
    torch.autograd.gradcheck(drawn, inputs)
    with torch.no_grad():
        expected = drawn(*inputs)
    torch.testing.assert_close(drawn(*inputs), expected, rtol=0, atol=0)


def frames_of(states, *, front):
    """A wide bright figure, moved by bytes 0 and 1, and a tall darker one, moved by bytes 2 and 3;
    float (N, H, W).
    """
    frames = torch.zeros(len(states), *SIZE)
    for frame, state in zip(frames, states.tolist(), strict=True):
        for number in (1 - front, front):
            (height, width), level = FIGURES[number]
            top, left = state[2 * number : 2 * number + 2]
            frame[top : top + height, left : left + width] = level
    return frames


def states_for(num):
    rng = np.random.default_rng(0)
    places = rng.integers(0, (40, 50, 40, 50), (num, 4))
    return torch.from_numpy(places.astype(np.uint8))


def groups_for(*which):
    groups = ShiftedGroups(2, *SIZE, num_bytes=4)
    for number in which:
        (height, width), level = FIGURES[number]
        pair = (PositionByte(2 * number + axis, V) for axis in range(2))
        patch = np.full((height, width), level)
        groups.append([MovingGroup(*pair, 0, height, 0, width, 0.5, 0.9, patch)], 0)
    with torch.no_grad():  # the products that do not come from the patch
        groups.bias.view(-1, 8)[:, 2:] = 0
    return groups


@pytest.mark.parametrize("front", [0, 1])
@pytest.mark.parametrize("which", [(0, 1), (1, 0)])
def test_the_figure_in_front_is_found_and_drawn_in_front(front, which):
    groups, states, features = groups_for(*which), states_for(100), torch.zeros(100, 2)
    frames = frames_of(states, front=front).flatten(1)
    votes = DepthVotes(2, NOTHING)
    with torch.no_grad():
        for part in (slice(0, 60), slice(60, 100)):
            votes.add(groups.layers(features[part], states[part]), frames[part])
        assert [which[each] for each in votes.back_to_front()] == [1 - front, front]
        assert [votes.covers()[each] for each in votes.back_to_front()] == [False, True]
        groups.reorder(votes.back_to_front(), votes.covers())
        groups.opacity[1] = 1.0
        drawn = groups(torch.zeros_like(frames), features, states)
    torch.testing.assert_close(drawn, frames, atol=1e-5, rtol=0)


def test_figures_that_never_overlap_cover_nothing():
    states = states_for(100)
    states[:, 1], states[:, 3] = 0, 40
    votes, groups = DepthVotes(2, NOTHING), groups_for(0, 1)
    frames = frames_of(states, front=0).flatten(1)
    with torch.no_grad():
        votes.add(groups.layers(torch.zeros(100, 2), states), frames)
    assert votes.covers() == [False, False]


def test_groups_of_the_same_bytes_have_one_depth():
    groups, states = groups_for(0, 1, 0), states_for(100)
    assert groups.figures == [0, 1, 0]
    votes = DepthVotes(2, NOTHING)
    with torch.no_grad():
        frames = 2 * frames_of(states, front=0).flatten(1)
        votes.add(groups.layers(torch.zeros(100, 2), states), frames)
    assert votes.back_to_front() == [1, 0]
    assert votes.covers() == [True, False]
    groups.reorder(votes.back_to_front(), votes.covers())
    assert [each.row.byte for each in groups.found()] == [2, 0, 0]
    assert groups.figures == [0, 1, 1]
    assert [bool(each) for each in groups.opacity] == [False, True, True]


def test_without_votes_the_order_stays():
    assert DepthVotes(3, NOTHING).back_to_front() == [0, 1, 2]
    assert DepthVotes(3, NOTHING).covers() == [False, False, False]


def test_pixels_that_something_else_covers_tell_nothing():
    states, groups = states_for(100), groups_for(0, 1)
    votes = DepthVotes(2, torch.arange(SIZE[0] * SIZE[1]))
    with torch.no_grad():
        votes.add(groups.layers(torch.zeros(100, 2), states), frames_of(states, front=0).flatten(1))
    assert votes.covers() == [False, False]


@pytest.mark.parametrize("front", [0, 1])
def test_a_generator_is_fitted_in_that_order(front):
    states = states_for(600)
    frames = (128 + 60 * frames_of(states, front=front)).to(torch.uint8)[..., None]
    shape = NetworkShape(
        (1, *SIZE), latent_size=2, condition_size=8, state_size=4, screen_size=SIZE
    )
    generator = NETWORKS["shifted_profiles"]().generator(shape)
    generator.fit(frames, states)
    found = [each.row.byte for each in generator.moving_groups().groups]
    assert found == [2 - 2 * front, 2 * front]
    assert generator.groups.opacity.tolist()[-1] > 0


def test_groups_of_older_files_cover_nothing():
    groups = groups_for(0, 1)
    groups.reorder([0, 1], [False, True])
    stored = groups.state_dict()
    for name in ("slope", "opacity"):
        del stored[name]
    older = ShiftedGroups(2, *SIZE, num_bytes=4)
    older.load_state_dict(stored)
    states, features = states_for(10), torch.zeros(10, 2)
    with torch.no_grad():
        drawn = older(torch.zeros(10, SIZE[0] * SIZE[1]), features, states)
        first, second = older.layers(features, states)
    assert first.slope is second.slope is None
    alone = [draw_layers(torch.zeros_like(drawn), [each]) for each in (first, second)]
    torch.testing.assert_close(drawn, alone[0] + alone[1])
