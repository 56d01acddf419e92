"""TreeDynamics: learns a made-up machine exactly, walks as its tables say, refuses damaged ones."""

import dataclasses
import json
import shutil
import sys
from functools import cache
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from atarigan.errors import InputError
from atarigan.models.dynamics import tree_walk
from atarigan.models.dynamics.dynamics import Dynamics
from atarigan.models.dynamics.features import Columns, Feature, Kind
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_fitting import TreeFitter
from atarigan.models.dynamics.tree_tables import Coding, TreeTables

NUM_BYTES = 13
LOW, HIGH, X, Y, VELOCITY, PADDLE, COPY, SCORE, LIVES, CONSTANT, HEIGHT, CLIMB, IS_HIGH = range(13)
LEFT_WALL, RIGHT_WALL = 20, 37


def made_up(num, seed):
    """FrameTransitions of a machine of 13 bytes, from random states: a counter that carries, a ball
    that a paddle throws back, a copy of a byte, a score in BCD, lives, a constant, and a flag that
    depends on the sum of two bytes.
    """
    rng = np.random.default_rng(seed)
    states = np.zeros((num, NUM_BYTES), np.uint8)
    states[:, [LOW, HIGH, COPY, HEIGHT]] = rng.integers(0, 256, (num, 4))
    states[:, CLIMB], states[:, IS_HIGH] = rng.integers(0, 30, num), rng.integers(0, 2, num)
    states[:, X] = rng.choice([LEFT_WALL, RIGHT_WALL, *range(LEFT_WALL, RIGHT_WALL + 1)], num)
    is_at_wall = rng.random(num) < 0.6
    states[is_at_wall, X] = rng.choice([LEFT_WALL, RIGHT_WALL], is_at_wall.sum())
    states[:, [Y, PADDLE]] = rng.integers(100, 120, (num, 2))
    states[:, VELOCITY] = rng.choice([1, 255], num)
    states[:, SCORE] = rng.integers(0, 10, num) * 16 + rng.integers(0, 10, num)
    states[:, LIVES], states[:, CONSTANT] = rng.integers(1, 4, num), 77
    inputs = rng.integers(-1, 2, (num, 1)).astype(np.int32)
    return machine(states, inputs)


def machine(states, inputs):
    wide = states.astype(int)
    after = wide.copy()
    after[:, LOW] += 1
    after[:, HIGH] += after[:, LOW] == 256
    after[:, COPY] = wide[:, Y]
    after[:, HEIGHT] = (wide[:, HEIGHT] + wide[:, CLIMB]) % 256
    after[:, IS_HIGH] = after[:, HEIGHT] > 130
    after[:, PADDLE] += inputs[:, 0]
    is_left = (wide[:, X] == LEFT_WALL) & (wide[:, VELOCITY] == 255)
    is_hit = is_left & (np.abs(wide[:, Y] - wide[:, PADDLE]) < 4)
    is_miss = is_left & ~is_hit
    is_goal = (wide[:, X] == RIGHT_WALL) & (wide[:, VELOCITY] == 1)
    after[is_hit, VELOCITY], after[is_goal, VELOCITY] = 1, 255
    velocity = np.where(after[:, VELOCITY] == 1, 1, -1)
    after[:, X] = np.where(is_miss, 30, wide[:, X] + velocity)
    after[:, LIVES] -= is_miss
    points = (wide[:, SCORE] >> 4) * 10 + (wide[:, SCORE] & 15) + is_goal
    after[:, SCORE] = points // 10 % 10 * 16 + points % 10
    return FrameTransitions(
        states,
        (after & 255).astype(np.uint8),
        inputs,
        is_goal.astype(np.float32) - is_miss.astype(np.float32) / 2,
        after[:, LIVES] == 0,
        after[:, LIVES].astype(np.uint8),
    )


@pytest.fixture(scope="module")
def fitted():
    return TreeDynamics.fit(made_up(5000, seed=0))


def assert_predicts(predicted, true):
    np.testing.assert_array_equal(predicted.states, true.next_states)
    np.testing.assert_array_equal(predicted.rewards, true.rewards)
    np.testing.assert_array_equal(predicted.ends, true.ends)
    np.testing.assert_array_equal(predicted.lives, true.lives)


def test_the_machine_is_learned_exactly_where_it_was_not_seen(fitted):
    seen, unseen = made_up(5000, seed=0), made_up(20_000, seed=1)
    known = {state.tobytes() for state in seen.states}
    assert not any(state.tobytes() in known for state in unseen.states)
    assert unseen.ends.any()
    assert_predicts(fitted.step(unseen.states, unseen.inputs), unseen)
    assert fitted.step(unseen.states, unseen.inputs).states.dtype == np.uint8


def test_a_state_is_predicted_alone_as_in_a_batch_of_any_layout(fitted):
    some = made_up(37, seed=2)
    batch = fitted.step(np.asfortranarray(some.states), some.inputs)
    for number in range(37):
        one = slice(number, number + 1)
        alone = fitted.step(some.states[one], some.inputs[one])
        for each, whole in zip(alone, batch, strict=True):
            np.testing.assert_array_equal(each, whole[one])
    assert [len(each) for each in fitted.step(some.states[:0], some.inputs[:0])] == [0] * 5


@pytest.mark.parametrize("stops_with_life", [False, True])
def test_frames_in_a_row_are_those_of_single_steps(fitted, stops_with_life):
    games = made_up(200, seed=4)
    lives = games.states[:, LIVES].copy()
    rng = np.random.default_rng(0)
    inputs = rng.integers(-1, 2, (200, 30, 1)).astype(np.int32)
    most = rng.integers(1, 31, 200)
    arguments = (games.states, lives, inputs, most)
    found = fitted.play(*arguments, stops_with_life=stops_with_life)
    expected = Dynamics.play(fitted, *arguments, stops_with_life=stops_with_life)
    for each, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(each, other, strict=True)
    assert found.ends.any()
    assert (found.num_frames <= most).all()
    assert (found.num_frames < most).any()


def test_a_byte_that_never_varied_stays_as_it_is(fitted):
    """Such as a score in play that never scored."""
    few = made_up(50, seed=5)
    byte = next(each for each in range(few.states.shape[1]) if each not in fitted.tables.addresses)
    states = few.states.copy()
    states[:, byte] += 100
    after = fitted.step(states, few.inputs).states
    np.testing.assert_array_equal(after[:, byte], states[:, byte])
    np.testing.assert_array_equal(np.delete(after, byte, 1), np.delete(few.next_states, byte, 1))


def test_the_same_seed_gives_the_same_trees():
    few = made_up(300, seed=3)
    tables = [TreeDynamics.fit(few, seed=seed).tables for seed in (1, 1, 2)]
    assert all(np.array_equal(getattr(tables[0], name), getattr(tables[1], name)) for name in NAMES)
    assert not np.array_equal(tables[0].thresholds, tables[2].thresholds)


def test_the_reward_reads_the_bytes_of_the_score_alone():
    """Not the place of the ball, which tells the points as well."""
    played = made_up(2000, seed=5)
    points = np.maximum(played.rewards, 0)  # what a miss costs is no part of the score
    transitions = dataclasses.replace(played, rewards=points)
    fitter = TreeFitter()
    fitter.extend(transitions)
    tables = fitter.fit(score=[SCORE])
    head = len(tables.addresses)
    begin = int(tables.sizes[:head].sum())
    nodes = slice(begin, begin + int(tables.sizes[head]))
    inner = tables.node_features[nodes][tables.skips[nodes] > 0]
    assert {int(tables.addresses[first]) for _, first, _ in tables.features[inner]} == {SCORE}
    predicted = TreeDynamics(tables).step(transitions.states, transitions.inputs)
    np.testing.assert_array_equal(predicted.rewards, points)


def test_noise_and_single_transitions_can_be_fitted():
    rng = np.random.default_rng(0)
    noise = np.stack([rng.permutation(256), rng.integers(0, 256, 256)])[..., None].astype(np.uint8)
    nothing = np.zeros((256, 0), np.int32)
    rewards, lives = np.arange(256, dtype=np.float32) % 3 // 2, np.zeros(256, np.uint8)
    noisy = FrameTransitions(*noise, nothing, rewards, lives > 0, lives)
    repeated = fit_and_step(noisy)
    np.testing.assert_array_equal(repeated.states, noisy.next_states)
    constant = FrameTransitions(noise[0] * 0, noise[0] * 0, nothing, rewards, lives > 0, lives)
    assert fit_and_step(constant).rewards.tolist() == [0.0] * 256
    assert_predicts(fit_and_step(noisy[:1]), noisy[:1])


def fit_and_step(transitions):
    return TreeDynamics.fit(transitions).step(transitions.states, transitions.inputs)


@pytest.mark.parametrize(
    ("states", "inputs", "message"),
    [
        (np.zeros((2, 9), np.uint8), np.zeros((2, 1), np.int32), "states must have 13 columns"),
        (
            np.zeros((2, NUM_BYTES), np.int32),
            np.zeros((2, 1), np.int32),
            "states must be uint8 with 2",
        ),
        (
            np.zeros(NUM_BYTES, np.uint8),
            np.zeros((2, 1), np.int32),
            r"not uint8 of the shape \(13,\)",
        ),
        (
            np.zeros((2, NUM_BYTES), np.uint8),
            np.zeros((2, 2), np.int32),
            "inputs must have 1 columns",
        ),
        (np.zeros((2, NUM_BYTES), np.uint8), np.zeros((2, 1), np.int64), "inputs must be int32"),
        (np.zeros((2, NUM_BYTES), np.uint8), np.zeros((3, 1), np.int32), "of 2 states, not of 3"),
    ],
)
def test_wrong_batches_are_refused(fitted, states, inputs, message):
    with pytest.raises(InputError, match=message):
        fitted.step(states, inputs)


def test_what_cannot_be_fitted_is_refused():
    few = made_up(300, seed=0)
    with pytest.raises(InputError, match="at least one, not 0"):
        TreeDynamics.fit(few[:0])
    few.inputs[7] = (1 << 24) + 1
    with pytest.raises(InputError, match="inputs must be within ±16777216, not -1 to 16777217"):
        TreeDynamics.fit(few)
    few.inputs[7], few.rewards[:] = 1, np.arange(300)
    with pytest.raises(InputError, match="at most 256 different values, not 300"):
        TreeDynamics.fit(few)


def test_missing_modules_name_the_extra(fitted, monkeypatch):
    few = made_up(10, seed=0)
    tree_walk.compiled_walk.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(InputError, match=r"^numba is not installed: .*'atarigan\[dream\]'$"):
        fitted.step(few.states, few.inputs)
    monkeypatch.setitem(sys.modules, "sklearn.tree", None)
    with pytest.raises(InputError, match=r"^scikit-learn is not installed: .*\[dream\]'$"):
        TreeDynamics.fit(few)


def test_steps_are_compiled_where_nothing_can_be_kept(fitted, monkeypatch):
    import numba

    def without_folder(*arguments, cache=False):
        if cache:
            raise RuntimeError("cannot cache function 'walk': no locator available")
        return njit(*arguments)

    njit = numba.njit
    tree_walk.compiled_walk.cache_clear()
    monkeypatch.setattr(numba, "njit", without_folder)
    few = made_up(10, seed=0)
    assert_predicts(fitted.step(few.states, few.inputs), few)


# The formulas of every kind, once more.


def plain_value(feature, present, following, inputs):
    kind, first, second = map(int, feature)
    return {
        Kind.PRESENT: lambda: present[first],
        Kind.INPUT: lambda: inputs[first],
        Kind.DIFFERENCE: lambda: present[first] - present[second],
        Kind.NEXT: lambda: following[first],
        Kind.NEXT_MINUS_PRESENT: lambda: following[first] - present[second],
        Kind.NEXT_DIFFERENCE: lambda: following[first] - following[second],
        Kind.BIT: lambda: present[first] & 2**second,
        Kind.LOW_NIBBLE: lambda: present[first] % 16,
        Kind.NEXT_BIT: lambda: following[first] & 2**second,
        Kind.NEXT_LOW_NIBBLE: lambda: following[first] % 16,
    }[Kind(kind)]()


def plain_step(tables, state, inputs):
    """One state through all trees, node after node."""
    present = [int(state[address]) for address in tables.addresses]
    following: list[int] = []
    root = 0
    for tree, size in enumerate(tables.sizes.tolist()):
        node = root
        while tables.skips[node]:
            feature = tables.features[tables.node_features[node]]
            value = plain_value(feature, present, following, inputs)
            node += int(tables.skips[node]) if value > tables.thresholds[node] else 1
        value, root = int(tables.thresholds[node]), root + size
        if tree < len(present):
            coded = {
                Coding.VALUE: value,
                Coding.DIFFERENCE: (present[tree] + value) % 256,
                Coding.XOR: present[tree] ^ value,
            }
            value = coded[Coding(tables.codings[tree])]
        following.append(value)
    after = state.copy()
    after[tables.addresses] = following[: len(present)]
    reward, end, lives = following[len(present) :]
    return after.tolist(), tables.rewards[reward], bool(end), lives


NUM_VARYING, NUM_INPUTS = 5, 2


@cache
def every_feature(number):
    """All features of a tree before which `number` bytes are predicted."""
    ranges = {
        Kind.PRESENT: (NUM_VARYING, 1),
        Kind.INPUT: (NUM_INPUTS, 1),
        Kind.DIFFERENCE: (NUM_VARYING, NUM_VARYING),
        Kind.NEXT: (number, 1),
        Kind.NEXT_MINUS_PRESENT: (number, NUM_VARYING),
        Kind.NEXT_DIFFERENCE: (number, number),
        Kind.BIT: (NUM_VARYING, 8),
        Kind.LOW_NIBBLE: (NUM_VARYING, 1),
        Kind.NEXT_BIT: (number, 8),
        Kind.NEXT_LOW_NIBBLE: (number, 1),
    }
    return [
        Feature(kind, first, second)
        for kind, (firsts, seconds) in ranges.items()
        for first in range(firsts)
        for second in range(seconds)
    ]


def random_tables(rng):
    """Tables of random trees, whose nodes read features of every kind."""
    features = every_feature(NUM_VARYING)
    number_of = {feature: number for number, feature in enumerate(features)}
    nodes, sizes = [], []

    def grow(allowed, num_values, depth):
        if depth == 0 or rng.random() < 0.1:
            nodes.append((0, int(rng.integers(num_values)), 0))
            return
        kind = Kind(rng.choice(list(allowed)))
        feature = allowed[kind][rng.integers(len(allowed[kind]))]
        threshold = 0 if "BIT" in kind.name else 7 if "NIBBLE" in kind.name else 64
        here = len(nodes)
        nodes.append(None)
        grow(allowed, num_values, depth - 1)
        threshold += int(rng.integers(-20, 20)) if kind < Kind.BIT else 0
        nodes[here] = (number_of[feature], threshold, len(nodes) - here)
        grow(allowed, num_values, depth - 1)

    for tree, num_values in enumerate([256] * NUM_VARYING + [3, 2, 256]):
        before = len(nodes)
        features_of: dict[Kind, list[Feature]] = {}
        for feature in every_feature(min(tree, NUM_VARYING)):
            features_of.setdefault(feature.kind, []).append(feature)
        grow(features_of, num_values, 5)
        sizes.append(len(nodes) - before)
    numbers, thresholds, skips = np.array(nodes, np.int32).T
    return TreeTables(
        num_bytes=8,
        num_inputs=NUM_INPUTS,
        addresses=rng.permutation(8)[:NUM_VARYING].astype(np.int32),
        codings=rng.integers(0, 3, NUM_VARYING).astype(np.uint8),
        rewards=np.array([-1.0, 0.0, 2.5], np.float32),
        features=np.array(features, np.uint16),
        sizes=np.array(sizes, np.int32),
        node_features=numbers.astype(np.uint16),
        thresholds=np.ascontiguousarray(thresholds),
        skips=np.ascontiguousarray(skips),
    )


@hypothesis.settings(max_examples=20)
@hypothesis.given(seed=st.integers(0, 2**32))
def test_compiled_steps_are_those_of_a_plain_evaluation(seed):
    rng = np.random.default_rng(seed)
    tables = random_tables(rng)
    states = rng.integers(0, 256, (40, 8)).astype(np.uint8)
    inputs = rng.integers(-(2**31), 2**31, (40, NUM_INPUTS)).astype(np.int32)
    inputs[:20] = rng.integers(0, 128, (20, NUM_INPUTS))
    found = TreeDynamics(tables).step(states, inputs)
    for number, each in enumerate(zip(states, inputs.tolist(), strict=True)):
        after, reward, end, lives = plain_step(tables, *each)
        assert found.states[number].tolist() == after
        assert (found.rewards[number], found.ends[number]) == (reward, end)
        assert found.lives[number] == lives


def test_trees_are_fitted_to_the_values_that_are_walked():
    rng = np.random.default_rng(0)
    present, following = rng.integers(0, 256, (2, NUM_VARYING, 30)).astype(np.uint8)
    inputs = rng.integers(-(2**24), 2**24, (NUM_INPUTS, 30)).astype(np.int32)
    features = every_feature(NUM_VARYING)
    values = Columns(present, following, inputs).values(features)
    states = zip(*(each.T.tolist() for each in (present, following, inputs)), strict=True)
    plain = [[plain_value(each, *state) for each in features] for state in states]
    np.testing.assert_array_equal(values, plain)


# Files.


@pytest.fixture(scope="module")
def specimen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("specimen")
    TreeDynamics(random_tables(np.random.default_rng(5))).save(folder)
    return folder


@pytest.fixture
def saved(specimen, tmp_path):
    return Path(shutil.copytree(specimen, tmp_path / "model"))


def test_what_is_loaded_takes_the_same_steps(fitted, tmp_path):
    fitted.save(tmp_path / "deep" / "model")
    loaded = TreeDynamics.load(tmp_path / "deep" / "model")
    some = made_up(200, seed=4)
    assert_predicts(loaded.step(some.states, some.inputs), some)
    assert loaded.num_nodes == fitted.num_nodes > 50
    names = {path.name for path in (tmp_path / "deep" / "model").iterdir()}
    assert names == {"dynamics.json", "trees.safetensors"}


NAMES = ("addresses", "codings", "rewards", "features", "sizes", "node_features", "thresholds",
         "skips")  # fmt: skip


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
    "unknown kind": ("features", lambda t: with_value((0, 0), 10)(t["features"]), "known kinds"),
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
        "thresholds", lambda t: with_value(first_leaf(t), 256)(t["thresholds"]), "a value that"),
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
    """They also say what bytes become that do not vary."""
    path, states = saved / "trees.safetensors", np.full((3, 8), 200, np.uint8)
    inputs = np.zeros((3, NUM_INPUTS), np.int32)
    before = TreeDynamics.load(saved).step(states, inputs)
    save_file(load_file(path) | {"constants": np.zeros(8, np.uint8)}, path)
    np.testing.assert_array_equal(
        TreeDynamics.load(saved).step(states, inputs).states, before.states
    )
