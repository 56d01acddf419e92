"""Dreams on a device: trees and games are those of NumPy and numba, bit for bit."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from atarigan import FrameGenerator
from atarigan.envs import DreamVectorEnv, dream_games
from atarigan.errors import InputError
from atarigan.models.device_dreams import device_batch
from atarigan.models.device_dreams.device_batch import DeviceDreamBatch
from atarigan.models.device_dreams.device_trees import DeviceTrees, levels_of
from atarigan.models.dynamics.dream_batch import DreamBatch, GameStates
from atarigan.models.dynamics.features import last_next_byte
from atarigan.models.dynamics.seen_states import SeenStates
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from tests.learned_games import assert_equal, counting_dream, learned_breakout
from tests.plain_trees import NUM_INPUTS, formula_tables, random_tables

CPU, META = torch.device("cpu"), torch.device("meta")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
FIELDS = [field.name for field in dataclasses.fields(GameStates)]


def assert_plays_alike(
    dynamics: TreeDynamics, device: str, games: tuple[Any, ...], *, stops_with_life: bool
) -> Any:
    """Compare the frames of both walks; return them."""
    expected = dynamics.play(*games, stops_with_life=stops_with_life)
    trees = DeviceTrees(dynamics.tables, torch.device(device))
    given = [torch.from_numpy(each).to(device) for each in games]
    found = trees.play(*given, stops_with_life=stops_with_life)
    for each, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(each.cpu().numpy(), other, strict=True)
    return expected


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("stops_with_life", [False, True])
def test_random_trees_are_walked_alike(device: str, stops_with_life: bool) -> None:
    """Of every kind of feature and coding, with inputs of 32 bits and games that stop early."""
    counts: list[Any] = []
    for num in (1, 70) * 4:
        rng = np.random.default_rng([4, len(counts)])
        states = rng.integers(0, 256, (num, 8)).astype(np.uint8)
        inputs = rng.integers(-(2**31), 2**31, (num, 6, NUM_INPUTS)).astype(np.int32)
        inputs[::2] = rng.integers(0, 128, inputs[::2].shape)
        lives = rng.integers(0, 256, num).astype(np.uint8)
        games = states, lives, inputs, rng.integers(1, 8, num)
        tables_of = formula_tables if len(counts) % 4 > 1 else random_tables
        dynamics = TreeDynamics(tables_of(rng))
        played = assert_plays_alike(dynamics, device, games, stops_with_life=stops_with_life)
        counts.append(played.num_frames)
    assert set(np.concatenate(counts)) >= {1, 2, 4}


@pytest.mark.parametrize("device", DEVICES)
def test_a_learned_game_is_walked_alike(device: str) -> None:
    dream, num = learned_breakout(), 70
    rng = np.random.default_rng(0)
    states = dream.starts.states[np.zeros(num, int)]
    lives = np.full(num, 5, np.uint8)
    resistances = rng.integers(27_450, 790_196, num).astype(np.int32)
    _, inputs = dream.controls.frames(resistances, rng.integers(-1, 4, (num, 60)))
    games = states, lives, inputs, rng.integers(1, 70, num)
    played = assert_plays_alike(dream.dynamics, device, games, stops_with_life=True)
    assert len(np.unique(played.states, axis=0)) > num / 2


def test_trees_read_only_what_earlier_levels_predicted() -> None:
    dynamics = learned_breakout().dynamics
    assert isinstance(dynamics, TreeDynamics)
    tables = dynamics.tables
    levels = levels_of(tables)
    trees = np.repeat(np.arange(len(levels)), tables.sizes)
    is_inner = tables.skips > 0
    last = last_next_byte(tables.features, tables.groups, tables.arrays)
    last = last[tables.node_features[is_inner]]
    reads = last >= 0
    assert (levels[last[reads]] < levels[trees[is_inner][reads]]).all()
    assert 1 < levels.max() + 1 < len(levels) / 2
    assert DeviceTrees(tables, CPU).num_levels == levels.max() + 1


def test_single_leaves_are_predicted_and_many_rewards_told_apart() -> None:
    """A class of the reward is no byte: it can be 256 or more."""
    tables = dataclasses.replace(
        random_tables(np.random.default_rng(0)),
        features=np.zeros((0, 3), np.uint16),
        sizes=np.ones(8, np.int32),
        node_features=np.zeros(8, np.uint16),
        thresholds=np.array([1, 2, 3, 4, 255, 299, 0, 7], np.int32),
        skips=np.zeros(8, np.int32),
        rewards=np.arange(300, dtype=np.float32),
    )
    states = np.random.default_rng(0).integers(0, 256, (3, 8)).astype(np.uint8)
    games = states, np.zeros(3, np.uint8), np.zeros((3, 2, NUM_INPUTS), np.int32), np.full(3, 2)
    played = assert_plays_alike(TreeDynamics(tables), "cpu", games, stops_with_life=False)
    assert played.rewards.tolist() == [598] * 3


OPTIONS = [
    {"sticky": 0.5, "max_frames": 60, "ends_with_life": True, "frame_skip": 3},
    {"sticky": 0.9, "max_frames": 100},
    {"sticky": 0.0},
    {"sticky": 1.0, "frame_skip": 1},
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("options", OPTIONS)
def test_games_are_those_of_numpy(device: str, options: dict[str, Any]) -> None:
    """Over 100 agent steps with resets; some games wait in each step."""
    dream, num = learned_breakout(), 25
    batches = DreamBatch(dream, num, **options), device_batch_of(dream, num, device, **options)
    rng, everyone = np.random.default_rng(1), np.arange(num)
    for batch in batches:
        batch.seed(everyone, everyone.astype(np.uint64) * 2**59)
        batch.reset(everyone, most_noops=5)
    num_over = 0
    for step in range(100):
        rows = np.flatnonzero(rng.random(num) < 0.8)
        actions = rng.integers(4, size=len(rows))
        expected, found = (batch.step(actions, rows) for batch in batches)
        for each, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(each, other, strict=True)
        over = rows[expected.ends | expected.truncations]
        num_over += len(over)
        for batch in batches:
            batch.reset(over, most_noops=step % 2 * 5)
        assert_same_games(*batches)
    assert (num_over > 20) == ("max_frames" in options)


def device_batch_of(dream: Any, num: int, device: str, **options: Any) -> DeviceDreamBatch:
    return DeviceDreamBatch(dream, num, torch.device(device), **options)


def assert_same_games(one: DreamBatch, other: DeviceDreamBatch) -> None:
    for name in FIELDS:
        found, expected = other.games.array_of(name), one.games.array_of(name)
        np.testing.assert_array_equal(found, expected, err_msg=name, strict=True)


def test_games_are_copied_and_set_as_arrays() -> None:
    batch = device_batch_of(learned_breakout(), 4, "cpu")
    batch.seed(np.arange(4), np.array([0, 1, 2, 2**64 - 1], np.uint64))
    batch.reset(np.arange(4), most_noops=20)
    batch.step(np.ones(4, np.int64))
    one = batch.games[[3]]
    assert isinstance(one, GameStates)
    assert one.keys.dtype == one.num_drawn.dtype == np.uint64
    other = device_batch_of(learned_breakout(), 4, "cpu")
    other.games[np.array([1, 2])] = one
    for name in FIELDS:
        values = other.games.array_of(name)
        np.testing.assert_array_equal(values[1:3], getattr(one, name)[[0, 0]])
    assert other.games.keys[0] == 0


def test_only_trees_are_played_on_a_device() -> None:
    with pytest.raises(InputError, match="dynamics must be trees, not Counting"):
        device_batch_of(counting_dream(), 2, "cpu")


def test_a_step_and_a_reset_read_no_value() -> None:
    """Tensors of the device "meta" have none, so whatever waits for one raises."""
    batch = device_batch_of(learned_breakout(), 3, "meta")
    everyone = torch.ones(3, dtype=torch.bool, device=META)
    assert batch._step(torch.zeros(3, dtype=torch.int64, device=META), everyone).shape == (3, 3)
    batch.reset(np.arange(3), most_noops=4)


def test_a_cpu_captures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(update: Any) -> None:
        raise AssertionError("a CPU has no graphs to capture")

    monkeypatch.setattr(device_batch, "CapturedUpdate", refuse)
    batch = device_batch_of(learned_breakout(), 2, "cpu")
    batch.reset(np.arange(2))
    for _ in range(5):
        batch.step(np.zeros(2, np.int64))


# Environments.


@pytest.fixture(scope="module")
def breakout() -> FrameGenerator:
    return FrameGenerator.load("breakout", device="cpu")


@pytest.fixture
def pair(
    request: pytest.FixtureRequest, breakout: FrameGenerator, monkeypatch: pytest.MonkeyPatch
) -> tuple[DreamVectorEnv, DreamVectorEnv]:
    """Environments on a CPU, with the games of a CPU and with those of a device."""

    def made() -> DreamVectorEnv:
        return DreamVectorEnv(
            learned_breakout(),
            3,
            breakout,
            output="torch",
            obs_type="both",
            stack_num=2,
            noop_max=6,
            max_num_frames_per_episode=18,
            autoreset_mode=getattr(request, "param", AutoresetMode.NEXT_STEP),
        )

    plain = made()
    monkeypatch.setattr(dream_games, "_PLAYING_DEVICES", ("cpu",))
    on_device = made()
    assert isinstance(on_device._games.states, device_batch.DeviceGames)
    assert isinstance(plain._games.states, GameStates)
    return plain, on_device


@pytest.mark.parametrize("pair", list(AutoresetMode), indirect=True)
def test_environments_play_alike(pair: tuple[DreamVectorEnv, DreamVectorEnv]) -> None:
    rng = np.random.default_rng(0)
    found = [envs.reset(seed=2**63) for envs in pair]
    assert_equal(*found)
    assert isinstance(found[1][1]["ram"], torch.Tensor)
    first = found[1][0]["ram"].clone()
    for _ in range(30):
        actions = rng.integers(4, size=3)
        one, other = ([*envs.step(actions)] for envs in pair)
        assert_equal(one, other)
        is_over = (other[2] | other[3]).numpy()
        if pair[0].metadata["autoreset_mode"] is AutoresetMode.DISABLED and is_over.any():
            assert_equal(*(envs.reset(options={"reset_mask": is_over}) for envs in pair))
    torch.testing.assert_close(found[1][0]["ram"], first)  # a copy, which stays as it was


def test_states_are_cloned_restored_and_set_alike(
    pair: tuple[DreamVectorEnv, DreamVectorEnv],
) -> None:
    plain, on_device = pair
    for envs in pair:
        envs.reset(seed=5)
        envs.step(np.array([1, 2, 3]))
    state, kept = plain.clone_state(1), plain.clone_state(2, include_rng=False)
    on_device.step(np.array([0, 0, 0]))
    plain.step(np.array([0, 0, 0]))
    for envs in pair:  # a state of the one environment suits the other
        envs.restore_state(0, state)
        envs.restore_state(None, kept)
    assert_equal(*(envs.step(np.array([1, 2, 3])) for envs in pair))
    ram = np.arange(128, dtype=np.uint8)
    assert_equal(*(envs.set_state(1, ram, resistance=50_000) for envs in pair))
    assert_equal(*(envs.set_state(2, ram, lives=3) for envs in pair))
    assert_equal(*(envs.step(np.array([3, 2, 1])) for envs in pair))
    assert_equal(*(dataclasses.asdict(envs.clone_state(1)) for envs in pair))


def test_games_without_trees_are_played_in_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dream_games, "_PLAYING_DEVICES", ("cpu",))
    envs = DreamVectorEnv(counting_dream(), 2, output="torch", device="cpu")
    envs.reset(seed=0)
    assert envs.step([0, 1])[0].shape == (2, 2)


@pytest.mark.cuda
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_environments_on_cuda_play_the_same_games(mode: AutoresetMode) -> None:
    options: dict[str, Any] = {
        "obs_type": "ram",
        "noop_max": 6,
        "max_num_frames_per_episode": 18,
        "autoreset_mode": mode,
        "output": "torch",
    }
    both = [
        DreamVectorEnv(learned_breakout(), 70, device=name, **options) for name in ("cpu", "cuda")
    ]
    assert isinstance(both[1]._games.states, device_batch.DeviceGames)
    rng = np.random.default_rng(0)
    results = [envs.reset(seed=3) for envs in both]
    for _ in range(30):
        assert results[1][0].is_cuda
        assert_equal(as_arrays(results[1]), as_arrays(results[0]))
        actions = rng.integers(4, size=70)
        results = [envs.step(actions) for envs in both]


def as_arrays(values: Any) -> Any:
    if isinstance(values, dict):
        return {name: as_arrays(each) for name, each in values.items()}
    if isinstance(values, tuple):
        return tuple(map(as_arrays, values))
    return values.cpu().numpy() if isinstance(values, torch.Tensor) else values


@pytest.mark.parametrize("device", DEVICES)
def test_unseen_states_are_told_alike(device: str) -> None:
    seen = SeenStates(np.random.default_rng(0).random((128, 256)) < 0.99)
    found = []
    for dream in (learned_breakout(), dataclasses.replace(learned_breakout(), seen_states=seen)):
        batches = DreamBatch(dream, 40), DeviceDreamBatch(dream, 40, torch.device(device))
        for batch in batches:
            batch.seed(np.arange(40), np.arange(40, dtype=np.uint64))
            batch.reset(np.arange(40))
            for _ in range(5):
                batch.step(np.arange(40) % 4)
            found.append(batch.is_unseen(slice(10, None)))
    np.testing.assert_array_equal(found[::2], found[1::2], strict=True)
    assert [each.mean() > 0 for each in found] == [False, False, True, True]
