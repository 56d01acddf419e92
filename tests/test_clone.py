"""Pixel policies by imitation: they learn, are saved, go on, and play where they are named."""

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from atarigan import clone, collect
from atarigan.errors import InputError
from atarigan.frames.agent_steps import AgentSteps
from atarigan.frames.frame_buffer import FrameBuffer
from atarigan.frames.scripted import PaddlePlayer, TrackingPlayer, scripted_game, teacher
from atarigan.play.student import Student


def dots(num, seed):
    """Stacks in which a dot of 2 pixels stands; left of the middle action 0 is right, else 1."""
    rng = np.random.default_rng(seed)
    stacks = np.full((num, 4, 84, 84), 60, np.uint8)
    places = rng.integers(10, 72, (num, 2))
    for stack, (row, column) in zip(stacks, places, strict=True):
        stack[:, row, column : column + 2] = 200
    return stacks, (places[:, 1] >= 41).astype(np.int64), (places / 31 - 1.3).astype(np.float32)


def test_a_student_learns_where_a_dot_is():
    student = Student.new(num_actions=3, num_places=2, seed=0)
    stacks, labels, places = dots(600, seed=0)
    student.start_from(stacks, labels, places, np.random.default_rng(0))
    unseen, right, _ = dots(200, seed=1)
    assert (student.actions(unseen) == right).mean() > 0.8
    first, agreed = student.learn(unseen, right, places[:200], 1e-4)
    assert agreed > 0.8
    losses = [student.learn(unseen, right, places[:200], 1e-4)[0] for _ in range(3)]
    assert min(losses) < first


def test_what_is_saved_is_small_and_acts_alike(tmp_path):
    student = Student.new(num_actions=4, num_places=2, seed=0)
    stacks, labels, places = dots(8, seed=0)
    student.learn(stacks, labels, places, 1e-3)
    file, learner = tmp_path / "new" / "player.zip", tmp_path / "learner.pt"
    student.save(file, learner)
    assert file.stat().st_size < 2_000_000
    model = PPO.load(file, device="cpu")
    actions = model.predict(stacks, deterministic=True)[0]
    np.testing.assert_array_equal(actions, student.actions(stacks))
    again = Student.load(file, learner, num_places=2)
    for each in (student, again):
        each.learn(stacks, labels, places, 1e-3)
    for name, weight in student.model.policy.state_dict().items():
        assert torch.equal(weight, again.model.policy.state_dict()[name]), name


def test_a_learner_that_is_none_is_refused(tmp_path):
    student = Student.new(num_actions=3, num_places=2, seed=0)
    student.save(tmp_path / "a.zip", tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(b"nothing")
    for name, complaint in (("b.pt", "is not what a student saved"), ("c.pt", "does not exist")):
        with pytest.raises(InputError, match=complaint):
            Student.load(tmp_path / "a.zip", tmp_path / name, num_places=2)


@pytest.mark.parametrize("game", ["Pong", "Breakout"])
def test_a_teacher_says_the_same_of_the_same_state(game):
    env = AgentSteps(f"ALE/{game}-v5")
    answers = []
    for seed in (0, 1):
        env.reset(3)
        player = teacher(env, np.random.default_rng(seed))
        player.begin_episode()
        said = []
        for _ in range(200):
            said.append(player.act(env.screen))
            env.step(said[-1])
        answers.append(said)
    assert answers[0] == answers[1]
    assert len(set(answers[0])) >= 3


def test_a_player_goes_by_what_was_really_done():
    env = AgentSteps("ALE/Breakout-v5", env_kwargs={"repeat_action_probability": 0.0})
    game, meanings = scripted_game(env), env.action_meanings
    told, untold = (PaddlePlayer(game, meanings, np.random.default_rng(0)) for _ in range(2))
    env.reset(0)
    for player in (told, untold):
        player.begin_episode()
    said = []
    for step in range(60):
        said.append([told.act(env.screen), untold.act(env.screen)])
        done = meanings.index("LEFT") if step % 3 else said[-1][0]
        told.did(done)
        env.step(done)
    assert any(first != second for first, second in said)


def test_tracking_scores():
    env = AgentSteps("ALE/Breakout-v5")
    player = teacher(env, np.random.default_rng(0))
    assert isinstance(player, TrackingPlayer)
    env.reset(0)
    player.begin_episode()
    assert sum(env.step(player.act(env.screen))[0] for _ in range(600)) >= 15


@pytest.fixture(scope="module")
def cloned(tmp_path_factory):
    out = tmp_path_factory.mktemp("clone") / "player.zip"
    words = ["--env-id", "ALE/Breakout-v5", "--out", str(out), "--batch-size", "8"]
    assert clone.main([*words, "--num-steps", "600"]) == 0
    return out


def test_cloning_leaves_a_policy_that_collects(cloned, tmp_path, capsys):
    words = ["--env-id", "ALE/Breakout-v5", "--num-steps", "30", "--num-envs", "1"]
    words += ["--policy", f"sb3:PPO:{cloned}", "--out", str(tmp_path / "data")]
    assert collect.main(words) == 0
    assert len(FrameBuffer.open(tmp_path / "data")) == 30
    capsys.readouterr()


def test_lessons_hold_what_the_teacher_says(cloned):
    buffer = FrameBuffer.open(cloned.parent / "player-lessons" / "frames")
    assert len(buffer) >= 600
    assert buffer.meta.frame_format.shape == (84, 84, 1)
    said = buffer.values_at("actions", np.arange(len(buffer)))
    assert {0, 2, 3} <= set(said.tolist())


def test_cloning_goes_on(cloned, capsys):
    before = cloned.read_bytes()
    words = ["--env-id", "ALE/Breakout-v5", "--out", str(cloned), "--batch-size", "8"]
    with pytest.raises(InputError, match="exists already: add --resume"):
        clone.main(words)
    assert clone.main([*words, "--num-steps", "1200", "--resume"]) == 0
    assert "after 1," in capsys.readouterr().out
    assert cloned.read_bytes() != before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--out", "a.pt"], "--out must end in .zip, not 'a.pt'"),
        (["--out", "a.zip", "--player", "me"], "--player must be scripted, not 'me'"),
        (["--out", "a.zip", "--num-steps", "9"], "--num-steps must be at least 512, not 9"),
        (["--out", "a.zip", "--minutes", "-1"], "--minutes must be at least 0, not -1"),
        (["--out", "a.zip", "--env-id", "ALE/Seaquest-v5"], "scripted plays Pong and Breakout"),
        (["--out", "a.zip", "--resume"], "does not exist"),
    ],
)
def test_what_cannot_be_cloned_is_one_line(words, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((InputError, SystemExit)) as refused:
        clone.main(words)
    shown = capsys.readouterr().err or str(refused.value)
    assert complaint in shown
    assert shown.strip().count("\n") == 0
    assert not list(tmp_path.iterdir())
