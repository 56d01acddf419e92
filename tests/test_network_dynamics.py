"""What the networks of a dream compute."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from atarigan.errors import InputError
from atarigan.models.dynamics.dynamics import TransitionModel
from atarigan.models.network_dreams.network_dynamics import NetworkDynamics
from tests.network_dreams import random_tables
from tests.readers import small_trees


def layers(values: np.ndarray, *weights: np.ndarray) -> np.ndarray:
    for number, weight in enumerate(weights):
        values = values @ weight[:-1].astype(float) + weight[-1]
        if number < 2:
            values = values / (1 + np.exp(-values))
    return values


def test_a_step_follows_the_formula() -> None:
    tables = random_tables(3, 2)
    rng = np.random.default_rng(0)
    states = (2 * rng.normal(size=(200, 3))).astype(np.float32)
    inputs = rng.normal(size=(200, 2)).astype(np.float32)
    z = (states - tables.means) / tables.scales
    features = np.concatenate([z, inputs], 1)
    change = np.concatenate([features, np.ones((200, 1))], 1) @ tables.linear
    change += tables.residuals * layers(features, tables.change_0, tables.change_1, tables.change_2)
    following = np.clip(states + tables.scales * change, tables.low, tables.high)
    outcome = layers(
        np.concatenate([features, (following - tables.means) / tables.scales], 1),
        tables.outcome_0, tables.outcome_1, tables.outcome_2,
    )  # fmt: skip
    ends = outcome[:, 0] > 0
    kind = ends.astype(int)
    rewards = tables.rewards[kind, 0] + tables.rewards[kind, 1] * outcome[np.arange(200), 1 + kind]
    found = NetworkDynamics(tables).step(states, inputs)
    np.testing.assert_allclose(found.states, following, atol=2e-5)
    np.testing.assert_allclose(found.rewards, rewards, atol=1e-4)
    assert np.array_equal(found.ends, ends)
    assert 10 < ends.sum() < 190
    assert (np.abs(found.states) == 3).any()  # some are clipped


def test_a_row_does_not_depend_on_its_batch() -> None:
    model = NetworkDynamics(random_tables(3, 2, hidden=33))
    rng = np.random.default_rng(1)
    states = rng.normal(size=(67, 3)).astype(np.float32)
    inputs = rng.normal(size=(67, 2)).astype(np.float32)
    batch = model.step(states, inputs)
    for row in range(67):
        single = model.step(states[[row]], inputs[[row]])
        assert all(
            np.array_equal(one[0], many[row]) for one, many in zip(single, batch, strict=True)
        )


def test_both_families_are_behind_one_interface() -> None:
    trees, networks = small_trees(3), NetworkDynamics(random_tables(3, 2))
    for model, dtypes in ((trees, (np.uint8, np.int32)), (networks, (np.float32, np.float32))):
        assert isinstance(model, TransitionModel)
        shapes = (2, model.state_size), (2, model.num_inputs)
        found = model.step(*(np.ones(*each) for each in zip(shapes, dtypes, strict=True)))
        assert found.states.shape == shapes[0]
        assert found.rewards.shape == found.ends.shape == (2,)


def test_damaged_tables_are_named(tmp_path: Path) -> None:
    tables = random_tables(3, 2)
    wrong = {
        "scales": np.zeros(3),
        "change_1": np.zeros((9, 7), np.float32),
        "linear": np.full((6, 3), np.nan),
        "low": np.full(3, 4, np.float32),
        "outcome_2": tables.outcome_2.astype(np.float64),
    }
    for name, table in wrong.items():
        with pytest.raises(InputError, match=name):
            dataclasses.replace(tables, **{name: table})
    NetworkDynamics(tables).save(tmp_path)
    path = tmp_path / "network.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match="is not a readable safetensors file"):
        NetworkDynamics.load(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match="network.safetensors is missing"):
        NetworkDynamics.load(tmp_path)


def test_arrays_of_other_shapes_are_named() -> None:
    model = NetworkDynamics(random_tables(3, 2))
    good = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    for states, inputs, name in (
        (good[0].astype(float), good[1], r"states must be float32 \(B, 3\), not float64"),
        (good[0], good[0], r"inputs must be float32 \(B, 2\)"),
        (good[0], good[1][:2], "there must be 4 inputs, not 2"),
    ):
        with pytest.raises(InputError, match=name):
            model.step(states, inputs)
