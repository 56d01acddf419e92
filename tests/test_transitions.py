"""FrameTransitions, and which of them a model predicts wrongly."""

import dataclasses

import numpy as np
import pytest

from atarigan.errors import InputError
from atarigan.models.dynamics.exactness import PredictedFrames
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics


def counting(num):
    """A byte that counts; a point at each multiple of 10; lives and ends of their own."""
    states = np.arange(num).astype(np.uint8)[:, None] % 100
    return FrameTransitions(
        states,
        (states + 1).astype(np.uint8),
        np.zeros((num, 1), np.int32),
        (states[:, 0] % 10 == 0).astype(np.float32),
        states[:, 0] == 99,
        np.full(num, 3, np.uint8),
    )


def changed(transitions, **rows):
    """Other values in one row each, by the name of the array."""
    copied = {
        field.name: getattr(transitions, field.name).copy()
        for field in dataclasses.fields(transitions)
    }
    for name, (row, value) in rows.items():
        copied[name][row] = value
    return FrameTransitions(**copied)


def test_a_transition_is_wrong_if_any_part_is():
    known = counting(200)
    dynamics = TreeDynamics.fit(known)
    assert PredictedFrames.of(dynamics, known).is_exact.all()
    others = changed(known, next_states=(7, 0), rewards=(30, 5.0), ends=(41, True), lives=(150, 2))
    is_wrong = ~PredictedFrames.of(dynamics, others).is_exact
    assert np.flatnonzero(is_wrong).tolist() == [7, 30, 41, 150]
    without = ~PredictedFrames.of(dynamics, others, unread=[0]).is_exact_read
    assert np.flatnonzero(without).tolist() == [30, 41, 150]


def test_transitions_are_taken_by_rows_and_put_together():
    many = counting(50)
    parts = [many[:20], many[np.arange(20, 30)], many[np.arange(50) >= 30]]
    assert [len(part) for part in parts] == [20, 10, 20]
    whole = FrameTransitions.concatenate(parts)
    for field in dataclasses.fields(FrameTransitions):
        np.testing.assert_array_equal(getattr(whole, field.name), getattr(many, field.name))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("states", np.zeros((5, 1), np.int64), "states must be uint8 with 2 axes, not int64"),
        ("states", np.zeros((5, 2), np.uint8), r"next_states must have .* \(5, 2\), not \(5, 1\)"),
        ("inputs", np.zeros(5, np.int32), r"inputs must be .* not int32 of the shape \(5,\)"),
        ("inputs", np.zeros((4, 1), np.int32), "inputs must have as many rows as states, 5, not 4"),
        ("rewards", np.zeros(5), "rewards must be float32 with 1 axes, not float64"),
        ("rewards", np.full(5, np.nan, np.float32), "rewards must be finite"),
        ("ends", np.zeros(6, bool), "ends must have as many rows as states, 5, not 6"),
        ("lives", np.zeros(5, bool), "lives must be uint8"),
    ],
)
def test_other_arrays_are_refused(name, value, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(counting(5), **{name: value})


def test_only_parts_of_the_same_sizes_are_put_together():
    five = counting(5)
    wide = dataclasses.replace(five, inputs=np.zeros((5, 3), np.int32))
    with pytest.raises(InputError, match=r"inputs must have the same length .* not \[1, 3\]"):
        FrameTransitions.concatenate([five, wide])
    with pytest.raises(InputError, match="at least one item, not 0"):
        FrameTransitions.concatenate([])
