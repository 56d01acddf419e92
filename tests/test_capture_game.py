"""Captures store the game's own actions, rewards and ends, say where they come from, and copy."""

import copy
import json
import os
import pickle
from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import (
    AtariPreprocessing,
    ClipAction,
    ClipReward,
    DelayObservation,
    FrameStackObservation,
    NormalizeReward,
    RescaleAction,
    StickyAction,
    TimeLimit,
    TransformReward,
)
from gymnasium.wrappers.vector import ClipReward as VectorClipReward
from stable_baselines3.common.atari_wrappers import AtariWrapper

from atarigan import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.envs import FrameCapture, GeneratedVectorObservation, VectorFrameCapture
from atarigan.errors import InputError
from tests.fakes import CountingEnv

gym.register_envs(ale_py)
GAMES = ("pong", "breakout")
BOX = gym.spaces.Box(0, 10, (1,), np.float32)


def rows_of(buffer: FrameBuffer) -> dict[str, list[Any]]:
    columns = ("actions", "rewards", "terminations", "truncations")
    every = np.arange(len(buffer))
    return {column: buffer.values_at(column, every).tolist() for column in columns}


def play(env: gym.Env, actions: list[Any]) -> None:
    """Step through the actions, with a reset after each end."""
    env.reset(seed=0)
    for action in actions:
        *_, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    env.close()


def breakout(**options: Any) -> gym.Env:
    return gym.make("ALE/Breakout-v5", repeat_action_probability=0, **options)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: ClipReward(env, 0, 1),
        NormalizeReward,
        lambda env: TransformReward(NormalizeReward(env), lambda reward: 10 * reward),
    ],
)
def test_rewards_are_the_games_own(tmp_path: Path, wrap: Any) -> None:
    env = FrameCapture(wrap(CountingEnv(length=4)), tmp_path / "buffer")
    play(env, [3, 2, 3, 1, 2])
    assert rows_of(env.buffer)["rewards"] == [3, 2, 3, 1, 2]


def test_actions_are_those_that_the_game_received(tmp_path: Path) -> None:
    def stored(name: str, env: gym.Env, actions: list[Any]) -> Any:
        captured = FrameCapture(env, tmp_path / name)
        play(captured, actions)
        return rows_of(captured.buffer)["actions"]

    halves = [np.array([value], np.float32) for value in (0, 1)]
    scaled = RescaleAction(CountingEnv(action_space=BOX), np.float32(-1), np.float32(1))
    assert stored("scaled", scaled, halves) == [[5], [10]]
    clipped = ClipAction(CountingEnv(action_space=BOX))
    assert stored("clipped", clipped, [np.array([20], np.float32)]) == [[10]]
    sticky = StickyAction(CountingEnv(length=99), repeat_action_probability=0.9)
    assert len(set(stored("sticky", sticky, [0, 1, 2, 3, 2, 1]))) < 4


def test_an_episode_that_a_wrapper_ends_is_truncated(tmp_path: Path) -> None:
    limited = FrameCapture(TimeLimit(CountingEnv(length=3), 2), tmp_path / "limited")
    play(limited, [1, 1, 1])
    assert rows_of(limited.buffer)["truncations"] == [False, True, True]
    assert not any(rows_of(limited.buffer)["terminations"])

    env = FrameCapture(AtariWrapper(breakout(frameskip=1)), tmp_path / "lives", capacity=500)
    env.reset(seed=0)
    ends, lives = [], []
    for action in [2] * 300:
        *_, terminated, truncated, info = env.step(action)
        ends.append(terminated or truncated)
        lives.append(info["lives"])
        if ends[-1]:
            env.reset()
    is_over = np.array(ends) & (np.array(lives) == 0)
    assert 0 < is_over.sum() < np.sum(ends)
    np.testing.assert_array_equal(rows_of(env.buffer)["terminations"], is_over)
    np.testing.assert_array_equal(rows_of(env.buffer)["truncations"], ends & ~is_over)
    env.close()


@pytest.mark.parametrize("autoreset_mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_a_vector_stores_what_its_environments_do(
    tmp_path: Path, autoreset_mode: AutoresetMode
) -> None:
    def wrapped(index: int) -> gym.Env:
        return ClipReward(TimeLimit(CountingEnv(length=3 + index), 4), 0, 1)

    envs = SyncVectorEnv(
        [lambda index=index: wrapped(index) for index in range(2)], autoreset_mode=autoreset_mode
    )
    captured = VectorFrameCapture(VectorClipReward(envs, 0, 0.5), tmp_path / "vector", capacity=99)
    captured.reset(seed=0)
    for step in range(12):
        captured.step(np.array([step % 4, 3]))
    captured.close()
    actions = captured.buffer.values_at("actions", np.arange(len(captured.buffer)))
    rows = rows_of(captured.buffer)
    np.testing.assert_array_equal(rows["rewards"], actions)
    assert max(rows["rewards"]) == 3
    num_first = captured.buffer.writer_lengths[0]
    assert sum(rows["terminations"][:num_first]) > 2
    assert sum(rows["terminations"][num_first:]) > 1


@pytest.mark.slow  # processes
def test_rewards_of_other_processes_are_taken_inside_vector_wrappers(tmp_path: Path) -> None:
    envs = VectorClipReward(AsyncVectorEnv([CountingEnv, CountingEnv]), 0, 1)
    captured = VectorFrameCapture(envs, tmp_path / "buffer", capacity=99)
    captured.reset(seed=0)
    _, rewards, *_ = captured.step(np.array([2, 3]))
    captured.close()
    assert rewards.tolist() == [1, 1]
    assert rows_of(captured.buffer)["rewards"] == [2, 3]


def test_a_stack_of_three_gray_frames_is_stored_as_gray(tmp_path: Path) -> None:
    pong = AtariPreprocessing(gym.make("ALE/Pong-v5", frameskip=1), screen_size=40)
    env = FrameCapture(FrameStackObservation(pong, 3), tmp_path / "buffer", capacity=9)
    observation, _ = env.reset(seed=0)
    env.step(0)
    assert env.buffer.meta.frame_format.shape == (40, 40, 1)
    np.testing.assert_array_equal(
        env.buffer.values_at("frames", np.arange(1))[0, ..., 0], observation[-1]
    )
    env.close()


def test_metadata_tell_where_the_frames_come_from(tmp_path: Path) -> None:
    env = gym.make("ALE/Pong-v5", frameskip=1, difficulty=1, max_episode_steps=400)
    captured = FrameCapture(FrameStackObservation(AtariPreprocessing(env), 4), tmp_path / "pong")
    captured.close()
    origin = json.loads((tmp_path / "pong" / "meta.json").read_text())["origin"]
    assert origin["env_id"] == "ALE/Pong-v5"
    assert origin["env_kwargs"] == {"difficulty": 1, "max_episode_steps": 400}
    assert (origin["frame_skip"], origin["max_pool"]) == (4, True)
    assert origin["action_meanings"][:2] == ["NOOP", "FIRE"]
    assert origin["wrappers"] == ["FrameStackObservation", "AtariPreprocessing"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: gym.make("ALE/Breakout-v5"), "env_id 'ALE/Pong-v5', so it cannot go on with 'A"),
        (lambda: gym.make("ALE/Pong-v5", difficulty=1), "env_kwargs .*'difficulty': 1"),
        (lambda: gym.make("ALE/Pong-v5", frameskip=2), "frame_skip 4, so it cannot go on with 2"),
        (
            lambda: AtariPreprocessing(
                gym.make("ALE/Pong-v5", frameskip=1), screen_size=210, grayscale_obs=False
            ),
            "max_pool False",
        ),
    ],
)
def test_a_buffer_of_another_game_is_refused(tmp_path: Path, other: Any, message: str) -> None:
    FrameCapture(gym.make("ALE/Pong-v5"), tmp_path / "pong", capacity=20).close()
    with pytest.raises(InputError, match=message):
        FrameCapture(other(), tmp_path / "pong")


def test_a_buffer_that_tells_only_its_id_is_gone_on_with(tmp_path: Path) -> None:
    buffer = FrameBuffer.create(
        tmp_path / "old", 9, (210, 160, 3), origin=Origin(env_id="ALE/Pong-v5")
    )
    FrameCapture(gym.make("ALE/Pong-v5", difficulty=1), buffer).close()
    with pytest.raises(InputError, match="env_id"):
        FrameCapture(breakout(), buffer)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            lambda: ale_py.AtariEnv("breakout"),
            "env_id 'ALE/Pong-v5', so it cannot go on with 'ALE/Br",
        ),
        (
            lambda: ale_py.AtariEnv("pong", difficulty=1),
            "env_kwargs {}, so .* with {'difficulty': 1}",
        ),
        (lambda: ale_py.AtariEnv("pong", frameskip=2), "frame_skip 4, so it cannot go on with 2"),
        (CountingEnv, "spec is None, which does not tell its game: make it with gymnasium"),
    ],
)
def test_an_environment_made_directly_is_compared(tmp_path: Path, other: Any, message: str) -> None:
    """ALE's emulator tells its game; what does not tell it is not added to that of a game."""
    FrameCapture(gym.make("ALE/Pong-v5"), tmp_path / "pong", capacity=20).close()
    FrameCapture(ale_py.AtariEnv("pong"), tmp_path / "pong").close()
    env = other()
    env.action_space = gym.spaces.Discrete(6)
    with pytest.raises(InputError, match=message):
        FrameCapture(env, tmp_path / "pong")


def test_a_vector_that_does_not_tell_its_game_is_refused(tmp_path: Path) -> None:
    size = {"img_height": 16, "img_width": 16}
    made = gym.make_vec("ALE/Pong-v5", 1, "vector_entry_point", **size)
    VectorFrameCapture(made, tmp_path / "pong", capacity=20).close()
    with pytest.raises(InputError, match="spec is None, which does not tell its game"):
        VectorFrameCapture(ale_py.AtariVectorEnv("breakout", 1, **size), tmp_path / "pong")


def test_an_empty_buffer_without_an_origin_takes_that_of_the_first_capture(tmp_path: Path) -> None:
    buffer = FrameBuffer.create(tmp_path / "own", 9, (84, 84, 1), ram_size=128)
    env = FrameCapture(ale_py.AtariEnv("galaxian", mode=1), buffer)
    play(env, [0])
    assert FrameBuffer.open(buffer.path).meta.origin.env_id == "ALE/Galaxian-v5"
    assert buffer.meta.origin.env_kwargs == {}  # 1 is the game's first mode
    with pytest.raises(InputError, match="env_id"):
        FrameCapture(ale_py.AtariEnv("pong"), FrameBuffer.open(buffer.path))

    filled = FrameBuffer.create(tmp_path / "filled", 9, (84, 84, 1))
    with filled:
        filled.add(np.zeros((84, 84, 1), np.uint8))
    FrameCapture(ale_py.AtariEnv("pong"), filled).close()
    assert filled.meta.origin == Origin()
    with pytest.raises(InputError, match="must be empty, not of 1 steps"):
        filled.set_origin(buffer.meta.origin)


def test_a_vector_of_two_games_names_both(tmp_path: Path) -> None:
    envs = SyncVectorEnv(
        [lambda game=game: ale_py.AtariEnv(game, full_action_space=True) for game in GAMES]
    )
    captured = VectorFrameCapture(envs, tmp_path / "both", capacity=9)
    captured.close()
    assert captured.buffer.meta.origin.env_id == "Breakout-v5 and Pong-v5"


def test_wrappers_of_vectors_are_named(tmp_path: Path) -> None:
    def named(capture: Any) -> tuple[str, ...]:
        capture.close()
        return capture.buffer.meta.origin.wrappers

    envs = SyncVectorEnv([lambda: FrameStackObservation(gym.make("ALE/Pong-v5"), 2)])
    generated = GeneratedVectorObservation(VectorClipReward(envs, 0, 1), "pong", "info")
    assert named(VectorFrameCapture(generated, tmp_path / "sync", capacity=9)) == (
        *("GeneratedVectorObservation", "ClipReward"),
        *("RamInfo", "FrameStackObservation"),
    )
    in_ale = VectorClipReward(gym.make_vec("ALE/Pong-v5", 1, "vector_entry_point"), 0, 1)
    assert named(VectorFrameCapture(in_ale, tmp_path / "ale", capacity=9)) == (
        *("ClipReward", "AtariVectorEnv"),
    )
    own = VectorClipReward(SyncVectorEnv([lambda: ClipReward(CountingEnv(), 0, 1)]), 0, 1)
    capture = VectorFrameCapture(own, tmp_path / "own", capacity=9)
    assert named(capture) == ("ClipReward", "ClipReward")


@pytest.mark.slow  # a process
@pytest.mark.parametrize("direct", [True, False])
def test_environments_in_other_processes_tell_game_and_wrappers(
    tmp_path: Path, direct: bool
) -> None:
    def make() -> gym.Env:
        env = ale_py.AtariEnv("pong") if direct else gym.make("ALE/Pong-v5")
        return FrameStackObservation(TimeLimit(env, 9), 2)

    captured = VectorFrameCapture(
        VectorClipReward(AsyncVectorEnv([make]), 0, 1), tmp_path / "async", capacity=9
    )
    captured.close()
    origin = captured.buffer.meta.origin
    assert (origin.env_id, origin.wrappers) == (
        *("ALE/Pong-v5", ("ClipReward", "FrameStackObservation")),
    )


def test_delayed_frames_are_not_stored_beside_newer_ram(tmp_path: Path) -> None:
    def delayed(delay: int = 2) -> gym.Env:
        return FrameStackObservation(DelayObservation(gym.make("ALE/Pong-v5"), delay), 2)

    for capture, env in ((FrameCapture, delayed()), (VectorFrameCapture, SyncVectorEnv([delayed]))):
        with pytest.raises(InputError, match="DelayObservation shows frames of earlier steps"):
            capture(env, tmp_path / "new")
        assert not (tmp_path / "new").exists()
    FrameCapture(delayed(0), tmp_path / "pong", capacity=9).close()
    with pytest.raises(InputError, match="DelayObservation shows frames of earlier steps"):
        FrameCapture(delayed(), tmp_path / "pong")
    alone = FrameBuffer.create(tmp_path / "alone", 9, (210, 160, 3))
    FrameCapture(delayed(), alone).close()
    inside = FrameCapture(gym.make("ALE/Pong-v5"), tmp_path / "inside")
    FrameCapture(DelayObservation(inside, 2), alone).close()


def test_frames_without_the_buffers_colors_or_size_are_refused(tmp_path: Path) -> None:
    colorful = FrameBuffer.create(tmp_path / "rgb", 9, (16, 12, 3))
    with pytest.raises(InputError, match="gray 16x12 must not be stored as rgb 16x12"):
        FrameCapture(CountingEnv(), colorful)
    large = FrameBuffer.create(tmp_path / "large", 9, (32, 12, 1))
    with pytest.raises(InputError, match="gray 16x12 must not be stored as gray 32x12"):
        FrameCapture(CountingEnv(), large)


def test_going_on_with_a_full_folder_is_said(tmp_path: Path) -> None:
    play(FrameCapture(CountingEnv(), tmp_path / "ring", capacity=3), [1, 2, 3])
    with pytest.warns(UserWarning, match="is full: new steps overwrite the oldest of its 3"):
        env = FrameCapture(CountingEnv(), tmp_path / "ring")
    play(env, [0])
    assert rows_of(FrameBuffer.open(tmp_path / "ring"))["actions"] == [2, 3, 0]


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("is_vector", [False, True])
def test_a_copy_in_mid_game_goes_on_alike_in_a_writer_of_its_own(
    tmp_path: Path, copied: Any, is_vector: bool
) -> None:
    env: Any
    if is_vector:
        env = VectorFrameCapture(SyncVectorEnv([CountingEnv]), tmp_path / "buffer", capacity=9)
    else:
        env = FrameCapture(TimeLimit(CountingEnv(), 4), tmp_path / "buffer", capacity=9)

    def step(capture: Any, action: int) -> Any:
        return capture.step(np.array([action]) if is_vector else action)

    env.reset(seed=0)
    first = step(env, 1)[0]
    twin = copied(env)
    for action in (3, 2):
        for mine, other in zip(step(env, action)[:4], step(twin, action)[:4], strict=True):
            np.testing.assert_array_equal(mine, other)
    env.close()
    twin.close()
    buffer = FrameBuffer.open(tmp_path / "buffer")
    assert buffer.writer_lengths == [3, 2]
    assert rows_of(buffer)["actions"] == [1, 3, 2, 3, 2]
    levels = buffer.values_at("frames", np.arange(5))[:, 0, 0, 0]
    assert (levels - int(np.ravel(first)[0])).astype(np.int8).tolist() == [-1, 0, 1, 0, 1]


def test_the_folder_may_change_while_a_capture_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env = FrameCapture(CountingEnv(), "buffer", capacity=5)
    os.chdir("/")
    assert env.spec is None
    play(env, [1, 2])
    assert len(FrameBuffer.open(tmp_path / "buffer")) == 2
