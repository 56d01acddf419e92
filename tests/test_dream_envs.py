"""DreamEnv and DreamVectorEnv: games without an emulator, alike one by one and together."""

import copy
import dataclasses
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3.common.env_checker
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO

from atarigan import FrameGenerator
from atarigan.envs import DreamEnv, DreamVectorEnv
from atarigan.errors import InputError
from tests.learned_games import (
    GAME,
    LIFE,
    assert_equal,
    counting,
    counting_dream,
    learned,
    learned_breakout,
    played,
    row_of,
)

ID = "atarigan:atarigan/Dream-v0"
FIRE, LEFT = 1, 3
OBS_TYPES = ("pixels", "ram", "both")


@pytest.fixture(scope="module")
def breakout() -> FrameGenerator:
    return FrameGenerator.load("breakout", device="cpu")


@pytest.mark.parametrize("obs_type", OBS_TYPES)
@pytest.mark.filterwarnings("error")
def test_both_checkers_accept_it(breakout: FrameGenerator, obs_type: Any) -> None:
    options = {"model": learned_breakout(), "generator": breakout, "obs_type": obs_type}
    env = gym.make(ID, **options, render_mode="rgb_array").unwrapped
    check_env(env)
    stable_baselines3.common.env_checker.check_env(env)


def test_made_by_gymnasium(breakout: FrameGenerator, tmp_path: Path) -> None:
    learned_breakout().save(tmp_path)
    env = gym.make(ID, model=tmp_path, device="cpu", render_mode="rgb_array", frameskip=2)
    assert isinstance(env.unwrapped, DreamEnv)
    assert env.unwrapped.get_action_meanings() == ["NOOP", "FIRE", "RIGHT", "LEFT"]
    assert env.spec is not None
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    assert_equal(again.reset(seed=4), env.reset(seed=4))
    assert_equal(again.step(3), env.step(3))
    envs = gym.make_vec(ID, 2, model=tmp_path, device="cpu", autoreset_mode=AutoresetMode.SAME_STEP)
    assert isinstance(envs, DreamVectorEnv)
    assert envs.spec is not None
    json.loads(envs.spec.to_json())
    vector_again = gym.make_vec(EnvSpec.from_json(envs.spec.to_json()))
    assert vector_again.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert_equal(vector_again.reset(seed=4), envs.reset(seed=4))


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("obs_type", OBS_TYPES)
def test_a_sub_environment_equals_a_single_one(
    breakout: FrameGenerator, mode: AutoresetMode, obs_type: Any
) -> None:
    """Bit for bit, over several episodes that are truncated."""
    options: dict[str, Any] = {
        "obs_type": obs_type,
        "stack_num": 2,
        "noop_max": 6,
        "max_num_frames_per_episode": 18,
    }
    index = 2
    single = learned(breakout, **options)
    expected = single_history(single, SEED + index)
    envs = DreamVectorEnv(learned_breakout(), 3, breakout, autoreset_mode=mode, **options)
    found = vector_history(envs, index)
    assert sum(len(each) == 2 for each in expected) > 3  # resets
    assert_equal(found, expected[: len(found)])
    if obs_type == "pixels":
        assert len(found) >= len(ACTIONS)
        assert len({each[0].tobytes() for each in found}) > len(ACTIONS) / 2


SEED = 11
ACTIONS = np.random.default_rng(0).integers(4, size=20)


def single_history(env: DreamEnv, seed: int) -> list[Any]:
    """All that resets and steps return, a reset after each end."""
    history: list[Any] = [env.reset(seed=seed)]
    for action in ACTIONS:
        history.append(env.step(action))
        if any(history[-1][2:4]):
            history.append(env.reset())
    return history


def vector_history(envs: DreamVectorEnv, index: int) -> list[Any]:
    """The same of one sub-environment, whatever the autoreset mode. Each plays `ACTIONS`, in which
    a step that begins an episode takes no action.
    """
    mode = envs.metadata["autoreset_mode"]
    reset = envs.reset(seed=SEED)
    history: list[Any] = [[row_of(each, index) for each in reset]]
    num_played, is_over = np.zeros(envs.num_envs, int), np.zeros(envs.num_envs, bool)
    while num_played[index] < len(ACTIONS):
        observations, *outcomes, infos = envs.step(ACTIONS[num_played % len(ACTIONS)])
        begins = is_over & (mode is AutoresetMode.NEXT_STEP)
        num_played += ~begins
        is_over = outcomes[1] | outcomes[2]
        finals = {key: infos.pop(key) for key in ("final_obs", "final_info") if key in infos}
        first, results = [observations, infos], [row_of(each, index) for each in outcomes]
        if begins[index]:
            assert results == [0, False, False]
        elif mode is AutoresetMode.SAME_STEP and is_over[index]:
            last_obs, last_info = (row_of(each, index) for each in finals.values())
            history.append([last_obs, *results, last_info])
        else:
            history.append([row_of(observations, index), *results, row_of(infos, index)])
        if mode is AutoresetMode.DISABLED and is_over.any():
            first = list(envs.reset(options={"reset_mask": is_over}))
        is_new = begins if mode is AutoresetMode.NEXT_STEP else is_over
        if is_new[index]:
            history.append([row_of(each, index) for each in first])
        if mode is not AutoresetMode.NEXT_STEP:
            is_over = np.zeros(envs.num_envs, bool)
    return history


def test_episodes_begin_with_states_that_the_generator_draws() -> None:
    def lives_of(starts: Any) -> list[int]:
        envs = DreamVectorEnv(learned_breakout(), 50, obs_type="ram", starts=starts)
        observations, infos = envs.reset(seed=3)
        assert_equal(observations, envs.reset(seed=3)[0])
        assert (len(np.unique(observations, axis=0)) > 25) == (starts == "drawn")
        return infos["lives"].tolist()

    assert set(lives_of("recorded")) == {5}
    assert len(set(lives_of("drawn"))) > 1


def test_a_given_generator_draws_the_states_that_episodes_begin_with() -> None:
    dream = learned_breakout()
    alone = dataclasses.replace(dream, settings=dataclasses.replace(dream.settings, generator=""))
    env = DreamEnv(alone, "breakout", obs_type="ram", starts="drawn")
    assert_equal(env.reset(seed=3), DreamEnv(dream, obs_type="ram", starts="drawn").reset(seed=3))


def test_a_seed_determines_everything(breakout: FrameGenerator) -> None:
    env = learned(breakout, obs_type="ram", noop_max=30)
    first = single_history(env, 3)
    assert_equal(single_history(env, 3), first)
    assert_equal(single_history(learned(breakout, obs_type="ram", noop_max=30), 3), first)
    for other in (4, 2**63, 2**64 + 4, 2**200):
        with pytest.raises(AssertionError):
            assert_equal(single_history(env, other), first)
    unseeded = [DreamEnv(counting_dream(200)).reset()[0].tobytes() for _ in range(5)]
    assert len(set(unseeded)) > 1


def test_unseeded_games_follow_from_np_random() -> None:
    def first(rng: int) -> Any:
        envs = DreamVectorEnv(counting_dream(200), 8)
        envs.np_random = np.random.default_rng(rng)
        return envs.reset()[0]

    np.testing.assert_array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))
    assert len(np.unique(first(1)[:, 0])) > 4


def test_infos_are_those_of_ale() -> None:
    """`frame_number` counts on over episodes, until a seed loads the game anew."""
    env = counting(max_num_frames_per_episode=6)
    numbers = [env.reset(seed=0)[1]]
    numbers += [
        env.step(0)[4],
        env.step(0)[4],
        env.reset()[1],
        env.step(0)[4],
        env.reset(seed=1)[1],
    ]
    assert [each["episode_frame_number"] for each in numbers] == [0, 4, 6, 0, 4, 0]
    assert [each["frame_number"] for each in numbers] == [0, 4, 6, 6, 10, 0]
    assert {each["lives"] for each in numbers} == {3}
    assert numbers[1]["ram"].tolist() == [4, 1]
    real = gym.make("ALE/Breakout-v5").reset(seed=0)[1]
    assert numbers[0].keys() - {"is_unseen", "ram"} == real.keys() - {"seeds"}


def test_an_episode_ends_with_the_game_its_length_or_a_life() -> None:
    def ends(**options: Any) -> tuple[int, bool, bool]:
        env = counting(frameskip=1, **options)
        env.reset(seed=0)
        for _ in range(GAME):
            *_, terminated, truncated, info = env.step(0)
            if terminated or truncated:
                with pytest.raises(ResetNeeded, match="the episode has ended"):
                    env.step(0)
                assert env.reset()[1]["lives"] == 3
                return info["episode_frame_number"], terminated, truncated
        raise AssertionError

    assert ends() == (GAME, True, False)
    assert ends(max_num_frames_per_episode=7) == (7, False, True)
    assert ends(max_num_frames_per_episode=GAME) == (GAME, True, True)
    assert ends(episodic_life=True) == (LIFE, True, False)


@pytest.mark.parametrize(("clips", "rewards"), [(False, [8, 0, -12]), (True, [1, 0, -1])])
def test_rewards_are_clipped_if_asked(clips: bool, rewards: list[float]) -> None:
    envs = DreamVectorEnv(counting_dream(), 3, reward_clipping=clips)
    envs.reset(seed=0)
    assert envs.step([FIRE, 0, LEFT])[1].tolist() == rewards


def test_nothing_works_before_the_first_reset(breakout: FrameGenerator) -> None:
    env = learned(breakout, render_mode="rgb_array")
    envs = DreamVectorEnv(counting_dream(), 2)
    for call in (
        lambda: env.step(0),
        env.render,
        env.clone_state,
        lambda: env.set_state(np.zeros(128, np.uint8)),
        lambda: envs.step([0, 0]),
        lambda: envs.clone_state(0),
    ):
        with pytest.raises(ResetNeeded):
            call()
    with pytest.raises(InputError, match="the first reset must be of all sub-environments"):
        envs.reset(options={"reset_mask": np.array([True, False])})


@pytest.mark.parametrize("action", [-1, 4, 1.0, "up", None, [1]])
def test_a_wrong_action_is_named(action: Any) -> None:
    env, envs = counting(), DreamVectorEnv(counting_dream(), 2)
    env.reset(seed=0)
    envs.reset(seed=0)
    with pytest.raises(InputError, match="action must be a whole number from 0 to 3, not"):
        env.step(action)
    with pytest.raises(InputError, match="actions must be 2 whole numbers from 0 to 3, not"):
        envs.step([0, action])
    with pytest.raises(InputError, match="actions must be 2 whole numbers"):
        envs.step([0])


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor, np.uint8])
def test_actions_may_be_of_any_whole_type(kind: Any) -> None:
    envs = DreamVectorEnv(counting_dream(), 2)
    envs.reset(seed=0)
    assert envs.step(kind([FIRE, 0]))[1].tolist() == [8, 0]


@pytest.mark.parametrize("obs_type", OBS_TYPES)
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_torch_output_equals_numpy(
    breakout: FrameGenerator, obs_type: Any, mode: AutoresetMode
) -> None:
    options: dict[str, Any] = {
        "obs_type": obs_type,
        "stack_num": 2,
        "max_num_frames_per_episode": 8,
        "autoreset_mode": mode,
        "device": "cpu",
    }
    arrays = DreamVectorEnv(learned_breakout(), 3, breakout, **options)
    tensors = DreamVectorEnv(learned_breakout(), 3, breakout, output="torch", **options)
    assert_equal(tensors.reset(seed=0), arrays.reset(seed=0))
    for _ in range(4):
        found = tensors.step(torch.tensor([0, 2, 3]))
        assert_equal(found, arrays.step(np.array([0, 2, 3])))
        assert all(isinstance(each, torch.Tensor) for each in found[1:4])
    seen = found[0] if obs_type != "both" else found[0]["pixels"]
    layer = torch.nn.Embedding(256, 2)
    layer(seen.int()).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_envs": 0}, "num_envs must be a whole number of at least 1, not 0"),
        (
            {"obs_type": "pixel"},
            "obs_type must be a known name, not 'pixel': did you mean 'pixels'",
        ),
        ({"end_if_unseen": "no"}, "end_if_unseen must be True or False, not 'no'"),
        ({"model": None}, "model must be a dream, its folder or its name, .*pong.*, not None"),
        ({"generator": 5, "obs_type": "pixels"}, "generator must be one, its folder or .*, not 5"),
        ({"starts": "random"}, "starts must be a known name, not 'random'"),
        ({"starts": "drawn"}, "the dream has no generator"),
        ({"obs_type": "pixels"}, "generator must be given for obs_type 'pixels'"),
        ({"render_mode": "rgb_array"}, "render_mode 'rgb_array': the dream has none"),
        ({"render_mode": "human"}, "render_mode must be None or 'rgb_array', not 'human'"),
        ({"stack_num": 0}, "stack_num must be a whole number of at least 1, not 0"),
        ({"frameskip": (2, 5)}, "frameskip must be a whole number from 1 to 108000"),
        ({"repeat_action_probability": 1.1}, "repeat_action_probability must be from 0 to 1"),
        ({"max_num_frames_per_episode": 0}, "max_num_frames_per_episode must be .* at least 1"),
        ({"noop_max": -1}, "noop_max must be a whole number from 0 to 107999, not -1"),
        ({"output": "jax"}, "output must be 'numpy' or 'torch', not 'jax'"),
        ({"autoreset_mode": "SameSteps"}, "did you mean 'SameStep'"),
        ({"model": "no-such"}, "no-such does not exist"),
        (
            {"generator": "breakout", "obs_type": "pixels"},
            "2 bytes of RAM, not 128 bytes",
        ),
    ],
)
def test_a_wrong_argument_is_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DreamVectorEnv(**{"model": counting_dream(), **kwargs})


def test_a_generator_of_another_game_is_refused() -> None:
    with pytest.raises(InputError, match="the generator learned ALE/Pong-v5, and the dream is of"):
        DreamEnv(learned_breakout(), "pong", device="cpu")
    env = DreamEnv(learned_breakout(), "pong", device="cpu", allow_other_game=True)
    assert env.reset(seed=0)[0].any()


def test_a_copy_goes_on_as_the_original_does() -> None:
    env = DreamEnv(counting_dream(9, sticky=0.5))
    env.reset(seed=0)
    copied = copy.deepcopy(env)
    assert_equal(played(env, [1, 2, 3]), played(copied, [1, 2, 3]))


def test_ram_alone_loads_no_torch(tmp_path: Path) -> None:
    learned_breakout().save(tmp_path)
    program = f"""
import gymnasium as gym, sys
env = gym.make("{ID}", model={str(tmp_path)!r}, obs_type="ram")
envs = gym.make_vec("{ID}", 2, model={str(tmp_path)!r}, obs_type="ram")
print("numba" in sys.modules, env.reset(seed=0)[0].shape, envs.reset(seed=0)[0].shape)
env.step(0), envs.step([0, 1])
print({{"torch", "stable_baselines3"}} & set(sys.modules))
"""
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert finished.stdout.splitlines() == ["False (128,) (2, 128)", "set()"], finished.stderr


@pytest.mark.slow
def test_an_agent_trains_on_it(breakout: FrameGenerator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agent = PPO("CnnPolicy", learned(breakout), n_steps=32, batch_size=32, n_epochs=1, seed=0)
        agent.learn(64)
    action, _ = agent.predict(learned(breakout).reset(seed=0)[0])
    assert action in learned(breakout).action_space
