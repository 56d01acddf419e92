"""Who decides what to do while frames are collected."""

from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack

from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.held_actions import ActionShares, HeldActions
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.policies import EpsilonMixture, policy_maker
from atarigan.data.collection.policy import Policy
from atarigan.data.collection.preprocessing import PREPROCESSINGS
from atarigan.data.collection.screen import Screen
from atarigan.data.collection.worker import Share, Signals, collect_share
from atarigan.errors import InputError
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.layout import layout_of_space

gym.register_envs(ale_py)


def play(env: AgentSteps, policy: Policy, num_steps: int, seed: int = 0) -> tuple[list[Any], float]:
    """Actions and rewards of so many steps, over as many episodes as it takes."""
    env.reset(seed)
    policy.begin_episode()
    actions, total = [], 0.0
    for _ in range(num_steps):
        actions.append(policy.act(env.screen))
        reward, terminated, truncated = env.step(actions[-1])
        total += reward
        if terminated or truncated:
            env.reset()
            policy.begin_episode()
    return actions, total


def make(name: str, env: AgentSteps, seed: int = 0) -> Policy:
    return policy_maker(name, env)(np.random.default_rng(seed))


@pytest.fixture(scope="module")
def breakout() -> AgentSteps:
    return AgentSteps("ALE/Breakout-v5")


@pytest.mark.parametrize("name", ["random", "scripted", "tests.fakes:brightness_policy"])
def test_policy_draws_from_its_generator_alone(name: str, breakout: AgentSteps) -> None:
    first, again = (play(breakout, make(name, breakout), 100)[0] for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", ["random", "scripted"])
def test_play_varies_with_the_seed(name: str, breakout: AgentSteps) -> None:
    plays = [play(breakout, make(name, breakout, seed), 100)[0] for seed in (0, 1)]
    assert plays[0] != plays[1]


def test_random_policy_takes_every_action(breakout: AgentSteps) -> None:
    counts = np.bincount(play(breakout, make("random", breakout), 400)[0], minlength=4)
    assert (np.abs(counts - 100) < 40).all()


@pytest.mark.parametrize(
    ("env_id", "env_kwargs", "num_steps", "least"),
    [
        ("ALE/Breakout-v5", {}, 800, 20),
        ("BreakoutNoFrameskip-v4", {"full_action_space": True}, 800, 20),
        ("ALE/Pong-v5", {}, 2500, 2),
        ("ALE/Bowling-v5", {}, 450, 20),
        pytest.param(
            "PongNoFrameskip-v4", {"full_action_space": True}, 2500, 2, marks=pytest.mark.slow
        ),
    ],
)
def test_scripted_player_scores(
    env_id: str, env_kwargs: dict[str, Any], num_steps: int, least: int
) -> None:
    env = AgentSteps(env_id, env_kwargs=env_kwargs)
    assert play(env, make("scripted", env), num_steps)[1] >= least


class RecordingPolicy:
    """Always the same action; remembers what it was asked."""

    def __init__(self, action: int) -> None:
        self.action = action
        self.num_episodes = 0
        self.num_acts = 0

    def begin_episode(self) -> None:
        self.num_episodes += 1

    def act(self, screen: Screen) -> int:
        self.num_acts += 1
        return self.action


def test_epsilon_is_the_share_of_random_actions(breakout: AgentSteps) -> None:
    inner = RecordingPolicy(3)
    policy = EpsilonMixture(inner, 0.4, breakout.action_space, np.random.default_rng(0))
    actions, _ = play(breakout, policy, 1000)
    assert abs(np.mean(np.array(actions) != 3) - 0.4 * 3 / 4) < 0.05
    assert inner.num_acts == 1000
    assert inner.num_episodes > 1


def test_varied_epsilon_is_drawn_anew_for_each_episode(breakout: AgentSteps) -> None:
    rng = np.random.default_rng(0)
    policy = EpsilonMixture(RecordingPolicy(3), 0.8, breakout.action_space, rng, varies=True)
    shares = []
    for _ in range(60):
        policy.begin_episode()
        shares.append(np.mean([policy.act(breakout.screen) != 3 for _ in range(200)]) * 4 / 3)
    assert 0.6 < max(shares) < 0.9
    assert abs(np.mean(shares) - 0.8 / 4) < 0.1
    assert abs(np.median(shares) - 0.8 / 8) < 0.05
    assert abs(np.std(shares) - 0.8 * (1 / 7 - 1 / 16) ** 0.5) < 0.06


def test_function_is_given_frame_memory_space_and_generator(
    breakout: AgentSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def take_down(*arguments: Any) -> int:
        given.append(arguments)
        return 2

    monkeypatch.setattr("tests.fakes.brightness_policy", take_down)
    policy = make("tests.fakes:brightness_policy", breakout)
    breakout.reset(seed=0)
    assert policy.act(breakout.screen) == 2
    frame, ram, space, rng = given[0]
    assert np.array_equal(frame, breakout.screen.rgb())
    assert np.array_equal(ram, breakout.screen.ram())
    assert space == breakout.action_space
    assert isinstance(rng, np.random.Generator)


def test_function_may_lie_in_the_current_folder(
    breakout: AgentSteps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_player.py").write_text("def left(frame, ram, space, rng): return 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [])
    assert make("my_player:left", breakout).act(breakout.screen) == 3


def test_steering_function_may_return_plain_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fakes.brightness_policy", lambda *_: [0.5, 0, -1])
    env = AgentSteps("tests.fakes:Steering-v0")
    action = make("tests.fakes:brightness_policy", env).act(env.screen)
    assert action.dtype == np.float32
    assert action.tolist() == [0.5, 0, -1]


@pytest.mark.parametrize("answer", [4, -1, 0.5, None, [1]])
def test_answer_that_is_no_action_is_refused(
    breakout: AgentSteps, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fakes.brightness_policy", lambda *_: answer)
    policy = make("tests.fakes:brightness_policy", breakout)
    with pytest.raises(InputError, match=r"must return an action of Discrete\(4\), not"):
        policy.act(breakout.screen)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scriptd", "unknown policy 'scriptd': did you mean 'scripted'"),
        ("sb3:PPO", "must be written sb3:ALGO:FILE.zip"),
        ("sb3:PPO:nowhere.zip", "nowhere.zip does not exist"),
        ("nowhere:play", "cannot be loaded: No module named 'nowhere'"),
        ("tests.fakes:brightnes_policy", "did you mean 'brightness_policy'"),
        ("tests.fakes:np", "has no function 'np'"),
    ],
)
def test_wrong_policy_name_is_refused(breakout: AgentSteps, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        policy_maker(name, breakout)


@pytest.mark.parametrize(
    ("env_id", "env_kwargs"),
    [
        ("ALE/Asteroids-v5", {}),
        ("tests.fakes:Counting-v0", {}),
        ("ALE/Pong-v5", {"continuous": True}),
    ],
)
def test_a_game_without_a_script_is_refused(env_id: str, env_kwargs: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="scripted plays Pong, .* with discrete actions, not"):
        policy_maker("scripted", AgentSteps(env_id, env_kwargs=env_kwargs))


def test_color_stack_holds_resized_frames_in_order() -> None:
    layout = layout_of_space(gym.spaces.Box(0, 255, (40, 30, 6), np.uint8), "HWKC")
    assert layout is not None
    stacks = FrameStacks(layout)
    env = AgentSteps("tests.fakes:Counting-v0")
    env.reset(seed=0)
    level = int(env.screen.rgb()[0, 0, 0])
    stacks.push(0, PREPROCESSINGS["sb3"].frame(env.screen, layout))
    assert stacks.observations[0, 0, 0].tolist() == [0, 0, 0, level, level, level]
    env.step(0)
    stacks.push(0, PREPROCESSINGS["sb3"].frame(env.screen, layout))
    assert stacks.observations[0, 9, 9].tolist() == [level] * 3 + [level + 1] * 3


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained PPO behind AtariWrapper and a stack of 4."""
    env = VecFrameStack(DummyVecEnv([lambda: AtariWrapper(gym.make("BreakoutNoFrameskip-v4"))]), 4)
    model = PPO("CnnPolicy", env, n_steps=8, batch_size=8, device="cpu", seed=0)
    file = tmp_path_factory.mktemp("models") / "model.zip"
    model.save(file)
    return file


def test_model_sees_its_own_stack_and_fires_first_in_each_life(
    model_file: Path, breakout: AgentSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    actions: list[Any] = []

    def go_right(model: PPO, observations: np.ndarray, **_: Any) -> tuple[np.ndarray, None]:
        seen.append(observations[0].copy())
        return np.array([2]), None

    monkeypatch.setattr(PPO, "predict", go_right)
    policy = make(f"sb3:PPO:{model_file}", breakout)
    breakout.reset(seed=0)
    policy.begin_episode()
    lives, began = 0, []
    for _ in range(300):
        if breakout.screen.lives() != lives:
            lives = breakout.screen.lives()
            began.append(len(actions))
        actions.append(policy.act(breakout.screen))
        if breakout.step(actions[-1])[1]:
            break
    assert len(began) > 3
    assert actions[:2] == [1, 2]  # FIRE and the next action, as FireResetEnv takes them
    assert all(actions[step : step + 3] == [0, 1, 2] for step in began[1:])  # NOOP comes first
    assert len(seen) == len(actions) - 2 - 3 * len(began[1:])
    assert {stack.shape for stack in seen} == {(4, 84, 84)}
    assert len(set(map(bytes, seen))) > 10


def test_models_play_repeats_with_the_seed(model_file: Path, breakout: AgentSteps) -> None:
    name = f"sb3:PPO:{model_file}"
    plays = [play(breakout, make(name, breakout, seed), 30)[0] for seed in (0, 0, 1)]
    assert plays[0] == plays[1] != plays[2]
    assert len(set(plays[0])) == 4


def test_buffer_stores_the_screen_and_not_what_the_model_sees(
    model_file: Path, tmp_path: Path
) -> None:
    origin = Origin(env_id="ALE/Breakout-v5", policy=f"sb3:PPO:{model_file}")
    buffer = create_buffer(tmp_path / "b", origin, format_name="rgb", size=None, capacity=20)
    collect_share(Share(buffer.path, index=0, num_steps=20, seed=0), Signals(1))
    buffer.refresh()
    assert buffer.values_at("frames", np.arange(20)).shape == (20, 210, 160, 3)
    assert buffer.values_at("actions", np.arange(1)).tolist() == [1]  # FIRE


@pytest.mark.parametrize(
    ("algorithm", "env_id", "message"),
    [
        ("PPPO", "ALE/Breakout-v5", "no algorithm 'PPPO': did you mean 'PPO'"),
        ("DQN", "ALE/Breakout-v5", "model.zip is not a model of DQN"),
        ("PPO", "ALE/Pong-v5", r"must be a model with actions Discrete\(6\), not Discrete\(4\)"),
    ],
)
def test_model_that_does_not_fit_is_refused(
    model_file: Path, algorithm: str, env_id: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make(f"sb3:{algorithm}:{model_file}", AgentSteps(env_id))


def test_model_of_something_else_than_images_is_refused(tmp_path: Path) -> None:
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, device="cpu")
    model.save(tmp_path / "cart.zip")
    env = AgentSteps("tests.fakes:Counting-v0")
    with pytest.raises(InputError, match="must be a model of image observations"):
        make(f"sb3:PPO:{tmp_path / 'cart.zip'}", env)


def test_file_that_is_no_model_is_refused(tmp_path: Path, breakout: AgentSteps) -> None:
    (tmp_path / "text.zip").write_text("not a zip file")
    with pytest.raises(InputError, match="text.zip is not a model of PPO"):
        make(f"sb3:PPO:{tmp_path / 'text.zip'}", breakout)


def test_held_actions_keep_to_their_shares_and_holds(breakout: AgentSteps) -> None:
    shares = ActionShares(np.array([0.7, 0.3, 0.0, 0.0]), 5)
    policy = HeldActions(4, np.random.default_rng(0), shares)
    actions = np.array([policy.act(breakout.screen) for _ in range(20_000)])
    assert (actions == 0).mean() == pytest.approx(0.7, abs=0.03)
    assert set(actions.tolist()) == {0, 1}
    runs = 1 + np.count_nonzero(np.diff(actions))  # two draws in a row may be the same
    assert len(actions) / runs == pytest.approx(5 / (2 * 0.7 * 0.3), rel=0.1)


def test_held_actions_differ_between_episodes_unless_shares_are_given(
    breakout: AgentSteps,
) -> None:
    means = []
    for shares in (None, ActionShares(np.full(4, 0.25), 1)):
        policy = HeldActions(4, np.random.default_rng(0), shares)
        counts = []
        for _ in range(6):
            policy.begin_episode()
            drawn = [policy.act(breakout.screen) for _ in range(1000)]
            counts.append(np.bincount(drawn, minlength=4))
        means.append(np.std(counts, axis=0).max())
    assert means[0] > 100 > 30 > means[1]
