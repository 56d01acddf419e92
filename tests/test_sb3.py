"""GeneratedVecEnv and FrameCaptureCallback, the wrapper and the callback of stable-baselines3."""

from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import AtariPreprocessing, TransformReward
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecEnv,
    VecFrameStack,
    VecNormalize,
    VecTransposeImage,
)

from atarigan import FrameBuffer
from atarigan.envs import FrameCapture, FrameCaptureCallback, GeneratedObservation, GeneratedVecEnv
from atarigan.errors import InputError
from tests.fakes import CountingEnv, FakeGenerator

gym.register_envs(ale_py)
NUM_ENVS = 3
SPACE = gym.spaces.Box(0, 255, (40, 36, 1), np.uint8)


def counting_env(index: int) -> gym.Env:
    return CountingEnv(SPACE, length=3 + index, truncates=index == 1, render_mode="rgb_array")


def dummy(make_env: Any = counting_env) -> DummyVecEnv:
    return DummyVecEnv([lambda index=index: make_env(index) for index in range(NUM_ENVS)])


def steps_of(venv: VecEnv, num_steps: int, seed: int | None = 4) -> list[tuple[Any, ...]]:
    """Return what each step of a rollout returns; first the reset's observations and infos."""
    if seed is not None:
        venv.seed(seed)
    steps: list[tuple[Any, ...]] = [(venv.reset().copy(), venv.reset_infos)]
    for _ in range(num_steps):
        observations, rewards, dones, infos = venv.step(np.ones(venv.num_envs, np.int64))
        steps.append((observations.copy(), rewards, dones, infos))
    return steps


def assert_equal_steps(these: list[tuple[Any, ...]], those: list[tuple[Any, ...]]) -> None:
    num_ends = 0
    for this, that in zip(these, those, strict=True):
        for mine, yours in zip(this[:-1], that[:-1], strict=True):
            np.testing.assert_array_equal(mine, yours)
        for mine, yours in zip(this[-1], that[-1], strict=True):
            if "terminal_observation" in yours:
                num_ends += 1
                np.testing.assert_array_equal(
                    mine["terminal_observation"], yours["terminal_observation"]
                )
    assert num_ends > 0


@pytest.mark.parametrize("mode", ["replace", "mix"])
@pytest.mark.parametrize("latent", ["step", "episode", "walk"])
def test_wrapped_vector_equals_vector_of_wrapped(mode: Any, latent: Any) -> None:
    singles = dummy(
        lambda index: GeneratedObservation(
            counting_env(index), FakeGenerator(), mode, latent=latent
        )
    )
    vector = GeneratedVecEnv(dummy(), FakeGenerator(), mode, latent=latent)
    assert vector.observation_space == SPACE
    assert_equal_steps(steps_of(vector, 15), steps_of(singles, 15))
    assert_equal_steps(steps_of(vector, 10, seed=None), steps_of(singles, 10, seed=None))


def test_info_mode_leaves_observations_and_adds_the_generated_ones() -> None:
    infos_of = steps_of(GeneratedVecEnv(dummy(), FakeGenerator(), "info"), 15)
    assert_equal_steps(infos_of, steps_of(dummy(), 15))
    replaced = steps_of(GeneratedVecEnv(dummy(), FakeGenerator()), 15)
    for step, like in zip(infos_of, replaced, strict=True):
        for info, expected, observation in zip(step[-1], like[-1], like[0], strict=True):
            np.testing.assert_array_equal(info["generated_observation"], observation)
            if "terminal_observation" in expected:
                np.testing.assert_array_equal(
                    info["generated_terminal_observation"], expected["terminal_observation"]
                )


def test_seeds_set_before_wrapping_are_used() -> None:
    early = dummy()
    early.seed(4)
    wrapped = GeneratedVecEnv(early, FakeGenerator())
    expected = steps_of(GeneratedVecEnv(dummy(), FakeGenerator()), 5)
    assert_equal_steps(steps_of(wrapped, 5, seed=None), expected)


def test_without_seeds_latents_follow_from_the_environments_generators() -> None:
    def seeded_env(index: int) -> gym.Env:
        env = counting_env(index)
        env.reset(seed=index)
        return env

    vector = GeneratedVecEnv(dummy(seeded_env), FakeGenerator())
    singles = dummy(lambda index: GeneratedObservation(seeded_env(index), FakeGenerator()))
    assert_equal_steps(steps_of(vector, 8, seed=None), steps_of(singles, 8, seed=None))


@pytest.mark.parametrize("transposes", [False, True])
def test_below_and_above_a_frame_stack_agents_see_the_same(transposes: bool) -> None:
    def transposed(venv: VecEnv) -> VecEnv:
        return VecTransposeImage(venv) if transposes else venv

    below = transposed(VecFrameStack(GeneratedVecEnv(dummy(), FakeGenerator()), 4))
    generator = FakeGenerator()
    above = GeneratedVecEnv(transposed(VecFrameStack(dummy(), 4)), generator)
    assert above.observation_space == below.observation_space
    these, those = steps_of(above, 15), steps_of(below, 15)
    channel_axis = 1 if transposes else 3
    for this, that in zip(these, those, strict=True):
        newest_this, newest_that = (np.take(x[0], -1, channel_axis) for x in (this, that))
        np.testing.assert_array_equal(newest_this, newest_that)
    assert len(generator.batch_sizes) == 16
    last_end = max(i for i, step in enumerate(these) if len(step) == 4 and step[2][2])
    final = these[last_end][-1][2]["terminal_observation"]
    np.testing.assert_array_equal(final, those[last_end][-1][2]["terminal_observation"])


def test_render_tiles_what_the_agents_see() -> None:
    venv = GeneratedVecEnv(DummyVecEnv([lambda: counting_env(0)]), FakeGenerator())
    venv.seed(0)
    observation = venv.reset()[0]
    picture = venv.render("rgb_array")
    assert picture is not None
    np.testing.assert_array_equal(picture, np.repeat(observation, 3, axis=2))
    beside = GeneratedVecEnv(dummy(), FakeGenerator(), render="beside")
    beside.reset()
    assert [image.shape for image in beside.get_images()] == [(20, 60, 3)] * NUM_ENVS


def test_wrong_options_are_named() -> None:
    with pytest.raises(InputError, match="did you mean 'mix'"):
        GeneratedVecEnv(dummy(), FakeGenerator(), "mixx")  # type: ignore[arg-type]


def breakout(**options: Any) -> gym.Env:
    env = gym.make("ALE/Breakout-v5", frameskip=1, max_num_frames_per_episode=120, **options)
    return AtariPreprocessing(env, screen_size=36, grayscale_newaxis=True)


def test_ppo_learns_from_generated_observations() -> None:
    generator = FakeGenerator()
    venv = VecFrameStack(make_vec_env(breakout, n_envs=2, seed=0), 4)
    venv = GeneratedVecEnv(venv, generator)
    model = PPO("CnnPolicy", venv, n_steps=40, batch_size=80, n_epochs=1, seed=0, device="cpu")
    before = {name: weights.clone() for name, weights in model.policy.state_dict().items()}
    model.learn(160)
    assert model.num_timesteps == 160
    assert len(generator.batch_sizes) == 80 + 1  # one for each step of both, one for the reset
    assert all((before[name] != after).any() for name, after in model.policy.state_dict().items())


def dqn(env: gym.Env | VecEnv, **options: Any) -> DQN:
    """Make a DQN that acts at random and trains at the end of the steps that tests take."""
    options = {"learning_starts": 110, "buffer_size": 200, "batch_size": 8, **options}
    return DQN("CnnPolicy", env, seed=0, device="cpu", **options)


def assert_holds_what_was_learned_from(buffer: FrameBuffer, model: DQN, num_steps: int) -> None:
    replay = model.replay_buffer
    assert replay is not None
    steps = np.arange(num_steps)
    assert len(buffer) == num_steps
    frames = np.moveaxis(buffer.values_at("frames", steps), 3, 1)
    np.testing.assert_array_equal(frames, replay.observations[:num_steps, 0])
    np.testing.assert_array_equal(
        buffer.values_at("actions", steps), replay.actions[:num_steps, 0, 0]
    )
    np.testing.assert_array_equal(buffer.values_at("rewards", steps), replay.rewards[:num_steps, 0])
    steps = steps[:-1]  # the end of the recording is marked as a truncation
    truncations = buffer.values_at("truncations", steps)
    ends = buffer.values_at("terminations", steps) | truncations
    np.testing.assert_array_equal(ends, replay.dones[: len(steps), 0])
    np.testing.assert_array_equal(truncations, replay.timeouts[: len(steps), 0])
    assert ends.sum() >= 2


def test_frame_capture_under_dqn_stores_each_agent_step_once(tmp_path: Path) -> None:
    env = FrameCapture(breakout(), tmp_path / "buffer", capacity=500)
    model = dqn(env)
    model.learn(120)
    assert_holds_what_was_learned_from(env.buffer, model, 120)
    env.close()


def test_the_callback_under_dqn_stores_each_agent_step_once(tmp_path: Path) -> None:
    model = dqn(breakout())
    callback = FrameCaptureCallback(tmp_path / "buffer", capacity=500)
    model.learn(120, callback)
    assert_holds_what_was_learned_from(FrameBuffer.open(tmp_path / "buffer"), model, 120)
    ram = FrameBuffer.open(tmp_path / "buffer").values_at("ram", np.arange(120))
    assert len(np.unique(ram, axis=0)) > 100


def test_a_second_learn_continues_the_same_buffer(tmp_path: Path) -> None:
    model = dqn(breakout())
    callback = FrameCaptureCallback(tmp_path / "buffer", capacity=500)
    model.learn(20, callback)
    model.learn(24, callback, reset_num_timesteps=False)
    buffer = FrameBuffer.open(tmp_path / "buffer")
    replay = model.replay_buffer
    assert replay is not None
    frames = np.moveaxis(buffer.values_at("frames", np.arange(44)), 3, 1)
    np.testing.assert_array_equal(frames, replay.observations[:44, 0])
    assert len(buffer) == 44
    assert buffer.values_at("truncations", np.arange(44))[19]


@pytest.mark.parametrize("normalizes", [False, True])
def test_the_callback_stores_the_steps_of_each_environment(
    tmp_path: Path, normalizes: bool
) -> None:
    venv: VecEnv = VecFrameStack(dummy(), 4)
    if normalizes:
        venv = VecNormalize(venv)
    model = A2C("MlpPolicy", venv, n_steps=10, seed=0, device="cpu")
    callback = FrameCaptureCallback(tmp_path / "buffer", capacity=300)
    model.learn(60, callback)
    buffer = FrameBuffer.open(tmp_path / "buffer")
    assert (len(buffer), buffer.num_writers) == (60, NUM_ENVS)
    levels = buffer.values_at("frames", np.arange(60))[:, 0, 0, 0].astype(int)
    ends = buffer.values_at("terminations", np.arange(60))
    cuts = buffer.values_at("truncations", np.arange(60))
    for index in range(NUM_ENVS):
        rows = slice(20 * index, 20 * (index + 1))
        is_last = (np.arange(20) + 1) % (3 + index) == 0
        truncates = index == 1
        np.testing.assert_array_equal(ends[rows], is_last & (not truncates))
        np.testing.assert_array_equal(cuts[rows][:-1], (is_last & truncates)[:-1])
        # frames count up within an episode and nowhere else
        counts_up = np.diff(levels[rows]) == 1
        np.testing.assert_array_equal(counts_up | is_last[:-1], np.ones(19, bool))


def test_the_callback_stores_the_games_own_steps_under_every_wrapper(tmp_path: Path) -> None:
    """Rewards are scaled twice and clipped, and lost lives end episodes."""

    def play(index: int) -> gym.Env:
        env = gym.make("ALE/Breakout-v5", frameskip=1, repeat_action_probability=0)
        scaled = TransformReward(AtariWrapper(env, screen_size=36), lambda reward: 7 * reward)
        return Monitor(scaled)

    venv = VecNormalize(VecFrameStack(DummyVecEnv([lambda: play(0)]), 3), norm_reward=True)
    model = A2C("MlpPolicy", venv, n_steps=50, seed=0, device="cpu")
    callback = FrameCaptureCallback(tmp_path / "buffer", capacity=900)
    game = venv.unwrapped.envs[0]  # type: ignore[attr-defined]
    model.learn(500, callback)
    assert venv.unwrapped.envs[0] is game  # type: ignore[attr-defined]
    buffer = FrameBuffer.open(tmp_path / "buffer")
    steps = np.arange(len(buffer))
    assert buffer.meta.frame_format.shape == (36, 36, 1)
    rewards = buffer.values_at("rewards", steps)
    assert set(np.unique(rewards)) == {0, 1}
    lives = buffer.values_at("ram", steps)[:, 57]
    ends = buffer.values_at("terminations", steps)
    assert set(lives[ends]) == {1}  # the last life was lost in this step
    is_lost = np.diff(lives.astype(int)) == -1
    np.testing.assert_array_equal(buffer.values_at("truncations", steps)[:-1], is_lost)
    assert is_lost.sum() > ends.sum() > 0


@pytest.mark.parametrize("norm_reward", [False, True])
@pytest.mark.slow  # the processes load torch
def test_rewards_of_other_processes_are_those_before_normalization(
    tmp_path: Path, norm_reward: bool
) -> None:
    venv = VecNormalize(SubprocVecEnv([lambda: counting_env(0)]), norm_reward=norm_reward)
    model = A2C("MlpPolicy", venv, n_steps=5, seed=0, device="cpu")
    model.learn(20, FrameCaptureCallback(tmp_path / "buffer", capacity=100))
    venv.close()
    buffer = FrameBuffer.open(tmp_path / "buffer")
    steps = np.arange(20)
    rewards, actions = buffer.values_at("rewards", steps), buffer.values_at("actions", steps)
    np.testing.assert_array_equal(rewards, actions)
    assert rewards.max() == 3


def test_the_callback_takes_a_relative_folder_when_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    callback = FrameCaptureCallback("buffer", capacity=100)
    monkeypatch.chdir("/")
    A2C("MlpPolicy", dummy(), n_steps=2, device="cpu").learn(6, callback)
    assert len(FrameBuffer.open(tmp_path / "buffer")) == 6


@pytest.mark.slow  # the processes load torch
def test_environments_in_other_processes(tmp_path: Path) -> None:
    """Frames are generated without a seed and stored without RAM."""
    venv = SubprocVecEnv([lambda index=index: counting_env(index) for index in range(2)])
    model = A2C("CnnPolicy", GeneratedVecEnv(venv, FakeGenerator()), n_steps=5, device="cpu")
    model.learn(20, FrameCaptureCallback(tmp_path / "buffer", capacity=100))
    venv.close()
    frames = FrameBuffer.open(tmp_path / "buffer").values_at("frames", np.arange(20))
    assert len(np.unique(frames, axis=0)) == 20
