"""Groups and parts of windows that draw nothing are left out; what is drawn stays the same."""

import numpy as np
import pytest
import torch

from atarigan.models.families.group_trimming import GroupUse
from atarigan.models.families.picture_layers import draw_layers
from atarigan.models.families.shifted_groups import ShiftedGroups
from atarigan.models.search.positions import DECODINGS, MovingGroup, PositionByte

SIZE = (84, 84)
FEATURES = torch.zeros(64, 3)
NOTHING = torch.zeros(0, dtype=torch.int64)
V, ABSENT = DECODINGS.index("v"), DECODINGS.index("v < 160")


def groups_of(*patches):
    """Groups that show these patches; bytes 2 n and 2 n + 1 move number n."""
    groups = ShiftedGroups(3, *SIZE, num_bytes=2 * len(patches))
    groups.grid.copy_(torch.tensor((210, 160)))
    for n, patch in enumerate(patches):
        height, width = patch.shape
        pair = PositionByte(2 * n, V), PositionByte(2 * n + 1, ABSENT)
        groups.append([MovingGroup(*pair, 205, height, 155, width, 0.5, 0.9, patch)], 0)
    with torch.no_grad():  # the products that do not come from the patch
        groups.bias.view(-1, 8)[:, 2:] = 0
    return groups


def states_for(num_bytes):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (64, num_bytes)).astype(np.uint8))


def absolute_error(positions, real):
    return (positions - real).abs().sum((1, 2))


def small_error(positions, real):
    return 0.05 * (positions - real).abs().amax((1, 2)).clamp(max=1.0)


def drawn(groups, states, only=None):
    with torch.no_grad():
        images = torch.zeros(64, SIZE[0] * SIZE[1])
        layers = [*groups.layers(FEATURES, states)]
        return draw_layers(images, layers if only is None else [layers[only]]).view(64, *SIZE)


def parts_of(groups, real, states, drawn_over=NOTHING, errors=absolute_error, least=0.0):
    use = GroupUse(groups, drawn_over, errors)
    with torch.no_grad():
        for some in (slice(0, 40), slice(40, 64)):
            use.add(drawn(groups, states)[some], real[some], FEATURES[some], states[some])
    return use.parts(least)


def test_kept_parts_stay_where_they_were():
    rng = np.random.default_rng(0)
    patch, other = np.zeros((20, 30)), rng.normal(size=(9, 9))
    patch[6:11, 12:18] = 1.0
    groups = groups_of(other, patch, other)
    states = states_for(6)
    expected = drawn(groups, states) - sum(drawn(groups, states, each) for each in (0, 2))
    groups.keep([None, (slice(6, 11), slice(10, 18)), None])
    assert len(groups) == 1
    (found,) = groups.found()
    assert (found.top, found.left) == (1, 5)  # over the end of the grid
    assert found.patch.shape == (5, 8)
    torch.testing.assert_close(drawn(groups, states), expected, atol=1e-5, rtol=0)


def test_unused_lines_and_groups_that_do_not_help_are_found():
    figure, noise = np.zeros((20, 30)), np.full((12, 12), 0.5)
    figure[6:11, 12:18] = 1.0
    groups, states = groups_of(figure, noise), states_for(4)
    real = drawn(groups_of(figure, 0 * noise), states)
    part, dropped = parts_of(groups, real, states)
    assert dropped is None
    lines, columns = range(20)[part[0]], range(30)[part[1]]
    assert lines.start in (4, 5)
    assert lines.stop in (12, 13)
    assert columns.start in (10, 11)
    assert columns.stop in (19, 20)


def test_a_group_under_determined_pixels_does_not_help():
    groups, states = groups_of(np.ones((9, 9))), states_for(2)
    real = drawn(groups, states)
    assert parts_of(groups, real, states) != [None]
    assert parts_of(groups, real, states, torch.arange(SIZE[0] * SIZE[1])) == [None]


@pytest.mark.parametrize(("side", "stays"), [(9, True), (60, False)])
def test_a_large_group_must_help_more_than_a_small_one(side, stays):
    groups, states = groups_of(np.ones((side, side))), states_for(2)

    real = drawn(groups, states)
    assert parts_of(groups, real, states, errors=small_error) != [None]
    (part,) = parts_of(groups, real, states, errors=small_error, least=0.0002)
    assert (part is not None) == stays


@pytest.mark.parametrize(("side", "stays"), [(9, True), (60, False)])
def test_a_shot_that_is_rarely_there_stays(side, stays):
    groups, states = groups_of(np.ones((side, side))), states_for(2)
    states[:, 1] = 200  # no column of the screen
    states[0] = 0

    real = drawn(groups, states)
    (part,) = parts_of(groups, real, states, errors=small_error, least=0.0002)
    assert (part is not None) == stays


def test_all_groups_may_go():
    groups, states = groups_of(np.ones((4, 4))), states_for(2)
    groups.keep([None])
    assert len(groups) == 0
    groups.keep([])
    assert not drawn(groups, states).any()
    fresh = ShiftedGroups(3, *SIZE, num_bytes=2)
    fresh.load_state_dict(groups.state_dict())
    groups.append(groups_of(np.ones((5, 5))).found(), 0)
    assert drawn(groups, states).any()


def test_without_any_group_there_is_nothing_to_leave_out():
    """Where no search found what moves, as in a game of which few frames are known."""
    groups = ShiftedGroups(3, *SIZE, num_bytes=2)
    groups.grid.copy_(torch.tensor((210, 160)))
    states = states_for(2)
    parts = parts_of(groups, torch.zeros(64, *SIZE), states)
    assert parts == []
    groups.keep(parts)
    assert not drawn(groups, states).any()
