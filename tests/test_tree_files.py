"""Files of TreeDynamics: what is loaded takes the same steps, and damaged tables are refused."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from atarigan.errors import InputError
from atarigan.models.dynamics.features import Kind
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from tests.plain_trees import NUM_INPUTS, random_tables


@pytest.fixture(scope="module")
def specimen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("specimen")
    TreeDynamics(random_tables(np.random.default_rng(1))).save(folder)
    return folder


@pytest.fixture
def saved(specimen, tmp_path):
    return Path(shutil.copytree(specimen, tmp_path / "model"))


def with_value(place, value):
    """Put a value at a place of a table: a number, or what to look for."""

    def changed(table):
        table = table.copy()
        table[place] = value
        return table

    return changed


def first_inner(tables):
    return int(np.flatnonzero(tables["skips"])[0])


def first_leaf(tables):
    return int(np.flatnonzero(tables["skips"] == 0)[0])


def reading_ahead(tables):
    """Let the first tree read the next value of the first byte."""
    number = next(
        number for number, each in enumerate(tables["features"]) if each.tolist() == [3, 0, 0]
    )
    return with_value(first_inner(tables), number)(tables["node_features"])


DAMAGE = {
    "another dtype": ("skips", lambda t: t["skips"].astype(np.int64), "skips must be int32"),
    "another shape": ("features", lambda t: t["features"][:, :2], "features must be uint16"),
    "too few nodes": ("thresholds", lambda t: t["thresholds"][1:], "thresholds must be int32 of"),
    "array too high": (
        "features", lambda t: with_value(-1, (12, 2, 0))(t["features"]), "in range"),
    "second where an entry has none": (
        "features", lambda t: with_value(-1, (14, 0, 1))(t["features"]), "in range"),
    "second byte of an entry too high": (
        "features", lambda t: with_value(-1, (13, 0, 5))(t["features"]), "in range"),
    "entry that is not predicted yet": (
        "array_members", lambda t: with_value((1, 0), 4)(t["array_members"]),
        "of earlier bytes alone"),
    "unknown kind": ("features", lambda t: with_value((0, 0), 16)(t["features"]), "known kinds"),
    "byte too high": ("features", lambda t: with_value((0, 1), 5)(t["features"]), "in range"),
    "bit too high": ("features", lambda t: with_value(-1, (6, 0, 8))(t["features"]), "in range"),
    "input too high": ("features", lambda t: with_value(-1, (1, 2, 0))(t["features"]), "in range"),
    "second byte too high": (
        "features", lambda t: with_value(-1, (4, 0, 5))(t["features"]), "in range"),
    "second where none is": (
        "features", lambda t: with_value(-1, (0, 0, 1))(t["features"]), "in range"),
    "address too high": (
        "addresses", lambda t: with_value(0, 8)(t["addresses"]), "addresses must be 0 to 7, not"),
    "address below 0": (
        "addresses", lambda t: with_value(0, -1)(t["addresses"]), "addresses must be 0 to 7"),
    "address twice": (
        "addresses", lambda t: with_value(0, t["addresses"][1])(t["addresses"]), "must differ"),
    "group too high": (
        "features", lambda t: with_value(-1, (10, 2, 0))(t["features"]), "in range"),
    "second of a group": (
        "features", lambda t: with_value(-1, (10, 0, 1))(t["features"]), "in range"),
    "more groups than bytes": (
        "groups", lambda t: with_value(0, 5)(t["groups"]), "groups must be -1 to 4, not"),
    "group below -1": (
        "groups", lambda t: with_value(0, -2)(t["groups"]), "groups must be -1 to 4, not"),
    "groups of more bytes": (
        "groups", lambda t: np.repeat(t["groups"], 2), r"groups must be int16 of .*\(5,\)"),
    "group that is not predicted yet": (
        "groups", lambda t: with_value(4, 0)(t["groups"]), "of earlier bytes alone"),
    "unknown coding": ("codings", lambda t: with_value(0, 3)(t["codings"]), "codings must be 0"),
    "reward": ("rewards", lambda t: with_value(0, np.nan)(t["rewards"]), "rewards must be finite"),
    "no reward": ("rewards", lambda t: t["rewards"][:0], "a value that there is"),
    "tree without nodes": (
        "sizes", lambda t: with_value([0, 1], [0, t["sizes"][:2].sum()])(t["sizes"]), "at least 1"),
    "too many trees": (
        "sizes", lambda t: np.append(t["sizes"], np.int32(1)), r"sizes must be int32 of .*\(8,\)"),
    "nodes of no tree": (
        "sizes", lambda t: with_value(0, t["sizes"][0] - 1)(t["sizes"]), "add up to"),
    "nodes beyond the end": (
        "sizes", lambda t: with_value(-1, 2**31 - 1)(t["sizes"]), "add up to"),
    "child before its parent": (
        "skips", lambda t: with_value(first_inner(t), -2)(t["skips"]), "to a later node"),
    "child that is its parent": (
        "skips", lambda t: with_value(t["sizes"][0] - 1, 1)(t["skips"]), "to a later node"),
    "child in the next tree": (
        "skips", lambda t: with_value(0, t["sizes"][0])(t["skips"]), "of the same tree"),
    "child far away": (
        "skips", lambda t: with_value(0, 2**31 - 1)(t["skips"]), "of the same tree"),
    "feature too high": (
        "node_features",
        lambda t: with_value(first_inner(t), len(t["features"]))(t["node_features"]),
        "node_features must be 0 to"),
    "prediction that is not there yet": ("node_features", reading_ahead, "of earlier bytes alone"),
    "leaf beyond a byte": (
        "thresholds", lambda t: with_value(first_leaf(t), 264)(t["thresholds"]), "a value that"),
    "formula that reads ahead": (
        "thresholds", lambda t: with_value(first_leaf(t), 261)(t["thresholds"]),
        "formulas must read next values of earlier bytes"),
    "leaf below 0": (
        "thresholds", lambda t: with_value(first_leaf(t), -1)(t["thresholds"]), "a value that"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_tables_are_refused(damage, saved):
    name, change, message = DAMAGE[damage]
    path = saved / "trees.safetensors"
    tables = {name: table.copy() for name, table in load_file(path).items()}
    tables[name] = np.ascontiguousarray(change(tables))
    save_file(tables, path)
    with pytest.raises(InputError, match=message) as error:
        TreeDynamics.load(saved)
    assert str(error.value).startswith(f"{path}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("head", "value"), [(-3, 3), (-2, 2), (-1, 256)])
def test_heads_predict_classes_that_there_are(head, value, saved):
    """The reward's classes are numbers of `rewards`."""
    path = saved / "trees.safetensors"
    tables = {name: table.copy() for name, table in load_file(path).items()}
    last = int(tables["sizes"].cumsum()[head]) - 1
    assert tables["skips"][last] == 0
    tables["thresholds"][last] = value
    save_file(tables, path)
    with pytest.raises(InputError, match="leaves must predict a value that there is"):
        TreeDynamics.load(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "format_version must be 1, not 2"),
        ({"num_inputs": 1}, "features must be of known kinds, with numbers in range"),
        ({"num_inputs": -1}, "0 to 4096 inputs, not -1"),
        ({"num_inputs": 10**12}, "0 to 4096 inputs, not 1000000000000"),
        ({"num_bytes": 2}, "addresses must be 0 to 1, not"),
        ({"num_bytes": 5000}, "0 to 4096 bytes, not 5000"),
        ({"num_bytes": "8"}, "num_bytes must be int, not '8'"),
        ({"odd": 1}, "unknown setting 'odd'"),
    ],
)
def test_other_settings_are_refused(changes, message, saved):
    path = saved / "dynamics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=message):
        TreeDynamics.load(saved)


@pytest.mark.parametrize("name", ["dynamics.json", "trees.safetensors"])
def test_missing_cut_and_linked_files_are_refused(name, saved):
    path = saved / name
    content = path.read_bytes()
    for cut in (0, 1, len(content) // 2, len(content) - 2):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError, match="is not valid JSON|not a readable safetensors file"):
            TreeDynamics.load(saved)
    path.unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        TreeDynamics.load(saved)
    (saved.parent / "outside").write_bytes(content)
    path.symlink_to("../outside")
    with pytest.raises(InputError, match="must lie in"):
        TreeDynamics.load(saved)


def test_tables_of_other_names_are_refused(saved):
    path = saved / "trees.safetensors"
    tables = {name: table.copy() for name, table in load_file(path).items()}
    save_file(tables | {"more": np.zeros(1)}, path)
    with pytest.raises(InputError, match="must hold addresses, .*, skips, not .*more"):
        TreeDynamics.load(saved)
    del tables["codings"]
    save_file(tables, path)
    with pytest.raises(InputError, match="must hold addresses, "):
        TreeDynamics.load(saved)


def test_files_of_earlier_versions_are_read(saved):
    """They also say what bytes become that do not vary, and know no groups."""
    path, states = saved / "trees.safetensors", np.full((3, 8), 200, np.uint8)
    inputs = np.zeros((3, NUM_INPUTS), np.int32)
    tables = load_file(path)
    tables["features"][tables["features"][:, 0] == Kind.NUM_CHANGED] = 0
    save_file(tables, path)
    before = TreeDynamics.load(saved).step(states, inputs)
    del tables["groups"]
    save_file(tables | {"constants": np.zeros(8, np.uint8)}, path)
    after = TreeDynamics.load(saved)
    assert after.tables.groups.tolist() == [-1] * 5
    np.testing.assert_array_equal(after.step(states, inputs).states, before.states)


def test_more_registers_than_can_be_numbered_are_refused():
    tables = random_tables(np.random.default_rng(0))
    many = IndexedArrays.of([0] * 40_000, [[1]] * 40_000)
    with pytest.raises(InputError, match="may take 65536 registers, not 80"):
        dataclasses.replace(tables, arrays=many)
