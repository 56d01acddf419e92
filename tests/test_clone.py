"""Cloned policies: learning, saving, and playing."""

import itertools
import re

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO

from atarigan import clone, collect
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.screen import read_frame
from atarigan.data.collection.scripted.scripts import script_of
from atarigan.errors import InputError
from atarigan.evaluation.policy.cloned_policy import ClonedPolicy
from atarigan.evaluation.policy.cloning import Cloning
from atarigan.evaluation.policy.frame_noise import with_noise, with_swapped_blocks
from atarigan.evaluation.policy.played_policy import PlayedPolicy
from atarigan.images.frame_stack import FrameStacks


@pytest.fixture(autouse=True)
def _few_games(monkeypatch):
    monkeypatch.setattr("atarigan.evaluation.policy.cloning.NUM_GAMES", 4)


def dots(num, seed):
    """Return stacks of a still dot of 2 pixels; the label is 0 left of the middle, else 1."""
    rng = np.random.default_rng(seed)
    stacks = np.full((num, 4, 84, 84), 60, np.uint8)
    places = rng.integers(10, 72, (num, 2))
    for stack, (row, column) in zip(stacks, places, strict=True):
        stack[:, row, column : column + 2] = 200
    return stacks, (places[:, 1] >= 41).astype(np.int64), (places / 31 - 1.3).astype(np.float32)


@pytest.fixture(scope="module")
def trained():
    """A policy trained on dots."""
    policy = ClonedPolicy(num_actions=3, num_targets=2, seed=0)
    stacks, labels, places = dots(600, seed=0)
    policy.fit(stacks)
    features, rng = policy.features(stacks), np.random.default_rng(0)
    places[::7] = np.nan
    for _ in range(120):
        rows = rng.integers(len(stacks), size=64)
        policy.learn(features[rows], labels[rows], places[rows], 1e-3)
    return policy


def test_a_policy_learns_the_position_of_a_dot(trained):
    unseen, right, _ = dots(200, seed=1)
    assert (trained.actions(trained.features(unseen)) == right).mean() > 0.9


def test_a_saved_policy_is_small_and_acts_alike(trained, tmp_path):
    unseen, _, _ = dots(50, seed=1)
    trained.save(tmp_path / "new" / "player.zip")
    assert (tmp_path / "new" / "player.zip").stat().st_size < 2_000_000
    model = PPO.load(tmp_path / "new" / "player.zip", device="cpu")
    actions = model.predict(unseen, deterministic=True)[0]
    np.testing.assert_array_equal(actions, trained.actions(trained.features(unseen)))


def test_a_share_of_blocks_is_swapped():
    frames = np.arange(50, dtype=np.uint8)[:, None, None, None].repeat(84, 1).repeat(84, 2)
    seen = with_swapped_blocks(frames, 0.01, np.random.default_rng(0))
    blocks = seen.reshape(50, 21, 4, 21, 4).transpose(0, 1, 3, 2, 4).reshape(50 * 441, 16)
    assert (blocks == blocks[:, :1]).all()
    is_swapped = blocks[:, 0] != np.repeat(np.arange(50), 441)
    assert is_swapped.mean() == pytest.approx(0.01, abs=0.003)
    for frame in seen:
        assert len(np.unique(frame)) <= 2


def test_pixels_are_off_by_at_most_the_levels_that_their_frame_draws():
    frames = np.full((200, 8, 8, 1), 100, np.uint8)
    changes = np.abs(with_noise(frames, 4, np.random.default_rng(0)).astype(int) - 100)
    largest = changes.max((1, 2, 3))
    assert set(largest) == {0, 1, 2, 3, 4}
    assert changes.mean() == pytest.approx(1, abs=0.1)


def test_noise_stays_within_the_levels_of_a_pixel():
    frames = np.zeros((50, 8, 8, 1), np.uint8)
    frames[25:] = 255
    changes = np.abs(with_noise(frames, 4, np.random.default_rng(0)).astype(int) - frames)
    assert 0 < changes.max() <= 4


@pytest.mark.parametrize(
    ("game", "least"),
    [
        ("Breakout", 30),
        ("Boxing", 25),
        ("Bowling", 150),
        pytest.param("Pong", 3, marks=pytest.mark.slow),
    ],
)
def test_a_teacher_scores_and_is_deterministic(game, least):
    env = AgentSteps(f"ALE/{game}-v5")
    played = []
    for num_steps in (1600, 300):
        env.reset(0)
        teacher = script_of(env).teacher(env.action_meanings)
        teacher.begin_episode()
        score, actions = 0.0, []
        for _ in range(num_steps):
            actions.append(teacher.act(env.screen))
            reward, terminated, _ = env.step(actions[-1])
            score += reward
            if terminated:
                break
        played.append((score, actions))
        assert np.isfinite(teacher.features).all() or np.isnan(teacher.features).all()
    (score, actions), (_, again) = played
    assert score >= least
    assert actions[:300] == again
    assert len(set(actions)) >= 3


def test_a_teacher_of_cartpole_balances():
    pytest.importorskip("pygame")
    env = AgentSteps("CartPole-v1")
    teacher = script_of(env).teacher(env.action_meanings)
    actions = []
    for _ in range(2):
        env.reset(0)
        teacher.begin_episode()
        played = []
        for _ in range(60):
            played.append(teacher.act(env.screen))
            assert not env.step(played[-1])[1]
            assert np.abs(teacher.features).max() <= 3
        actions.append(played)
    assert actions[0] == actions[1]
    assert 20 < sum(actions[0]) < 40


@pytest.mark.slow
def test_a_policy_sees_cartpole_and_is_played_without_its_pictures(tmp_path):
    pytest.importorskip("pygame")
    file = tmp_path / "balancer.zip"
    words = ["--env-id", "CartPole-v1", "--num-steps", "512", "--frame-skip", "2"]
    assert clone.main([*words, "--out", str(file)]) == 0
    played = PlayedPolicy.load(str(file), "CartPole-v1", 400)
    assert (played.config.frame_skip, played.layout.frame_format.shape) == (2, (84, 84, 1))
    assert played.model.action_space == gym.spaces.Discrete(2)


@pytest.mark.slow
def test_a_cloned_policy_tolerates_pixels_that_are_a_level_off():
    """Without noise in its training, it took the same action in half of such states."""
    pytest.importorskip("pygame")
    cloning = Cloning("CartPole-v1", num_steps=4000, seed=0)
    cloning.begin(2000)
    while not cloning.is_done:
        cloning.play(64)
        cloning.learn(64, 256, 1e-3)
    cloning.close()
    rng = np.random.default_rng(0)
    env, stacks = AgentSteps("CartPole-v1"), FrameStacks(cloning.policy.layout, 1)
    frame_format = cloning.policy.layout.frame_format
    observations, is_over = [], True
    for _ in range(300):
        if is_first := is_over:
            env.reset(int(rng.integers(1000)))
        frame = read_frame(env.screen, frame_format)
        observations.append(stacks.push_each([0], frame[None], [is_first])[0])
        is_over = any(env.step(int(rng.integers(2)))[1:3])
    real = np.stack(observations)
    noisy = np.clip(real + rng.integers(-1, 2, real.shape), 0, 255).astype(np.uint8)
    policy = cloning.policy
    actions = policy.actions(policy.features(real))
    assert 0.2 < actions.mean() < 0.8
    assert (policy.actions(policy.features(noisy)) == actions).mean() > 0.9


def test_the_policy_takes_over_within_a_bounded_store(monkeypatch):
    monkeypatch.setattr("atarigan.evaluation.policy.cloning.CAPACITY", 64)
    cloning = Cloning("ALE/Breakout-v5", num_steps=192, seed=0)
    cloning.begin(32)
    shares = []
    while not cloning.is_done:
        shares.append(cloning.teacher_share)
        cloning.play(4)
        assert np.isfinite(cloning.learn(2, 16, 1e-3).loss)
    assert shares[0] > 0.7
    assert shares[-1] == pytest.approx(0.1)
    assert cloning.num_steps == 192
    cloning.close()


@pytest.mark.slow
def test_a_cloned_policy_collects(tmp_path, capsys):
    file = tmp_path / "player.zip"
    words = ["--env-id", "ALE/Breakout-v5", "--out", str(file), "--num-steps", "512"]
    assert clone.main(words) == 0
    assert "player.zip: agrees with the teacher on" in capsys.readouterr().out
    with pytest.raises(InputError, match="exists: name another --out, or add --overwrite"):
        clone.main(words)
    words = ["--env-id", "ALE/Breakout-v5", "--num-steps", "30", "--num-envs", "1"]
    words += ["--policy", f"sb3:PPO:{file}", "--out", str(tmp_path / "data")]
    assert collect.main(words) == 0
    assert len(FrameBuffer.open(tmp_path / "data")) == 30
    capsys.readouterr()


def test_time_limit_ends_cloning_with_what_was_learned(tmp_path, capsys, monkeypatch):
    """Time passes by half a minute with each look at the clock."""
    clock = itertools.count(step=30)
    monkeypatch.setattr("atarigan.clone.time.monotonic", lambda: next(clock))
    file = tmp_path / "player.zip"
    words = ["--env-id", "ALE/Breakout-v5", "--out", str(file), "--num-steps", "1000000000"]
    monkeypatch.setattr("atarigan.clone.NUM_TEACHER_STEPS", 64)
    assert clone.main([*words, "--max-minutes", "5"]) == 0
    assert PPO.load(file, device="cpu").action_space == gym.spaces.Discrete(4)
    steps = int(
        re.search(r"after ([\d,]+) agent steps", capsys.readouterr().out)[1].replace(",", "")
    )
    assert 64 <= steps < 2000


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--out", "a.pt"], "--out must end in .zip, not 'a.pt'"),
        (["--out", "a.zip", "--num-steps", "9"], "--num-steps must be at least 512, not 9"),
        (["--out", "a.zip", "--learning-rate", "0"], "must be above 0 and at most 1, not 0.0"),
        (["--out", "a.zip", "--learning-rate", "inf"], "must be above 0 and at most 1, not inf"),
        (["--out", "a.zip", "--learning-rate", "nan"], "must be above 0 and at most 1, not nan"),
        (["--out", "a.zip", "--frame-skip", "0"], "--frame-skip must be at least 1, not 0"),
        (["--out", "a.zip", "--seed", "-1"], "--seed must be from 0 to 4294967295, not -1"),
        (["--out", "a.zip", "--seed", "4294967296"], "--seed must be from 0 to 4294967295, not 4"),
        (["--out", "a.zip", "--max-minutes", "-1"], "--max-minutes must be at least 0, not -1.0"),
        (["--out", "a.zip", "--max-minutes", "nan"], "--max-minutes must be at least 0, not nan"),
    ],
)
def test_invalid_flags_are_refused(words, complaint, capsys):
    with pytest.raises(SystemExit, match="2"):
        clone.main(words)
    assert complaint in capsys.readouterr().err


def test_a_game_without_a_teacher_is_refused(tmp_path):
    words = ["--out", str(tmp_path / "a.zip"), "--env-id", "ALE/Seaquest-v5"]
    with pytest.raises(InputError, match="scripted plays Pong, Breakout, .* not seaquest"):
        clone.main(words)
