"""gymnasium.make("atarigan:atarigan/Generated-v0"), and what an import loads."""

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import TimeLimit

from atarigan.envs import GeneratedObservation
from atarigan.errors import InputError
from tests.fakes import FakeGenerator

ID = "atarigan:atarigan/Generated-v0"


def observations_of(env: gym.Env, num_steps: int = 3) -> np.ndarray:
    return np.array([env.reset(seed=0)[0]] + [env.step(1)[0] for _ in range(num_steps)])


def test_make_wraps_the_environment_with_that_id() -> None:
    made = gym.make(
        ID,
        env_id="ALE/Pong-v5",
        generator=FakeGenerator(),
        latent="walk",
        walk_length=5,
        obs_type="grayscale",
        render_mode="rgb_array",
        render="beside",
    )
    inner = gym.make("ALE/Pong-v5", obs_type="grayscale", render_mode="rgb_array")
    by_hand = GeneratedObservation(
        inner, FakeGenerator(), latent="walk", walk_length=5, render="beside"
    )
    np.testing.assert_array_equal(observations_of(made), observations_of(by_hand))
    np.testing.assert_array_equal(made.render(), by_hand.render())


def test_env_kwargs_pass_arguments_that_the_wrapper_has_too() -> None:
    """Both have a `mode`: the wrapper's, and the game mode of ALE."""
    kwargs = {"mode": 4, "obs_type": "ram"}
    env = gym.make(ID, generator=FakeGenerator(), mode="info", env_kwargs=kwargs)
    plain = gym.make("ALE/Breakout-v5", obs_type="ram")
    other = gym.make("ALE/Breakout-v5", **kwargs)
    observation = env.reset(seed=0)[0]
    np.testing.assert_array_equal(observation, other.reset(seed=0)[0])
    assert not np.array_equal(observation, plain.reset(seed=0)[0])


@pytest.mark.parametrize("mode", ["replace", "mix", "info"])
def test_spec_makes_an_equal_environment_and_check_env_accepts_it(mode: Any) -> None:
    env = gym.make(
        ID,
        env_id="tests.fakes:Counting-v0",
        generator=FakeGenerator(),
        mode=mode,
        max_episode_steps=7,
        render_mode="rgb_array",
    )
    assert env.spec is not None
    assert env.spec.id == "atarigan/Generated-v0"
    again = gym.make(env.spec)
    assert str(again) == str(env)
    assert isinstance(again, TimeLimit)
    np.testing.assert_array_equal(observations_of(again), observations_of(env))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version")
        check_env(env)


def test_make_vec_equals_make() -> None:
    envs = gym.make_vec(ID, num_envs=2, vectorization_mode="sync", generator=FakeGenerator())
    single = gym.make(ID, generator=FakeGenerator())
    np.testing.assert_array_equal(envs.reset(seed=0)[0][0], single.reset(seed=0)[0])


def test_rendered_frames_can_be_collected() -> None:
    env = gym.make(ID, generator=FakeGenerator(), render_mode="rgb_array_list")
    observations = observations_of(env)
    np.testing.assert_array_equal(env.render(), observations)


def test_a_missing_generator_and_a_wrong_environment_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing-here"):
        gym.make(ID, generator=str(tmp_path / "nothing-here"))
    with pytest.raises(gym.error.Error, match="Pongg"):
        gym.make(ID, env_id="ALE/Pongg-v5", generator=FakeGenerator())


def run_python(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )


def test_importing_loads_neither_torch_nor_stable_baselines3(tmp_path: Path) -> None:
    loads = "import atarigan.envs, sys; print(*({'torch', 'stable_baselines3'} & set(sys.modules)))"
    finished = run_python(loads, tmp_path)
    assert (finished.stdout.strip(), finished.returncode) == ("", 0), finished.stderr


def test_importing_it_by_another_name_is_refused_with_the_right_one() -> None:
    finished = run_python("import envs", Path(__file__).parents[1])
    assert (
        "ImportError: this package must be imported as atarigan.envs, not envs" in finished.stderr
    )
