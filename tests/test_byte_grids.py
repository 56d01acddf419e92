"""Grids of cells at which two bytes point: found, learned from, kept, and stored."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from atarigan.errors import InputError
from atarigan.models.dynamics.byte_grids import NO_PLACE, Grids
from atarigan.models.dynamics.grid_search import find_grids
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.mined_rows import MinedRows
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_fitting import TreeFitter
from atarigan.models.dynamics.tree_tables import Coding

NUM_COLUMNS, NUM_ROWS = 4, 3  # of bytes, which are column after column; a byte has four bricks
NUM_BYTES = NUM_COLUMNS * NUM_ROWS
ACROSS, ALONG, CAN_HIT = NUM_BYTES, NUM_BYTES + 1, NUM_BYTES + 2
LEFT, TOP, WIDTH, HEIGHT = 20, 40, 5, 6  # of the wall and of its bricks


def brick_at(across: int, along: int) -> tuple[int, int]:
    """The place and the bits of the brick at a point, which may be beyond the wall."""
    column, row = (across - LEFT) // WIDTH, (along - TOP) // HEIGHT
    if not (0 <= column < 4 * NUM_COLUMNS and 0 <= row < NUM_ROWS):
        return NO_PLACE, 0
    return column // 4 * NUM_ROWS + row, 3 << 2 * (column % 4)


def wall(num: int, seed: int) -> FrameTransitions:
    """A ball at any place; the brick there goes if the ball can hit and the brick stands."""
    rng = np.random.default_rng(seed)
    states = np.zeros((num, NUM_BYTES + 3), np.uint8)
    bricks = rng.random((num, NUM_BYTES, 4)) < 0.7
    states[:, :NUM_BYTES] = (bricks * [3, 12, 48, 192]).sum(2)
    states[:, ACROSS] = rng.integers(0, LEFT + 4 * NUM_COLUMNS * WIDTH + 40, num)
    states[:, ALONG] = rng.integers(0, 200, num)
    states[:, CAN_HIT] = rng.integers(0, 2, num)
    after = states.copy()
    after[:, [ACROSS, ALONG]] += 1
    for state, following in zip(states, after, strict=True):
        place, bits = brick_at(int(state[ACROSS]), int(state[ALONG]))
        if place != NO_PLACE and state[CAN_HIT] and state[place] & bits:
            following[place] &= 255 - bits
            following[CAN_HIT] = 0
    nothing = np.zeros(num, np.float32)
    inputs = np.zeros((num, 0), np.int32)
    return FrameTransitions(states, after, inputs, nothing, nothing > 0, nothing.astype(np.uint8))


def found_in(frames: FrameTransitions, known: Grids | None = None) -> Grids:
    groups = np.array([0] * NUM_BYTES + [-1] * 3, np.int16)
    return find_grids(
        np.ascontiguousarray(frames.states.T),
        np.ascontiguousarray(frames.next_states.T),
        groups,
        np.arange(NUM_BYTES + 3),
        known or Grids.none(),
    )


def test_a_wall_is_found_with_the_two_bytes_of_the_ball() -> None:
    grids = found_in(wall(40_000, seed=0))
    assert grids.pointers.tolist() == [[ACROSS, ALONG]]
    unseen = wall(20_000, seed=1).states
    expected = []
    for state in unseen:
        place, bits = brick_at(int(state[ACROSS]), int(state[ALONG]))
        standing = 0 if place == NO_PLACE else int(state[place] & bits)
        expected.append(256 * (place + 1) + standing if standing else 0)
    np.testing.assert_array_equal(grids.cells(0, np.ascontiguousarray(unseen.T)), expected)
    assert len(set(expected)) == 1 + NUM_BYTES * 4


def test_too_few_bricks_that_go_are_no_wall_and_a_known_one_stays() -> None:
    known, few = found_in(wall(40_000, seed=0)), wall(300, seed=1)
    assert found_in(few).found == []
    for name, array in known.stored().items():
        np.testing.assert_array_equal(found_in(few, known).stored()[name], array)


def test_bytes_that_change_at_any_time_are_no_wall() -> None:
    frames = wall(40_000, seed=0)
    rng = np.random.default_rng(2)
    after = frames.states.copy()
    rows, bricks = np.arange(len(after)), rng.integers(0, NUM_BYTES, len(after))
    after[rows, bricks] &= rng.choice(np.array([252, 243, 207, 63], np.uint8), len(after))
    assert found_in(dataclasses.replace(frames, next_states=after)).found == []


def test_a_hit_is_learned_with_few_nodes_and_kept(tmp_path: Path) -> None:
    fitter, other = TreeFitter(), TreeFitter()
    fitter.extend(wall(40_000, seed=0))
    tables = fitter.fit()
    assert fitter.mined().grids.found == [0]
    unseen = wall(20_000, seed=1)
    found = TreeDynamics(tables).step(unseen.states, unseen.inputs)
    assert (found.states == unseen.next_states).all(axis=1).mean() > 0.999
    assert tables.sizes[:-3][tables.addresses == CAN_HIT].item() < 10
    fitter.mined().save(tmp_path / "mined.safetensors")
    other.extend(wall(40_000, seed=0))
    other.restore(MinedRows.load(tmp_path / "mined.safetensors"))
    assert other.mined().grids.stored().keys() == tables.grids.stored().keys()
    TreeDynamics(tables).save(tmp_path / "dynamics")
    again = TreeDynamics.load(tmp_path / "dynamics").step(unseen.states, unseen.inputs)
    np.testing.assert_array_equal(again.states, found.states)


def test_trees_that_read_no_cell_are_stored_without_grids(tmp_path: Path) -> None:
    fitter = TreeFitter()
    fitter.extend(wall(300, seed=0))
    TreeDynamics(fitter.fit()).save(tmp_path)
    assert not [name for name in load_file(tmp_path / "trees.safetensors") if "grid" in name]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("grid_pointers", lambda t: t + 100, "pointers must be 0 to 14, not"),
        ("grid_members", lambda t: t + 100, "members must be -1 to 14, not"),
        ("grid_places", lambda t: t - 2, "places must be -1 to 255, not"),
        ("grid_places", lambda t: t[:, :, :9], r"places must be int16 of the shape \(1, 2, 256\)"),
        ("grid_masks", lambda t: t.astype(np.int16), "masks must be uint8 of the shape"),
        ("grid_members", lambda t: t[0], r"members must be int16 of the shape \(1, 12\)"),
        ("grid_masks", lambda t: None, "grid_masks must be there, as other tables of grids are"),
    ],
)
def test_damaged_grids_are_refused(name: str, change: Any, message: str, tmp_path: Path) -> None:
    path, num = tmp_path / "mined.safetensors", NUM_BYTES + 3
    groups, rewards = np.zeros(num, np.int16), np.zeros(1, np.float32)
    grids, nothing = found_in(wall(40_000, seed=0)), [None] * (num + 3)
    MinedRows.of(
        addresses=range(num),
        codings=[Coding.XOR] * num,
        formulas=[[]] * num,
        are_expected=[np.ones(256, np.bool_)] * num,
        groups=groups,
        grids=grids,
        arrays=IndexedArrays.none(),
        rewards=rewards,
        trees=nothing,
    ).save(path)
    tables = {**load_file(path)}
    tables[name] = change(tables[name])
    save_file({key: np.array(each) for key, each in tables.items() if each is not None}, path)
    with pytest.raises(InputError, match=message):
        MinedRows.load(path)
