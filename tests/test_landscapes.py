"""Figures that a landscape hides: found in what its principal components leave."""

import numpy as np
import torch

from atarigan.models.search.landscapes import Motion, find_figures
from atarigan.models.search.position_search import SearchLimits, find_groups

GRID = (210, 160)


def scenes_and_figures(rng, num=600, *, num_scenes=16, contrast=0.3, brightness=(5.0, 0.7)):
    """Motion (num, 84, 84) and states: a mixture of scenes, a figure at bytes 1 and 2, and a
    smaller one at bytes 3 and 4.
    """
    states = rng.integers(0, 256, (num, 5)).astype(np.uint8)
    states[:, [1, 3]] = rng.integers(20, 150, (num, 2))
    states[:, [2, 4]] = rng.integers(0, 140, (num, 2))
    scenes = np.repeat(np.repeat(rng.normal(size=(num_scenes, 7, 7)), 12, 1), 12, 2)
    frames = np.tensordot(rng.normal(size=(num, num_scenes)), scenes, 1) * contrast
    for frame, state in zip(frames, states, strict=True):
        for first, height, width, added in ((1, 12, 9, brightness[0]), (3, 10, 6, brightness[1])):
            top, left = int(state[first]) * 84 // 210, int(state[first + 1]) * 84 // 160
            frame[top : top + height, left : left + width] += added
    motion = (frames - frames.mean(0)).astype(np.float32)
    return torch.from_numpy(motion), torch.from_numpy(states)


def test_a_faint_figure_is_found_behind_a_landscape_next_to_a_bright_one():
    frames, states = scenes_and_figures(np.random.default_rng(0))
    motion = Motion.of(frames)
    assert not motion.is_landscape
    (bright,) = find_groups(frames, states, GRID)
    assert (bright.row.byte, bright.column.byte) == (1, 2)
    first, second = find_figures(motion, states, GRID, [])
    assert (first.row, first.column, first.share) == (bright.row, bright.column, bright.share)
    assert (second.row.byte, second.column.byte) == (3, 4)
    assert (
        second.share < 0.2 * first.share + 0.01
    )  # of all motion, not of what the landscape leaves


def test_both_figures_are_found_where_the_landscape_is_nearly_everything():
    """In all motion the brighter one is found only."""
    frames, states = scenes_and_figures(np.random.default_rng(0), brightness=(1.0, 0.5))
    motion = Motion.of(frames)
    assert motion.is_landscape
    assert motion.searched is motion.residual
    assert len(find_groups(frames, states, GRID)) == 1
    bright, faint = find_figures(motion, states, GRID, [])
    assert [(each.row.byte, each.column.byte) for each in (bright, faint)] == [(1, 2), (3, 4)]
    assert 0.01 > bright.share > faint.share > 0.001  # of all motion


def test_figures_are_found_behind_more_scenes_than_the_first_components_hold():
    frames, states = scenes_and_figures(
        np.random.default_rng(0), num_scenes=40, contrast=0.5, brightness=(0.6, 0.5)
    )
    motion = Motion.of(frames)
    assert find_groups(motion.whole, states, GRID) == []
    assert find_groups(motion.residual, states, GRID) == []
    found = find_figures(motion, states, GRID, [])
    assert [(each.row.byte, each.column.byte) for each in found] == [(1, 2), (3, 4)]


def test_nothing_is_found_in_what_rounding_leaves():
    """Six pictures are six components at most."""
    rng = np.random.default_rng(0)
    states = rng.integers(0, 256, (600, 4)).astype(np.uint8)
    states[:, 1] = 10 + 20 * rng.integers(0, 6, 600)
    frames = np.zeros((600, 84, 84), np.float32)
    for frame, state in zip(frames, states, strict=True):
        top = int(state[1]) * 84 // 210
        frame[top : top + 8, 30:40] = 1.0
    motion = Motion.of(torch.from_numpy(frames - frames.mean(0)))
    (found,) = find_figures(motion, torch.from_numpy(states), GRID, [])
    assert found.row.byte == 1
    assert found.share > 0.5


def test_windows_are_narrowed_to_what_agrees_most():
    """Four figures scroll together, by byte 0, and each has a column of its own, which varies
    little: shifted back by one figure's bytes, the others nearly stand still too.
    """
    rng = np.random.default_rng(0)
    states = rng.integers(0, 40, (600, 5)).astype(np.uint8)
    for number in range(4):
        states[:, 1 + number] = rng.integers(20 * number, 20 * number + 20, 600)
    frames = 0.1 * rng.normal(size=(600, 84, 84))
    for frame, state in zip(frames, states, strict=True):
        for number in range(4):
            top, left = (
                (int(state[0]) + 40 * number) * 84 // 210,
                int(state[1 + number]) * 84 // 160,
            )
            frame[top : top + 8, left : left + 8] += 1.0
    motion = torch.from_numpy((frames - frames.mean(0)).astype(np.float32))
    found = {}
    for weak_cells in ((0.02,), (0.02, 0.3, 0.5)):
        limits = SearchLimits(most_area=0.1, weak_cells=weak_cells)
        groups = find_groups(motion, torch.from_numpy(states), GRID, limits=limits)
        found[weak_cells] = {group.column.byte: group for group in groups if group.row.byte == 0}
    limits = SearchLimits(most_area=0.1, most_narrowed_area=0.01, weak_cells=(0.02, 0.3, 0.5))
    assert len(find_groups(motion, torch.from_numpy(states), GRID, limits=limits)) == len(
        find_groups(motion, torch.from_numpy(states), GRID, limits=SearchLimits(most_area=0.1))
    )
    wide, narrowed = found.values()
    assert wide.keys() < narrowed.keys() == {1, 2, 3, 4}
    assert all(narrowed[byte].top == group.top for byte, group in wide.items())
    for number in range(4):  # the figure is in the middle of its window
        group = narrowed[1 + number]
        assert group.height < 50
        assert abs((group.top + group.height // 2) % 210 - (40 * number + 10)) <= 5
