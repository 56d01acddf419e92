"""Indexed arrays: found where an index byte picks one of several bytes, learned from and stored."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from atarigan.errors import InputError
from atarigan.models.dynamics.array_search import HardByte, find_arrays
from atarigan.models.dynamics.decision_tree import DecisionTree
from atarigan.models.dynamics.features import Columns, Feature, Kind
from atarigan.models.dynamics.indexed_arrays import NO_ENTRY, IndexedArrays
from atarigan.models.dynamics.labels import Labels
from atarigan.models.dynamics.mined_rows import MinedRows
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_fitting import TreeFitter

NUM_LANES = 6
LANE, PLAYER, TOUCHED = NUM_LANES, NUM_LANES + 1, NUM_LANES + 2
NUM_BYTES = NUM_LANES + 3


def lanes(num: int, seed: int) -> FrameTransitions:
    """An object in each lane, and a player in one, who touches what is within 9 pixels of it."""
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 150, (num, NUM_BYTES)).astype(np.uint8)
    states[:, LANE] = rng.integers(0, NUM_LANES, num)
    picked = states[np.arange(num), states[:, LANE]].astype(int)
    near = rng.random(num) < 0.5
    states[near, PLAYER] = np.clip(picked + rng.integers(-15, 16, num), 0, 149)[near]
    states[:, TOUCHED] = rng.integers(0, 2, num)
    after = states.copy()
    after[:, TOUCHED] = np.abs(states[:, PLAYER].astype(int) - picked) < 9
    nothing = np.zeros(num, np.float32)
    inputs = np.zeros((num, 0), np.int32)
    return FrameTransitions(states, after, inputs, nothing, nothing > 0, nothing.astype(np.uint8))


def influences() -> np.ndarray:
    found = np.zeros((NUM_BYTES, NUM_BYTES), np.bool_)
    found[: PLAYER + 1, TOUCHED] = True
    return found


def test_what_is_picked_is_read_and_nothing_beyond() -> None:
    arrays = IndexedArrays.of([3, 0], [(1, NO_ENTRY, 2), (0, 1)])
    values = np.array([[0, 1, 2, 9], [10, 11, 12, 13], [20, 21, 22, 23], [0, 1, 2, 3]], np.uint8)
    assert arrays.entries(0, values).tolist() == [10, NO_ENTRY, 22, NO_ENTRY]
    assert arrays.entries(1, values).tolist() == [0, 11, NO_ENTRY, NO_ENTRY]
    assert arrays.last_bytes.tolist() == [3, 1]


def search(
    frames: FrameTransitions,
    byte: int = TOUCHED,
    known: IndexedArrays | None = None,
    features: tuple[Feature, ...] = (),
    without: tuple[int, ...] = (),
) -> tuple[list[tuple[int, list[int]]], bool]:
    """Look for arrays of a byte, among bytes whose addresses have a gap after the third one."""
    both = (np.ascontiguousarray(each.T) for each in (frames.states, frames.next_states))
    inputs = np.zeros((0, len(frames)), np.int32)
    columns = Columns(*both, inputs, arrays=known or IndexedArrays.none())
    decides = influences()[:, byte]
    decides[list(without)] = False
    labels = Labels.of_codes(frames.next_states[:, byte])
    hard = HardByte(byte, labels, list(features), decides)
    addresses = np.arange(10, 10 + NUM_BYTES)
    found, helps = find_arrays(columns, addresses, hard, np.random.default_rng(0))
    return list(zip(found.indexes.tolist(), found.members.tolist(), strict=True)), helps


def test_the_objects_of_all_lanes_are_found_for_the_touch() -> None:
    frames = lanes(20_000, seed=0)
    reads = (Feature(Kind.PRESENT, PLAYER),)
    assert search(frames, features=reads) == ([(LANE, list(range(NUM_LANES)))], True)
    nothing = range(NUM_BYTES)
    assert search(frames, features=reads, without=tuple(nothing)) == ([], False)


def test_a_byte_that_may_not_be_read_is_no_member() -> None:
    (_, members), *others = search(lanes(20_000, seed=0), without=(2,))[0]
    assert (members, others) == ([0, 1, NO_ENTRY, 3, 4, 5], [])


def test_an_array_that_is_known_is_not_found_again_and_still_helps() -> None:
    frames, lane_objects = lanes(20_000, seed=0), [(LANE, list(range(NUM_LANES)))]
    known = IndexedArrays.of([LANE], [range(NUM_LANES)])
    assert search(frames, known=known) == (lane_objects, True)
    reads = (Feature(Kind.ENTRY_MINUS_PRESENT, 0, PLAYER),)
    assert search(frames, known=known, features=reads) == (lane_objects, False)


def test_arrays_that_tell_nothing_are_not_taken() -> None:
    frames = lanes(20_000, seed=0)
    frames.next_states[:, TOUCHED] = frames.states[:, PLAYER] > 70
    assert search(frames, features=(Feature(Kind.PRESENT, PLAYER),)) == ([], False)


def test_many_bytes_that_decide_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, num, largest = np.random.default_rng(0), 128, []
    present = rng.integers(0, 256, (num, 300)).astype(np.uint8)
    present[::5] %= 7
    columns = Columns(present, present, np.zeros((0, 300), np.int32))
    hard = HardByte(0, Labels.of_codes(present[0]), [], np.ones(num, np.bool_))
    fit = DecisionTree.fit
    monkeypatch.setattr(
        DecisionTree, "fit", lambda values, *rest: largest.append(len(values)) or fit(values, *rest)
    )
    find_arrays(columns, np.arange(num), hard, rng)
    assert 0 < max(largest) < 5_000


def test_a_touch_is_learned_with_few_nodes_after_it_was_hard() -> None:
    fitter, decides = TreeFitter(), influences()
    fitter.extend(lanes(30_000, seed=0))
    before = TreeDynamics(fitter.fit(influences=decides))
    fitter.extend(lanes(20_000, seed=1))
    after = TreeDynamics(fitter.fit(influences=decides))
    assert (len(before.tables.arrays), len(after.tables.arrays)) == (0, 1)
    unseen = lanes(20_000, seed=2)
    wrong = [
        np.count_nonzero(
            (each.step(unseen.states, unseen.inputs).states != unseen.next_states).any(1)
        )
        for each in (before, after)
    ]
    assert wrong[0] > 100
    assert wrong[1] == 0
    assert after.tables.sizes.sum() < before.tables.sizes.sum() / 10


def test_a_fit_that_goes_on_keeps_its_arrays(tmp_path: Path) -> None:
    frames = FrameTransitions.concatenate([lanes(30_000, seed=0), lanes(10_000, seed=1)])
    fitter = TreeFitter()
    fitter.extend(frames)
    for _ in range(2):
        tables = fitter.fit(influences=influences())
    fitter.mined().save(tmp_path / "mined.safetensors")
    restored = TreeFitter()
    restored.extend(frames)
    restored.restore(MinedRows.load(tmp_path / "mined.safetensors"))
    again = restored.fit(influences=influences())
    assert len(tables.arrays) == 1
    np.testing.assert_array_equal(again.arrays.members, tables.arrays.members)
    np.testing.assert_array_equal(again.arrays.indexes, tables.arrays.indexes)
    assert again.sizes.sum() == tables.sizes.sum()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("array_indexes", np.array([9], np.int16), "indexes must be 0 to 8, not 9"),
        ("array_members", np.array([[0, 9]], np.int16), "members must be -1 to 8, not 0 to 9"),
        (
            "array_members",
            np.zeros((1, 0), np.int16),
            r"members must be int16 of .*\(1, 1\)",
        ),
        ("array_members", None, "array_members must be there, as other tables of arrays are"),
    ],
)
def test_damaged_arrays_are_refused(
    tmp_path: Path, name: str, value: np.ndarray | None, message: str
) -> None:
    fitter = TreeFitter()
    fitter.extend(lanes(10_000, seed=0))
    for _ in range(2):
        tables = fitter.fit(influences=influences())
    assert len(tables.arrays) == 1
    tables.save(tmp_path)
    path = tmp_path / "trees.safetensors"
    stored = {**load_file(path), name: value}
    save_file({key: each for key, each in stored.items() if each is not None}, path)
    with pytest.raises(InputError, match=message):
        TreeDynamics.load(tmp_path)
