"""Formulas in leaves: found where a program computes a byte from others, learned, stored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from atarigan.errors import InputError
from atarigan.models.dynamics.features import Columns, Feature, Kind
from atarigan.models.dynamics.formula_search import best_coding, find_formulas
from atarigan.models.dynamics.formulas import Formula, Operation
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.labels import Labels, expected_codes, right_formulas
from atarigan.models.dynamics.mined_rows import MinedRows
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_fitting import TreeFitter
from atarigan.models.dynamics.tree_tables import Coding
from tests.plain_trees import plain_formula

NUM_BYTES = 6
DRAWN, COUNTER, OTHER, EVENT, NOISE, SPEED = range(NUM_BYTES)


def events(num: int, seed: int, *, rate: float = 0.05) -> FrameTransitions:
    """Now and then a byte becomes two others, combined bit by bit, as Asterix draws its objects."""
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 128, (num, NUM_BYTES)).astype(np.uint8)
    states[:, EVENT] = rng.random(num) < rate
    after = states.copy()
    is_event = states[:, EVENT] > 0
    after[is_event, DRAWN] = (states[:, COUNTER] ^ states[:, OTHER])[is_event]
    nothing = np.zeros(num, np.float32)
    inputs = np.zeros((num, 0), np.int32)
    return FrameTransitions(states, after, inputs, nothing, nothing > 0, nothing.astype(np.uint8))


def columns_of(frames: FrameTransitions) -> Columns:
    states, after = (np.ascontiguousarray(each.T) for each in (frames.states, frames.next_states))
    return Columns(states, after, np.zeros((0, len(frames)), np.int32))


def present(byte: int) -> Feature:
    return Feature(Kind.PRESENT, byte)


FEATURES = [present(byte) for byte in range(NUM_BYTES)]


@pytest.mark.parametrize(
    "formula",
    [
        Formula(constant=9),
        Formula(Operation.SUM, present(0), present(1), constant=250),
        Formula(Operation.DIFFERENCE, present(0), Feature(Kind.NEXT, 2)),
        Formula(Operation.DIFFERENCE, None, present(3)),
        Formula(Operation.XOR, present(4), present(5), 3, 0xF0, 1),
        Formula(Operation.DIFFERENCE, present(4), present(5), -1, constant=140),
        Formula(Operation.SUM, present(4), None, -2, 0x1F),
    ],
)
def test_a_formula_gives_what_a_program_would_compute(formula: Formula) -> None:
    rng = np.random.default_rng(0)
    states, after = rng.integers(0, 256, (2, NUM_BYTES, 50)).astype(np.uint8)
    found = formula.values(Columns(states, after, np.zeros((0, 50), np.int32)))
    expected = [
        plain_formula(formula, *pair)
        for pair in zip(states.T.tolist(), after.T.tolist(), strict=True)
    ]
    assert found.tolist() == expected


def computed(kind: str, states: np.ndarray) -> np.ndarray:
    """The next values of a byte, as programs compute them."""
    first, second = states[COUNTER], states[OTHER]
    return {
        "copy": first + np.uint8(5),
        "sum": states[DRAWN] + states[SPEED],
        "exclusive or": first ^ second,
        "some bits": first & np.uint8(0x1F),
        "higher bits": (first >> np.uint8(3)) + np.uint8(40),
        "half": (first - second) // 2 + np.uint8(127),
        "complement": np.uint8(255) - first,
        "carry": first + second + (states[NOISE] > 60).astype(np.uint8),
        "shift register": (states[DRAWN] << np.uint8(1)) + (second > 60).astype(np.uint8),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("copy", [Formula(Operation.SUM, present(COUNTER), None, constant=5)]),
        ("sum", [Formula(Operation.SUM, present(SPEED), present(DRAWN))]),
        ("exclusive or", [Formula(Operation.XOR, present(OTHER), present(COUNTER))]),
        ("some bits", [Formula(first=present(COUNTER), mask=0x1F)]),
        ("higher bits", [Formula(first=present(COUNTER), shift=-3, constant=40)]),
        (
            "half",
            [
                Formula(
                    Operation.DIFFERENCE, present(COUNTER), present(OTHER), shift=-1, constant=127
                )
            ],
        ),
        ("complement", [Formula(Operation.DIFFERENCE, None, present(COUNTER), constant=255)]),
        (
            "carry",
            [
                Formula(Operation.SUM, present(OTHER), present(COUNTER)),
                Formula(Operation.SUM, present(OTHER), present(COUNTER), constant=1),
            ],
        ),
        (
            "shift register",
            [
                Formula(first=present(DRAWN), shift=1, constant=1),
                Formula(first=present(DRAWN), shift=1),
            ],
        ),
    ],
)
def test_what_a_program_computes_is_found(kind: str, expected: list[Formula]) -> None:
    frames = events(20_000, seed=0)
    frames.next_states[:, DRAWN] = computed(kind, np.ascontiguousarray(frames.states.T))
    columns, rng = columns_of(frames), np.random.default_rng(0)
    found = find_formulas(columns, DRAWN, Coding.VALUE, FEATURES, [], rng)
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert find_formulas(columns, DRAWN, Coding.VALUE, FEATURES, found, rng) == []


def test_the_source_is_found_and_not_what_is_nearly_the_same() -> None:
    frames = events(20_000, seed=0)
    frames.states[:, OTHER] = frames.states[:, SPEED]
    rare = np.random.default_rng(1).random(20_000) < 0.01
    frames.states[rare, OTHER] = 77
    frames.next_states[:, DRAWN] = frames.states[:, SPEED]
    rng = np.random.default_rng(0)
    found = find_formulas(columns_of(frames), DRAWN, Coding.VALUE, FEATURES, [], rng)
    assert found == [Formula(first=present(SPEED))]


def test_next_values_and_entries_of_arrays_are_read() -> None:
    frames = events(20_000, seed=0)
    frames.states[:, NOISE] %= 3
    after = np.random.default_rng(1).integers(0, 128, 20_000).astype(np.uint8)
    frames.next_states[:, COUNTER] = after
    picked = frames.states[np.arange(20_000), frames.states[:, NOISE] + OTHER]
    arrays = IndexedArrays.of([NOISE], [(OTHER, EVENT, NOISE)])
    columns = replace(columns_of(frames), arrays=arrays)
    features = [*FEATURES, Feature(Kind.NEXT, COUNTER), Feature(Kind.ENTRY, 0)]
    for values, feature in ((after, features[-2]), (picked, features[-1])):
        columns.next[DRAWN] = values
        rng = np.random.default_rng(0)
        found = find_formulas(columns, DRAWN, Coding.VALUE, features, [], rng)
        assert found == [Formula(first=feature)]


def test_what_is_right_by_chance_is_not_taken() -> None:
    """A byte with the same value in a fifth of the frames, which nothing tells from the others."""
    frames = events(20_000, seed=0)
    rng = np.random.default_rng(1)
    after = frames.states[:, COUNTER] // 8 * 9
    frames.next_states[:, DRAWN] = after
    same = rng.random(20_000) < 0.2
    frames.states[same, OTHER] = after[same]
    found = find_formulas(columns_of(frames), DRAWN, Coding.VALUE, FEATURES, [], rng)
    assert found == []


def test_nothing_is_found_in_noise() -> None:
    frames = events(20_000, seed=0)
    frames.next_states[:, DRAWN] = np.random.default_rng(1).integers(0, 256, 20_000)
    rng = np.random.default_rng(0)
    assert find_formulas(columns_of(frames), DRAWN, Coding.VALUE, FEATURES, [], rng) == []


def test_the_coding_is_the_one_that_needs_the_fewest_leaves() -> None:
    """Another byte tells the next value, or what is added to the present one."""
    frames = events(20_000, seed=0)
    frames.states[:, DRAWN] = 60 * (frames.states[:, DRAWN] % 3)
    values = 60 * (frames.states[:, COUNTER].astype(int) // 43)
    steps = frames.states[:, DRAWN] + 5 * (frames.states[:, COUNTER] // 43)
    rng = np.random.default_rng(0)
    for after, expected in ((values, Coding.VALUE), (steps, Coding.DIFFERENCE)):
        frames.next_states[:, DRAWN] = after
        for first in Coding:
            found = best_coding(columns_of(frames), DRAWN, first, FEATURES, rng)
            assert found is expected


def test_where_two_answers_are_right_neither_is_fitted() -> None:
    codes = np.array([0, 0, 7, 7, 9, 200], np.uint8)
    told = np.array([0, 1, 1, 3, 2, 0], np.uint16)
    labels = Labels.of(codes, told, np.arange(256) == 0)
    assert labels.classes.tolist() == [0, 0, 256, 256, 257, 200]
    assert labels.is_decisive.tolist() == [True, False, True, False, True, True]
    assert labels.to_fit().tolist() == [0, 2, 4, 5]
    assert labels.at(np.array([1, 3])).to_fit().tolist() == [0, 1]
    assert labels.is_wrong(np.full(6, 257, np.uint16)).tolist() == [True] * 3 + [False] * 2 + [True]
    assert (
        labels.is_wrong(np.full(6, 7, np.uint16)).tolist() == [True] * 2 + [False] * 2 + [True] * 2
    )


def test_codes_are_expected_that_occur_mostly_where_no_formula_is_right() -> None:
    codes = np.array([1, 1, 1, 2, 2, 3], np.uint8)
    told = np.array([0, 0, 1, 0, 1, 1], np.uint16)
    assert np.flatnonzero(expected_codes(codes, told)).tolist() == [1]


def test_one_formula_that_is_right_everywhere_needs_no_tree() -> None:
    frames = events(1_000, seed=0, rate=1.1)
    formula = Formula(Operation.XOR, present(COUNTER), present(OTHER))
    columns, after = columns_of(frames), frames.next_states[:, DRAWN]
    others = [Formula(constant=3), formula]
    labels = Labels.of(after, right_formulas(others, columns, after), np.zeros(256, np.bool_))
    assert labels.right_everywhere() == 257
    assert Labels.of_codes(after).right_everywhere() is None
    assert Labels.of_codes(np.full(9, 4, np.uint8)).right_everywhere() == 4


def test_what_is_computed_at_rare_events_is_learned_with_few_nodes() -> None:
    dynamics = TreeDynamics.fit(events(30_000, seed=0))
    unseen = events(20_000, seed=1)
    found = dynamics.step(unseen.states, unseen.inputs).states
    np.testing.assert_array_equal(found, unseen.next_states)
    assert len(dynamics.tables.formulas) == 1
    assert dynamics.num_nodes < 30


def test_a_fit_that_goes_on_keeps_its_formulas(tmp_path: Path) -> None:
    fitter = TreeFitter()
    fitter.extend(events(30_000, seed=0))
    before = fitter.fit()
    fitter.mined().save(tmp_path / "mined.safetensors")
    restored = TreeFitter()
    restored.extend(events(30_000, seed=0))
    restored.restore(MinedRows.load(tmp_path / "mined.safetensors"))
    after = restored.fit()
    assert after.formulas.each() == before.formulas.each()
    np.testing.assert_array_equal(after.thresholds, before.thresholds)


def test_rows_of_earlier_versions_know_no_formulas(tmp_path: Path) -> None:
    fitter, path = TreeFitter(), tmp_path / "mined.safetensors"
    fitter.extend(events(30_000, seed=0))
    fitter.fit()
    fitter.mined().save(path)
    tables = load_file(path)
    added = ("num_formulas", "expected_codes")
    save_file(
        {
            name: table
            for name, table in tables.items()
            if name not in added and not name.startswith("formula_")
        },
        path,
    )
    found = MinedRows.load(path)
    assert found.formulas_of_bytes() == [[]] * len(found.addresses)
    assert np.all(found.are_expected())


def test_a_formula_of_what_may_no_longer_be_read_is_dropped() -> None:
    """Of two, the first one."""
    frames = events(30_000, seed=0)
    is_other = frames.states[:, NOISE] < 30
    frames.next_states[is_other, DRAWN] = frames.states[is_other, SPEED] + 9
    fitter = TreeFitter()
    fitter.extend(frames)
    assert len(fitter.fit().formulas.each()) == 2
    (kept,) = fitter.fit(unread=[OTHER]).formulas.each()
    assert kept.constant == 9
    restored = TreeFitter()
    restored.extend(frames)
    restored.restore(fitter.mined())
    assert restored.fit(unread=[OTHER]).formulas.each() == [kept]


def test_formulas_of_later_frames_are_added() -> None:
    fitter = TreeFitter()
    fitter.extend(events(20_000, seed=0))
    (first,) = fitter.fit().formulas.each()
    others = events(20_000, seed=1)
    is_other = others.states[:, NOISE] < 30
    others.next_states[is_other, DRAWN] = others.states[is_other, SPEED] + 9
    fitter.extend(others)
    for _ in range(2):  # the tree has grown after the first fit
        dynamics = TreeDynamics(fitter.fit())
    found = dynamics.tables.formulas.each()
    assert first in found
    assert len(found) == 2
    wrong = dynamics.step(others.states, others.inputs).states != others.next_states
    assert wrong.any(1).mean() < 1e-3


def test_answers_that_differ_late_alone_can_be_fitted() -> None:
    """Two copies are right in the first three quarters of the frames, where the bytes are equal."""
    frames = events(20_000, seed=0)
    frames.states[:15_000, COUNTER] = frames.states[:15_000, OTHER]
    frames.next_states[:] = frames.states
    frames.next_states[:, DRAWN] = np.where(
        frames.states[:, NOISE] < 60, frames.states[:, COUNTER], frames.states[:, OTHER]
    )
    dynamics = TreeDynamics.fit(frames)
    found = dynamics.step(frames.states, frames.inputs).states
    np.testing.assert_array_equal(found, frames.next_states)


def test_what_trees_were_fitted_to_can_be_kept_before_anything_varies(tmp_path: Path) -> None:
    fitter = TreeFitter()
    for _ in range(2):
        fitter.mined().save(tmp_path / "mined.safetensors")
        assert len(MinedRows.load(tmp_path / "mined.safetensors").addresses) == 0
        frames = events(2, seed=0)
        frames.states[:] = frames.next_states[:] = 3
        fitter.extend(frames)
        fitter.fit()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("num_formulas", lambda each: 17 * (each > 0), "num_formulas must be 0 to 16, not 0 to 17"),
        ("formula_firsts", lambda each: 0 * each + [3, 5], "next values of earlier bytes alone"),
        ("formula_seconds", lambda each: 0 * each + [0, 9], "of formulas must be in range"),
        ("expected_codes", lambda each: each[:, 1:], "expected_codes must be uint8 of the shape"),
    ],
)
def test_damaged_rows_of_formulas_are_refused(
    tmp_path: Path, name: str, change: Any, message: str
) -> None:
    fitter, path = TreeFitter(), tmp_path / "mined.safetensors"
    fitter.extend(events(30_000, seed=0))
    fitter.fit()
    fitter.mined().save(path)
    tables = load_file(path)
    tables[name] = change(tables[name]).astype(tables[name].dtype)
    if name == "num_formulas":
        for each in list(tables):
            if each.startswith("formula_"):
                tables[each] = np.repeat(tables[each], 17, axis=0)
    save_file({key: np.ascontiguousarray(each) for key, each in tables.items()}, path)
    fitter = TreeFitter()
    fitter.extend(events(30_000, seed=0))
    with pytest.raises(InputError, match=message):
        fitter.restore(MinedRows.load(path))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("operations", np.array([3], np.uint8), "operations must be 0 to 2, not 3 to 3"),
        ("firsts", np.array([[1, 0]], np.int16), "of formulas must be of known kinds"),
        ("seconds", np.array([[0, 9]], np.int16), "of formulas must be in range"),
        ("seconds", np.array([[12, 0]], np.int16), "of formulas must be in range"),
        ("firsts", np.array([[3, 5]], np.int16), "formulas must read next values of earlier bytes"),
        ("shifts", np.array([8], np.int8), "shifts must be -7 to 7, not 8 to 8"),
        ("masks", np.array([1, 2], np.uint8), "masks must be uint8 of the shape"),
        ("constants", None, "formula_constants must be there, as other tables of formulas are"),
    ],
)
def test_damaged_formulas_are_refused(
    tmp_path: Path, name: str, value: np.ndarray | None, message: str
) -> None:
    TreeDynamics.fit(events(30_000, seed=0)).save(tmp_path)
    path = tmp_path / "trees.safetensors"
    stored = {**load_file(path), f"formula_{name}": value}
    save_file({key: each for key, each in stored.items() if each is not None}, path)
    with pytest.raises(InputError, match=message):
        TreeDynamics.load(tmp_path)
