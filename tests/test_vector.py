"""GeneratedVectorObservation equals GeneratedObservation in every autoreset mode."""

import copy
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import FrameStackObservation, TransformObservation

from atarigan.envs import GeneratedObservation, GeneratedVectorObservation
from atarigan.errors import InputError
from tests.fakes import CountingEnv, FakeGenerator

gym.register_envs(ale_py)
NUM_ENVS = 3
MODES = list(AutoresetMode)


def counting_env(index: int) -> gym.Env:
    """Episodes of different lengths, ending in different ways; four frames stacked."""
    env = CountingEnv(length=3 + index, truncates=index == 1, render_mode="rgb_array")
    return FrameStackObservation(env, 4)


def atari_env(index: int) -> gym.Env:
    return gym.make("ALE/Pong-v5", obs_type="grayscale", max_num_frames_per_episode=12 + 8 * index)


def steps_of(envs: VectorEnv, num_steps: int, seed: Any) -> Iterator[tuple[Any, ...]]:
    """Yield what a vector environment returns, resetting it where it has no autoreset."""
    yield envs.reset(seed=seed)
    for _ in range(num_steps):
        step = envs.step(np.ones(envs.num_envs, np.int64))
        yield step
        is_over = step[2] | step[3]
        if envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED and is_over.any():
            yield envs.reset(options={"reset_mask": is_over})


def assert_equal_steps(these: VectorEnv, those: VectorEnv, num_steps: int, seed: Any) -> None:
    pairs = zip(steps_of(these, num_steps, seed), steps_of(those, num_steps, seed), strict=True)
    for number, (this, that) in enumerate(pairs):
        assert data_equivalence(this, that, exact=True), f"return {number} differs"


def sync(
    make_env: Callable[[int], gym.Env], autoreset_mode: AutoresetMode = AutoresetMode.NEXT_STEP
) -> SyncVectorEnv:
    makers = [lambda index=index: make_env(index) for index in range(NUM_ENVS)]
    return SyncVectorEnv(makers, autoreset_mode=autoreset_mode)


@pytest.mark.parametrize("autoreset_mode", MODES)
@pytest.mark.parametrize(
    ("make_env", "latent", "mode"),
    [
        (counting_env, "step", "replace"),
        (counting_env, "step", "mix"),
        (counting_env, "step", "info"),
        (counting_env, "episode", "replace"),
        (counting_env, "walk", "replace"),
        pytest.param(atari_env, "walk", "mix", marks=pytest.mark.slow),
    ],
)
def test_vector_of_wrapped_equals_wrapped_vector(
    make_env: Callable[[int], gym.Env], latent: Any, mode: Any, autoreset_mode: AutoresetMode
) -> None:
    def single(index: int) -> gym.Env:
        return GeneratedObservation(make_env(index), FakeGenerator(), mode, latent=latent)

    wrapped_singles = sync(single, autoreset_mode)
    vector = GeneratedVectorObservation(
        sync(make_env, autoreset_mode), FakeGenerator(), mode, latent=latent
    )
    assert vector.observation_space == wrapped_singles.observation_space
    assert_equal_steps(wrapped_singles, vector, 27, seed=5)  # one of them ends at the last step
    if make_env is counting_env:  # without a seed, the random streams continue
        assert_equal_steps(wrapped_singles, vector, 10, seed=[3, None, 8])
        assert_equal_steps(wrapped_singles, vector, 10, seed=None)


def test_without_seeds_latents_follow_from_each_sub_environments_generator() -> None:
    def seeded_env(index: int) -> gym.Env:
        env = counting_env(index)
        env.reset(seed=index)
        return env

    singles = sync(lambda i: GeneratedObservation(seeded_env(i), FakeGenerator()))
    vector = GeneratedVectorObservation(sync(seeded_env), FakeGenerator())
    assert_equal_steps(singles, vector, 10, seed=None)


def test_without_seeds_latents_follow_from_a_generator_for_all_sub_environments() -> None:
    def first_observations() -> np.ndarray:
        envs = gym.make_vec("CartPole-v1", 3, vectorization_mode="vector_entry_point")
        envs.np_random = np.random.default_rng(3)
        generated = GeneratedVectorObservation(envs, FakeGenerator())
        assert generated.observation_space.shape == (3, 84, 84, 1)
        observations: np.ndarray = generated.reset()[0]
        return observations

    observations = first_observations()
    assert len(np.unique(observations, axis=0)) == 3
    np.testing.assert_array_equal(observations, first_observations())


def test_sub_environments_in_other_processes_give_the_same() -> None:
    makers = [lambda index=index: counting_env(index) for index in range(NUM_ENVS)]
    other = AsyncVectorEnv(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    here = sync(counting_env, AutoresetMode.SAME_STEP)
    with_other = GeneratedVectorObservation(other, FakeGenerator())
    with_here = GeneratedVectorObservation(here, FakeGenerator())
    assert_equal_steps(with_other, with_here, 12, seed=2)
    with_other.close()


@pytest.mark.parametrize("autoreset_mode", MODES)
def test_one_generator_call_a_step_final_observations_included(
    autoreset_mode: AutoresetMode,
) -> None:
    generator = FakeGenerator()
    envs = GeneratedVectorObservation(sync(counting_env, autoreset_mode), generator)
    steps = list(steps_of(envs, 12, seed=0))
    assert len(generator.batch_sizes) == len(steps)
    num_ends = sum((step[2] | step[3]).sum() for step in steps if len(step) == 5)
    assert num_ends >= 6
    num_extra = {AutoresetMode.NEXT_STEP: 0}.get(autoreset_mode, num_ends)
    assert sum(generator.batch_sizes) == 13 * NUM_ENVS + num_extra


def test_a_masked_reset_leaves_the_other_observations() -> None:
    envs = GeneratedVectorObservation(sync(counting_env), FakeGenerator())
    before, _ = envs.reset(seed=0)
    after, _ = envs.reset(seed=9, options={"reset_mask": np.array([False, True, False])})
    np.testing.assert_array_equal(before[[0, 2]], after[[0, 2]])
    alone = GeneratedObservation(counting_env(1), FakeGenerator())
    np.testing.assert_array_equal(after[1], alone.reset(seed=10)[0])


@cache
def one_atari_vector() -> VectorEnv:
    """A vector that is never stepped, as loading its ROMs takes a second."""
    return atari_vector(AutoresetMode.NEXT_STEP)


@pytest.mark.parametrize(
    ("mask", "error"),
    [
        ([True, False, True], TypeError),
        (np.array([1, 0, 1]), TypeError),
        (np.array([True]), ValueError),
        (np.array([True] * 5), ValueError),
    ],
)
@pytest.mark.parametrize("is_ale", [False, True])
def test_a_wrong_mask_raises_what_the_vector_environment_raises(
    mask: Any, error: type[Exception], is_ale: bool
) -> None:
    real = one_atari_vector() if is_ale else sync(counting_env)
    envs = GeneratedVectorObservation(real, FakeGenerator())
    envs.reset(seed=None if is_ale else 0)
    with pytest.raises(error, match="reset_mask"):
        envs.reset(seed=1, options={"reset_mask": mask})
    seeds = np.array([1, 2, 3, 4]) if is_ale else [1, 2]
    with pytest.raises(ValueError, match="seed"):
        envs.reset(seed=seeds)


def test_what_vector_environments_have_besides_is_handed_on() -> None:
    real = sync(counting_env)
    envs = GeneratedVectorObservation(real, FakeGenerator())
    envs.reset(seed=0)
    assert envs.call("get_wrapper_attr", "number") == real.call("get_wrapper_attr", "number")
    envs.set_attr("number", [7, 8, 9])
    assert envs.get_attr("number") == (7, 8, 9)
    assert (envs.envs, envs.autoreset_mode) == (real.envs, AutoresetMode.NEXT_STEP)
    ales = GeneratedVectorObservation(one_atari_vector(), FakeGenerator())
    assert ales.batch_size == NUM_ENVS
    for name in ("send", "recv", "step_async", "step_wait", "no_such_thing"):
        assert not hasattr(ales, name)  # they would go around the wrapper


def test_mode_info_leaves_spaces_as_they_are_even_where_they_differ() -> None:
    def with_most(high: int) -> gym.Env:
        space = gym.spaces.Box(0, high, (3,), np.float32)
        return TransformObservation(counting_env(0), lambda _: np.ones(3, np.float32), space)

    envs = SyncVectorEnv(
        [lambda high=high: with_most(high) for high in (1, 2)], observation_mode="different"
    )
    wrapped = GeneratedVectorObservation(envs, FakeGenerator(), "info")
    assert wrapped.observation_space == envs.observation_space
    assert wrapped.observation_space.high.tolist() == [[1] * 3, [2] * 3]
    assert wrapped.reset(seed=0)[0].tolist() == [[1] * 3] * 2


def test_a_deep_copy_in_mid_game_goes_on_alike() -> None:
    envs = GeneratedVectorObservation(sync(atari_env), FakeGenerator(), "mix")
    list(steps_of(envs, 3, seed=0))
    again = copy.deepcopy(envs)
    for _ in range(8):
        actions = np.full(NUM_ENVS, 2)
        assert data_equivalence(envs.step(actions), again.step(actions), exact=True)


def test_render_before_the_first_reset_is_refused() -> None:
    with pytest.raises(gym.error.ResetNeeded):
        GeneratedVectorObservation(sync(counting_env), FakeGenerator()).render()


def atari_vector(autoreset_mode: AutoresetMode) -> VectorEnv:
    return gym.make_vec(
        "ALE/Breakout-v5",
        num_envs=NUM_ENVS,
        vectorization_mode="vector_entry_point",
        autoreset_mode=autoreset_mode,
        max_num_frames_per_episode=60,
        noop_max=0,
    )


def counting_like_atari(_: int) -> gym.Env:
    space = gym.spaces.Box(0, 255, (84, 84), np.uint8)
    return FrameStackObservation(CountingEnv(space, length=15, truncates=True), 4)


@pytest.mark.parametrize(
    ("mode", "autoreset_mode"),
    [
        ("replace", AutoresetMode.SAME_STEP),
        pytest.param("replace", AutoresetMode.NEXT_STEP, marks=pytest.mark.slow),
        pytest.param("mix", AutoresetMode.SAME_STEP, marks=pytest.mark.slow),
        pytest.param("info", AutoresetMode.SAME_STEP, marks=pytest.mark.slow),
    ],
)
def test_ales_own_vector_environment(mode: Any, autoreset_mode: AutoresetMode) -> None:
    """Its games do not change. An environment with equally long episodes sees the same frames."""
    envs = GeneratedVectorObservation(atari_vector(autoreset_mode), FakeGenerator(), mode)
    plain = atari_vector(autoreset_mode)
    reference = GeneratedVectorObservation(
        sync(counting_like_atari, autoreset_mode), FakeGenerator()
    )
    assert envs.observation_space == plain.observation_space
    num_ends = 0
    for step, real, like in zip(
        steps_of(envs, 40, 3), steps_of(plain, 40, 3), steps_of(reference, 40, 3), strict=True
    ):
        for this, that in zip(step[1:-1], real[1:-1], strict=True):
            np.testing.assert_array_equal(this, that)
        seen, infos = step[0], step[-1]
        if mode == "replace":
            np.testing.assert_array_equal(seen, like[0])
        elif mode == "info":
            np.testing.assert_array_equal(seen, real[0])
            np.testing.assert_array_equal(infos["generated_observation"], like[0])
        else:
            is_real = (seen[:, -1] == real[0][:, -1]).all(axis=(1, 2))
            assert (is_real ^ (seen[:, -1] == like[0][:, -1]).all(axis=(1, 2))).all()
        if "final_obs" not in infos:
            continue
        assert infos["final_obs"].shape == (NUM_ENVS, 4, 84, 84)
        for index in np.flatnonzero(like[-1]["_final_obs"]):
            num_ends += 1
            final, expected = infos["final_obs"][index], like[-1]["final_obs"][index]
            if mode == "replace":
                np.testing.assert_array_equal(final, expected)
            elif mode == "info":
                np.testing.assert_array_equal(final, real[-1]["final_obs"][index])
                hidden = infos["final_info"]["generated_observation"][index]
                np.testing.assert_array_equal(hidden, expected)
    assert num_ends == (2 * NUM_ENVS if autoreset_mode is AutoresetMode.SAME_STEP else 0)


def test_render_returns_a_picture_for_each_sub_environment() -> None:
    envs = GeneratedVectorObservation(one_atari_vector(), FakeGenerator())
    observations, _ = envs.reset(seed=0)
    for picture, observation in zip(envs.render(), observations, strict=True):
        assert picture.shape == (84, 84, 3)
        np.testing.assert_array_equal(picture[..., 1], observation[-1])
    beside = GeneratedVectorObservation(sync(counting_env), FakeGenerator(), render="beside")
    beside.reset(seed=0)
    assert [picture.shape for picture in beside.render()] == [(20, 60, 3)] * NUM_ENVS


def test_a_batch_size_below_the_number_of_environments_is_refused() -> None:
    envs = ale_py.vector_env.AtariVectorEnv("pong", num_envs=2, batch_size=1)
    with pytest.raises(InputError, match="batch_size must be 2, not 1"):
        GeneratedVectorObservation(envs, FakeGenerator())


def test_a_vector_environment_without_a_known_autoreset_mode_is_refused() -> None:
    envs = sync(counting_env)
    del envs.metadata["autoreset_mode"]
    with pytest.raises(
        InputError, match=r"must name its autoreset mode in metadata\['autoreset_mode'\], not None"
    ):
        GeneratedVectorObservation(envs, FakeGenerator())
