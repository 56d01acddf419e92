"""Generators that read RAM: infos bring it from every kind of vector environment."""

import warnings
from collections.abc import Callable
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import (
    AtariPreprocessing,
    FrameStackObservation,
    GrayscaleObservation,
    ResizeObservation,
)
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecFrameStack,
    VecTransposeImage,
)

from atarigan.envs import (
    GeneratedObservation,
    GeneratedVecEnv,
    GeneratedVectorObservation,
    RamInfo,
)
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat
from tests import test_sb3, test_vector
from tests.fakes import ConsoleEnv, CountingEnv, StateGenerator

gym.register_envs(ale_py)
NUM_ENVS = 3
SPACE = gym.spaces.Box(0, 255, (84, 84, 1), np.uint8)
MODES = list(AutoresetMode)


def console_env(index: int) -> gym.Env:
    """Episodes of different lengths, ending in different ways; four frames stacked."""
    return FrameStackObservation(ConsoleEnv(length=3 + index, truncates=index == 1), 4)


def breakout_env(index: int) -> gym.Env:
    """Preprocessed from outside, an episode a life, stacked."""
    env = gym.make("ALE/Breakout-v5", frameskip=1, max_num_frames_per_episode=24 + 40 * index)
    env = AtariPreprocessing(env, terminal_on_life_loss=True, noop_max=4)
    return FrameStackObservation(env, 4)


def memory_shown(frames: np.ndarray) -> np.ndarray:
    """Return the RAM that frames (N, 84, 84) of the fake generator show, (N, 128)."""
    return np.array(frames).reshape(len(frames), -1)[:, :128]


def test_info_has_the_ram_of_the_newest_state() -> None:
    env = RamInfo(gym.make("ALE/Breakout-v5"))
    _, info = env.reset(seed=0)
    seen = [info["ram"]]
    for _ in range(3):
        *_, info = env.step(1)
        np.testing.assert_array_equal(info["ram"], env.unwrapped.ale.getRAM())
        assert "lives" in info
        seen.append(info["ram"])
    assert np.array(seen).dtype == np.uint8
    assert len(np.unique(seen, axis=0)) == 4


def test_an_environment_without_ram_is_refused() -> None:
    with pytest.raises(InputError, match="reading RAM needs an ALE environment, not <"):
        RamInfo(CountingEnv())
    makers = [lambda: ConsoleEnv(), lambda: CountingEnv()]
    with pytest.raises(InputError, match="reading RAM needs an ALE environment, not <"):
        GeneratedVectorObservation(SyncVectorEnv(makers), StateGenerator())


@pytest.mark.parametrize("autoreset_mode", MODES)
@pytest.mark.parametrize(
    ("make_env", "mode"),
    [
        (console_env, "replace"),
        (console_env, "mix"),
        (console_env, "info"),
        pytest.param(breakout_env, "replace", marks=pytest.mark.slow),
    ],
)
def test_vector_of_wrapped_equals_wrapped_vector(
    make_env: Callable[[int], gym.Env], mode: Any, autoreset_mode: AutoresetMode
) -> None:
    def single(index: int) -> gym.Env:
        return RamInfo(GeneratedObservation(make_env(index), StateGenerator(), mode))

    singles = test_vector.sync(single, autoreset_mode)
    vector = GeneratedVectorObservation(
        test_vector.sync(make_env, autoreset_mode), StateGenerator(), mode
    )
    test_vector.assert_equal_steps(singles, vector, 27, seed=5)
    if make_env is console_env:
        test_vector.assert_equal_steps(singles, vector, 10, seed=[3, None, 8])


@pytest.mark.parametrize("autoreset_mode", MODES)
def test_every_observation_shows_its_own_ram(autoreset_mode: AutoresetMode) -> None:
    """Also the last observation of an episode; the older frames of a stack show earlier RAM."""
    envs = GeneratedVectorObservation(
        test_vector.sync(breakout_env, autoreset_mode), StateGenerator()
    )
    past: list[list[np.ndarray]] = [[] for _ in range(NUM_ENVS)]
    num_finals = 0
    for step in test_vector.steps_of(envs, 30, seed=2):
        observations, infos = step[0], step[-1]
        is_new = infos["_ram"]
        if len(step) == 2:  # a reset
            is_first, is_over = is_new.copy(), np.zeros(NUM_ENVS, bool)
        else:
            is_over = step[2] | step[3]
        is_cut = is_over & (autoreset_mode is AutoresetMode.SAME_STEP)
        for index in np.flatnonzero(is_new):
            if is_cut[index]:
                num_finals += 1
                final = memory_shown(infos["final_obs"][index])
                past[index].append(infos["final_info"]["ram"][index])
                np.testing.assert_array_equal(final, past[index][-4:])
            if is_cut[index] or is_first[index]:
                past[index] = [infos["ram"][index]] * 3
            past[index].append(infos["ram"][index])
            np.testing.assert_array_equal(memory_shown(observations[index]), past[index][-4:])
        is_first = is_over & ~is_cut
    assert (num_finals > 2) == (autoreset_mode is AutoresetMode.SAME_STEP)


def test_ram_comes_from_other_processes_too() -> None:
    def envs(kind: Any) -> GeneratedVectorObservation:
        makers = [lambda index=index: RamInfo(console_env(index)) for index in range(NUM_ENVS)]
        vector = kind(makers, autoreset_mode=AutoresetMode.SAME_STEP)
        return GeneratedVectorObservation(vector, StateGenerator())

    with_other, with_here = envs(AsyncVectorEnv), envs(SyncVectorEnv)
    test_vector.assert_equal_steps(with_other, with_here, 12, seed=2)
    with_other.close()


def test_vector_environments_without_ram_are_refused() -> None:
    own = gym.make_vec("ALE/Pong-v5", num_envs=2, vectorization_mode="vector_entry_point")
    with pytest.raises(InputError, match=r"vectorization_mode='sync', or 'async' and wrappers="):
        GeneratedVectorObservation(own, StateGenerator())
    own.close()
    other = AsyncVectorEnv([lambda: console_env(0)])
    envs = GeneratedVectorObservation(other, StateGenerator())
    with pytest.raises(
        InputError, match=r"must have .ram., not only \[.*\]: put atarigan\.envs\.RamInfo"
    ):
        envs.reset()
    other.close()


def test_make_vec_takes_ram_info_as_a_wrapper() -> None:
    envs = gym.make_vec(
        "ALE/Pong-v5", num_envs=2, vectorization_mode="async", wrappers=[RamInfo], frameskip=4
    )
    envs = GeneratedVectorObservation(envs, StateGenerator())
    assert envs.reset(seed=0)[0].shape == (2, 210, 160, 3)
    envs.close()


def sb3_env(index: int) -> gym.Env:
    return ConsoleEnv(SPACE, length=3 + index, truncates=index == 1, render_mode="rgb_array")


def dummy(make_env: Callable[[int], gym.Env] = sb3_env) -> DummyVecEnv:
    return DummyVecEnv([lambda index=index: make_env(index) for index in range(NUM_ENVS)])


@pytest.mark.parametrize("mode", ["replace", "mix"])
def test_an_sb3_vector_of_wrapped_equals_a_wrapped_vector(mode: Any) -> None:
    singles = dummy(lambda index: GeneratedObservation(sb3_env(index), StateGenerator(), mode))
    vector = GeneratedVecEnv(dummy(), StateGenerator(), mode)
    test_sb3.assert_equal_steps(test_sb3.steps_of(vector, 15), test_sb3.steps_of(singles, 15))


@pytest.mark.parametrize("transposes", [False, True])
def test_below_and_above_a_frame_stack_agents_see_the_same(transposes: bool) -> None:
    def transposed(venv: VecEnv) -> VecEnv:
        return VecTransposeImage(venv) if transposes else venv

    below = transposed(VecFrameStack(GeneratedVecEnv(dummy(), StateGenerator()), 4))
    above = GeneratedVecEnv(transposed(VecFrameStack(dummy(), 4)), StateGenerator())
    assert above.observation_space == below.observation_space
    axis = 1 if transposes else 3
    num_finals = 0
    these, those = test_sb3.steps_of(above, 15), test_sb3.steps_of(below, 15)
    for this, that in zip(these, those, strict=True):
        newest = [np.take(step[0], -1, axis) for step in (this, that)]
        np.testing.assert_array_equal(*newest)
        for mine, yours in zip(this[-1], that[-1], strict=True):
            if "terminal_observation" not in mine:
                continue
            num_finals += 1
            finals = [np.take(info["terminal_observation"], -1, axis - 1) for info in (mine, yours)]
            np.testing.assert_array_equal(*finals)
            np.testing.assert_array_equal(memory_shown(finals[0][None])[0], mine["ram"])
    assert num_finals > 6


def test_sb3_atari_wrapper_shows_the_ram_after_its_resets() -> None:
    """AtariWrapper steps the game in its resets (no-ops, firing) and drops their info."""

    def atari_env(index: int) -> gym.Env:
        env = gym.make("ALE/Breakout-v5", frameskip=1, max_num_frames_per_episode=300)
        return AtariWrapper(env)

    venv = DummyVecEnv([lambda: atari_env(0)])
    vector = GeneratedVecEnv(venv, StateGenerator())
    vector.seed(1)
    observations, num_ends = vector.reset(), 0
    for _ in range(150):
        ram = venv.envs[0].get_wrapper_attr("ale").getRAM()
        np.testing.assert_array_equal(memory_shown(observations[..., 0])[0], ram)
        observations, _, dones, infos = vector.step(np.array([2]))
        num_ends += int(dones[0])
        if dones[0]:
            final = infos[0]["terminal_observation"]
            np.testing.assert_array_equal(memory_shown(final[None])[0], infos[0]["ram"])
    assert num_ends > 2


@pytest.mark.slow  # the processes load torch
def test_sb3_environments_in_other_processes() -> None:
    with_ram = SubprocVecEnv([lambda i=i: RamInfo(sb3_env(i)) for i in range(NUM_ENVS)])
    these = test_sb3.steps_of(GeneratedVecEnv(with_ram, StateGenerator()), 15)
    with_ram.close()
    those = test_sb3.steps_of(GeneratedVecEnv(dummy(), StateGenerator()), 15)
    test_sb3.assert_equal_steps(these, those)
    without = SubprocVecEnv([lambda: sb3_env(0)])
    with pytest.raises(
        InputError, match=r"must have .ram., not only \[.*\]: put atarigan\.envs\.RamInfo"
    ):
        GeneratedVecEnv(without, StateGenerator()).reset()
    without.close()


def test_preprocessing_of_observations_sees_generated_frames() -> None:
    generator = StateGenerator(FrameFormat("rgb", 210, 160))
    inner = GeneratedObservation(gym.make("ALE/Pong-v5", render_mode="rgb_array"), generator)
    small: Any = GrayscaleObservation(ResizeObservation(inner, (105, 80)))
    stacked = FrameStackObservation(small, 2)
    stack = stacked.reset(seed=0)[0]
    for _ in range(3):
        frame = inner.render()
        ram = inner.unwrapped.ale.getRAM()
        np.testing.assert_array_equal(frame.reshape(-1)[:128], ram)
        np.testing.assert_array_equal(stack[1], small.observation(small.env.observation(frame)))
        stack = stacked.step(2)[0]


def test_the_checkers_of_gymnasium_and_sb3_accept_it() -> None:
    env = gym.make("ALE/Breakout-v5", render_mode="rgb_array")
    wrapped = GeneratedObservation(RamInfo(env), StateGenerator())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version")
        check_env(wrapped)
    check_env_of_sb3(wrapped)
