"""Groups of bytes whose changes are counted: found, learned from, kept, and stored."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from atarigan.errors import InputError
from atarigan.models.dynamics.byte_grids import Grids
from atarigan.models.dynamics.change_groups import no_groups, with_new_groups
from atarigan.models.dynamics.feature_selection import CandidateFeatures
from atarigan.models.dynamics.features import Columns, Feature, Kind
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.mined_rows import MinedRows
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_fitting import TreeFitter

NUM_BRICKS, NUM_PLACES = 8, 80
AIM, SCORE = NUM_BRICKS, NUM_BRICKS + 1


def wall(num: int, seed: int, num_standing: int = NUM_BRICKS) -> FrameTransitions:
    """A wall of which only the first bricks stand at times. A byte that grows aims at two of them,
    or mostly at none; those that stand there fall, and the score counts them.
    """
    rng = np.random.default_rng(seed)
    states = np.zeros((num, SCORE + 1), np.uint8)
    states[:, :num_standing] = rng.integers(0, 2, (num, num_standing))
    states[:, AIM] = rng.integers(0, NUM_PLACES, num)
    states[:, SCORE] = rng.integers(0, 256, num)
    after = states.copy()
    after[:, AIM] += 1
    for brick in range(NUM_BRICKS):
        after[np.isin(states[:, AIM], [brick, brick + 1]), brick] = 0
    after[:, SCORE] += (after[:, :NUM_BRICKS] != states[:, :NUM_BRICKS]).sum(1).astype(np.uint8)
    nothing = np.zeros(num, np.float32)
    inputs = np.zeros((num, 0), np.int32)
    return FrameTransitions(states, after, inputs, nothing, nothing > 0, nothing.astype(np.uint8))


def grouped(mined: MinedRows) -> list[list[int]]:
    """The addresses of each group."""
    groups = range(mined.groups.max() + 1)
    return [sorted(mined.addresses[mined.groups == each].tolist()) for each in groups]


def test_a_byte_that_counts_the_changes_of_others_is_learned_with_few_nodes() -> None:
    fitter = TreeFitter()
    fitter.extend(wall(3000, seed=0))
    tables = fitter.fit()
    assert grouped(fitter.mined()) == [list(range(NUM_BRICKS))]
    unseen = wall(20_000, seed=1)
    found = TreeDynamics(tables).step(unseen.states, unseen.inputs)
    np.testing.assert_array_equal(found.states, unseen.next_states)
    assert set(unseen.next_states[:, SCORE] - unseen.states[:, SCORE]) == {0, 1, 2}
    assert tables.sizes[:-3][tables.addresses == SCORE].tolist() == [5]  # tells 0, 1 and 2 apart


def test_groups_stay_when_more_bytes_vary_and_when_a_fit_goes_on(tmp_path: Path) -> None:
    fitter, other = TreeFitter(), TreeFitter()
    parts = wall(3000, seed=0, num_standing=4), wall(3000, seed=1)
    fitter.extend(parts[0])
    fitter.fit()
    assert grouped(fitter.mined()) == [list(range(4))]
    fitter.mined().save(tmp_path / "mined.safetensors")
    other.extend(parts[0])
    other.restore(MinedRows.load(tmp_path / "mined.safetensors"))
    for each in (fitter, other):
        each.extend(parts[1])
        tables = each.fit()
        assert grouped(each.mined()) == [list(range(4)), list(range(4, 8))]
        for part in parts:
            found = TreeDynamics(tables).step(part.states, part.inputs)
            np.testing.assert_array_equal(found.states, part.next_states)


def test_rows_of_earlier_versions_know_no_groups(tmp_path: Path) -> None:
    fitter, path = TreeFitter(), tmp_path / "mined.safetensors"
    fitter.extend(wall(300, seed=0)[:1])
    fitter.fit()
    fitter.mined().save(path)
    tables = load_file(path)
    del tables["groups"]
    save_file(tables, path)
    found = MinedRows.load(path)
    assert found.groups.tolist() == [-1] * len(found.addresses)
    del tables["codings"]
    save_file(tables, path)
    with pytest.raises(InputError, match="must hold addresses, codings, .*, groups, .*, not"):
        MinedRows.load(path)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros(3, np.int32), r"groups must be int16 of the shape \(3,\), not int32"),
        (np.zeros(2, np.int16), r"groups must be int16 of the shape \(3,\), not int16"),
        (np.full(3, -2, np.int16), "groups must be -1 to 2"),
        (np.full(3, 3, np.int16), "groups must be -1 to 2"),
    ],
)
def test_rows_with_damaged_groups_are_refused(groups: Any, message: str) -> None:
    rewards, addresses, codings = np.zeros(1, np.float32), [4, 5, 6], [0, 0, 0]
    mined = MinedRows.of(
        addresses=addresses,
        codings=codings,
        formulas=[[]] * 3,
        are_expected=[np.ones(256, np.bool_)] * 3,
        groups=no_groups(3),
        grids=Grids.none(),
        arrays=IndexedArrays.none(),
        rewards=rewards,
        trees=[None] * 6,
    )
    with pytest.raises(InputError, match=message):
        dataclasses.replace(mined, groups=groups)


def test_a_run_of_rarely_changing_bytes_is_a_group() -> None:
    addresses = np.array([13, 3, 9, 2, 5, 4, 10, 8, 11, 12, 20, 21, 22], np.int32)
    rates = np.full(13, 0.001)
    rates[addresses == 10] = 0.5
    found = with_new_groups(no_groups(13), addresses, rates)
    assert {int(each) for each in addresses[found == 0]} == {2, 3, 4, 5}
    assert set(found.tolist()) == {-1, 0}  # 11 to 13, and 20 to 22, are too few
    more = with_new_groups(
        np.append(found, no_groups(2)).astype(np.int16),
        np.append(addresses, [6, 23]).astype(np.int32),
        np.append(rates, [0.0, 0.0]),
    )
    assert more[:13][found == 0].tolist() == [0] * 4
    assert {int(each) for each in np.append(addresses, [6, 23])[more == 1]} == {20, 21, 22, 23}
    assert more[13] == -1  # next to a group that stays as it is
    assert set(more.tolist()) == {-1, 0, 1}


def test_a_count_is_a_candidate_where_all_its_members_are_known() -> None:
    present = np.zeros((5, 10), np.uint8)
    groups = np.array([0, 1, 0, -1, 1], np.int16)
    candidates = CandidateFeatures(Columns(present, present, np.zeros((0, 10), np.int32), groups))

    def counts(features: list[Feature]) -> list[int]:
        return [each.first for each in features if each.kind is Kind.NUM_CHANGED]

    assert [counts(candidates.before(number)) for number in range(6)] == [
        [], [], [], [0], [0], [0, 1],
    ]  # fmt: skip
    assert counts(candidates.after(range(5))) == [0, 1]
    assert counts(candidates.after([4, 1])) == [1]
    assert counts(candidates.after([3])) == counts(candidates.after([])) == []
