"""gymnasium.make("atarigan:atarigan/Generated-v0"), and what an import loads."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, VectorWrapper
from gymnasium.wrappers import TimeLimit

import atarigan.envs
from atarigan.envs import (
    FrameCapture,
    GeneratedObservation,
    GeneratedVectorObservation,
    RamInfo,
    VectorFrameCapture,
)
from atarigan.envs.registration import make_generated_vec
from atarigan.errors import InputError
from atarigan.models import shipped
from tests.fakes import FakeGenerator
from tests.readers import write_generator

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


@pytest.mark.parametrize(
    ("env_id", "mode"),
    [
        *(("tests.fakes:Counting-v0", mode) for mode in [*AutoresetMode, "SameStep"]),
        (None, AutoresetMode.SAME_STEP),
    ],
)
def test_make_vec_takes_an_autoreset_mode(env_id: str | None, mode: Any) -> None:
    options: dict[str, Any] = {"env_id": env_id, "generator": FakeGenerator() if env_id else "pong"}
    envs = gym.make_vec(ID, 2, **options, autoreset_mode=mode)
    assert envs.metadata["autoreset_mode"] is AutoresetMode(mode)
    assert make_generated_vec(2, **options, vector_kwargs={"autoreset_mode": mode}).metadata[
        "autoreset_mode"
    ] is AutoresetMode(mode)
    with pytest.raises(InputError, match="autoreset_mode must .* did you mean 'SameStep'"):
        gym.make_vec(ID, 2, **options, autoreset_mode="SameSteps")


@pytest.mark.parametrize("vectorization", [None, "sync", "async"])
def test_make_vec_of_a_specification_gives_equal_environments(vectorization: Any) -> None:
    options: dict[str, Any] = {"env_id": "tests.fakes:Counting-v0", "generator": FakeGenerator()}
    envs = gym.make_vec(ID, 2, vectorization_mode=vectorization, **options)
    assert envs.spec is not None
    again = gym.make_vec(envs.spec)
    by_registry = gym.make_vec(gym.spec("atarigan/Generated-v0"), 2, **options)
    for each in (again, by_registry):
        np.testing.assert_array_equal(each.reset(seed=2)[0], envs.reset(seed=2)[0])
        np.testing.assert_array_equal(each.step([1, 1])[0], envs.step([1, 1])[0])
        each.close()
    envs.close()


@pytest.mark.slow  # loads torch
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_generator_draws_in_forked_processes(tmp_path: Path) -> None:
    """The parent has threads of OpenMP, which a forked process has not."""
    program = f"""
import gymnasium as gym, torch
torch.set_num_threads(4)
from atarigan import FrameGenerator
FrameGenerator.load("pong", "cpu").sample(300)
options = {{"env_id": "ALE/Pong-v5", "generator": "pong"}}
envs = gym.make_vec("{ID}", 2, "async", {{"context": "fork"}}, **options)
print(envs.reset(seed=0)[0].shape, torch.get_num_threads())
envs.close()
"""
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "4"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.stdout.splitlines()[-1:] == ["(2, 210, 160, 3) 4"], finished.stderr


def test_a_generator_given_as_a_path_has_a_specification_in_json() -> None:
    folder = shipped.FOLDER / "pong"
    made = gym.make(ID, env_id="ALE/Pong-v5", generator=folder)
    wrapped = GeneratedObservation(gym.make("ALE/Pong-v5"), folder)
    for env in (made, wrapped):
        assert env.spec is not None
        again = gym.make(EnvSpec.from_json(env.spec.to_json()))
        np.testing.assert_array_equal(observations_of(again), observations_of(env))
    envs = gym.make_vec(
        ID, 2, env_id="ALE/Pong-v5", generator=folder, autoreset_mode=AutoresetMode.SAME_STEP
    )
    assert envs.spec is not None
    made_again = gym.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    np.testing.assert_array_equal(made_again.reset(seed=0)[0], envs.reset(seed=0)[0])
    assert made_again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


# Every wrapper with a value of its own for every argument.
GENERATING = {
    "generator": "run",
    "mode": "mix",
    "probability": 0.25,
    "latent": "walk",
    "walk_length": 7.5,
    "layout": "HWC",
    "render": "beside",
    "allow_other_game": True,
}
CAPTURING = {"buffer": "buffer", "layout": "HWC", "capacity": 50}
WRAPPERS: dict[type, dict[str, Any]] = {
    FrameCapture: CAPTURING,
    GeneratedObservation: GENERATING,
    RamInfo: {},
}
VECTOR_WRAPPERS: dict[type, dict[str, Any]] = {
    GeneratedVectorObservation: GENERATING,
    VectorFrameCapture: CAPTURING,
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with a small generator in "run"."""
    write_generator(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recorded(arguments: dict[str, Any], here: Path) -> dict[str, Any]:
    """What a wrapper is to record: folders of buffers by their whole path."""
    return {
        name: str(here / "buffer") if name == "buffer" else arguments[name] for name in arguments
    }


def test_every_wrapper_is_tried() -> None:
    public = [getattr(atarigan.envs, name) for name in atarigan.envs.__all__]
    for base, tried in ((gym.Wrapper, WRAPPERS), (VectorWrapper, VECTOR_WRAPPERS)):
        assert {each for each in public if issubclass(each, base)} == set(tried)


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.__name__)
def test_a_specification_in_json_makes_every_wrapper_again(wrapper: type, here: Path) -> None:
    inner = RamInfo(gym.make("ALE/Pong-v5", frameskip=3, render_mode="rgb_array"))
    env = wrapper(inner, **WRAPPERS[wrapper])
    assert env.spec is not None
    assert env.spec.additional_wrappers[-1].kwargs == recorded(WRAPPERS[wrapper], here)
    again = gym.make(env.spec)
    assert str(again) == str(env)
    again.close()
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert str(again) == str(env)
    assert again.spec == env.spec
    np.testing.assert_array_equal(observations_of(again, 1), observations_of(env, 1))
    again.close()
    env.close()


@pytest.mark.parametrize("wrapper", VECTOR_WRAPPERS, ids=lambda wrapper: wrapper.__name__)
def test_vector_wrappers_record_their_arguments(wrapper: type, here: Path) -> None:
    """Their specification is that of the environment inside: Gymnasium's vectors have no other."""
    envs = gym.make_vec("ALE/Pong-v5", 2, "sync", render_mode="rgb_array")
    wrapped = wrapper(envs, **VECTOR_WRAPPERS[wrapper])
    assert wrapped._saved_kwargs == recorded(VECTOR_WRAPPERS[wrapper], here)
    assert wrapped.spec == envs.spec
    wrapped.close()


def test_a_vector_without_a_game_has_a_specification_in_json(here: Path) -> None:
    options = {"generator": here / "run", "walk_length": 9.0, "device": "cpu"}
    mode = AutoresetMode.SAME_STEP
    envs = gym.make_vec(ID, 2, env_id=None, autoreset_mode=mode, **options)
    again = gym.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    np.testing.assert_array_equal(again.reset(seed=0)[0], envs.reset(seed=0)[0])
    assert again.metadata["autoreset_mode"] is mode


def test_an_id_needs_an_import_or_its_module(tmp_path: Path) -> None:
    """Gymnasium loads no plugins by itself since 1.0; docs/how-to/gymnasium.md says so."""
    program = """
import gymnasium
print("atarigan/Generated-v0" in gymnasium.registry)
import atarigan
print("atarigan/Generated-v0" in gymnasium.registry)
"""
    finished = run_python(program, tmp_path)
    assert finished.stdout.split() == ["False", "True"], finished.stderr


@pytest.mark.parametrize(
    ("render_mode", "render", "message"),
    [
        ("rgb_array_list", "agent", "not 'rgb_array_list'; put .*RenderCollection outside"),
        (None, "beside", "render_mode 'rgb_array' with render='beside', not None"),
    ],
)
def test_render_modes_without_a_picture_are_refused(
    render_mode: str | None, render: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_generated_vec(
            1,
            FakeGenerator(),
            "tests.fakes:Counting-v0",
            render_mode=render_mode,
            render=render,
        )


def test_rendered_frames_can_be_collected() -> None:
    env = gym.make(ID, generator=FakeGenerator(), render_mode="rgb_array_list")
    observations = observations_of(env)
    np.testing.assert_array_equal(env.render(), observations)


def test_a_missing_generator_and_a_wrong_environment_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing-here"):
        gym.make(ID, generator=str(tmp_path / "nothing-here"))
    with pytest.raises(InputError, match="did you mean 'ALE/Pong-v5'"):
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
