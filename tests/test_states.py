"""States: conditions by name, vectors out of observations and info."""

import gymnasium as gym
import numpy as np
import pytest

from atarigan.config.condition import check_condition, info_key, is_state
from atarigan.config.run_config import RunConfig
from atarigan.data.states import StateSpec, size_of_space, usual_kind, vector_of
from atarigan.errors import InputError


def test_conditions_are_known_by_name() -> None:
    for name in ("none", "class", "ram", "observation", "info:terrain"):
        check_condition(name)
    assert [is_state(each) for each in ("none", "class", "ram", "info:x")] == [False] * 2 + [
        True
    ] * 2
    assert info_key("info:x:y") == "x:y"
    assert info_key("observation") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "observaton",
            "--condition must be a known condition, not 'observaton': did you mean 'obs",
        ),
        ("info", "needs the name of an entry of info, info:KEY"),
        ("info:", "needs the name of an entry of info, info:KEY"),
    ],
)
def test_unknown_conditions_are_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        RunConfig(condition=name)


def test_numbers_arrays_tuples_and_dicts_become_one_vector() -> None:
    value = {"b": (np.array([[1, 2], [3, 4]]), 5), "a": np.array([True, False])}
    assert vector_of(value, "observation").tolist() == [1, 0, 1, 2, 3, 4, 5]
    assert vector_of(7, "observation").dtype == np.float32
    members = {"b": gym.spaces.MultiDiscrete([3, 3]), "a": gym.spaces.Discrete(9)}
    space = gym.spaces.Tuple([gym.spaces.Dict(members), gym.spaces.Box(0, 1, (2, 3))])
    assert size_of_space(space) == len(vector_of(space.sample(), "observation")) == 9
    assert size_of_space(gym.spaces.Text(3)) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, np.nan], "observation must hold finite numbers, but its number 1 is nan"),
        ([np.inf], "its number 0 is inf"),
        ([1.0, 2.0, 1e300], "its number 2 is 1e\\+300"),
        ("left", "observation must hold numbers alone, not 'left'"),
        ([1.0], "observation must keep its 2 numbers, not change to 1"),
    ],
)
def test_what_is_no_state_is_refused(value: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        StateSpec.of("observation", 2).vector(value)


def test_an_entry_of_info_must_be_there() -> None:
    spec = StateSpec.of("info:terrain", 2)
    assert spec.of_moment(None, {"terrain": (1, 2)}).tolist() == [1, 2]
    with pytest.raises(InputError, match=r"needs info\['terrain'\].* info has only lives, time"):
        spec.of_moment(None, {"time": 1, "lives": 2, "_time": True})
    with pytest.raises(InputError, match="info is empty"):
        spec.of_moment(None, {})


def test_impossible_states_are_refused() -> None:
    for arguments, message in (
        (("class", 3, "float32"), "must not be 'class'"),
        (("ram", 3, "float32"), "of kind 'ram' must not be stored as float32"),
        (("observation", 2000, "float32"), "1 to 1024 numbers, not 2000"),
    ):
        with pytest.raises(InputError, match=message):
            StateSpec(*arguments)


def test_vectors_are_stored_unless_observations_are_images() -> None:
    box = gym.spaces.Box(0, 255, (84, 84), np.uint8)
    assert usual_kind(box, shows_images=True) == "none"
    assert usual_kind(box, shows_images=False) == "none"  # too many numbers
    assert usual_kind(gym.spaces.Discrete(4), shows_images=False) == "observation"
