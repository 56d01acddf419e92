"""`python -m atarigan.evaluate --policy`: how much of its score a policy keeps."""

import contextlib
import json
import math
import shutil
import signal

import gymnasium as gym
import pytest

from atarigan import evaluate
from atarigan.cli import command_line
from atarigan.cli.progress import ProgressDisplay
from atarigan.errors import InputError
from atarigan.evaluation.evaluate_arguments import EvaluateArguments
from atarigan.evaluation.policy.episodes import EpisodeResults
from atarigan.evaluation.policy.policy_evaluation import PolicyEvaluation
from atarigan.images.pixels import FrameFormat
from atarigan.models import model_source
from tests.fakes import policy_for, untrained_policy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An untrained policy and a generator of Pong."""
    folder = tmp_path_factory.mktemp("policy")
    policy = untrained_policy(6)
    policy.trained_on = {"preprocessing": "clone"}
    policy.save(folder / "player.zip")
    shutil.copytree(model_source.resolved("pong"), folder / "run")
    return folder


def words_for(folder, *more):
    words = ["--policy", str(folder / "player.zip"), "--env-id", "ALE/Pong-v5"]
    return [*words, "--episodes", "2", "--max-frames", "80", *more]


@pytest.fixture(scope="module")
def with_generator(folder):
    """The folder of the report on the policy and the generator."""
    assert evaluate.main(words_for(folder, "--run", str(folder / "run"))) == 0
    return folder / "run" / "policy"


def returns_of(folder):
    return json.loads((folder / "metrics.json").read_text())["returns"]


def test_a_policy_is_evaluated_with_a_generator(with_generator):
    found = json.loads((with_generator / "metrics.json").read_text())
    views = {"random", "real", "generated", "noise", "blurred", "erased", "blind"}
    assert set(found["returns"]) == views
    agreement = found["metrics"]["agreement"]
    low, high = agreement["interval"]
    assert 0 <= low <= agreement["value"] <= high <= 1
    assert (found["episodes"], found["max_frames"]) == (2, 80)
    assert len(found["returns"]["generated"]["episodes"]) == 2
    assert "data:video/mp4;base64," in (with_generator / "evaluation.html").read_text()
    assert not (with_generator.parent / "evaluation.html").exists()


@pytest.mark.slow
def test_a_policy_without_a_generator_has_the_same_other_returns(
    folder, with_generator, tmp_path, capsys
):
    assert evaluate.main(words_for(folder, "--out", str(tmp_path))) == 0
    table = capsys.readouterr().out
    returns = returns_of(tmp_path)
    for view in returns:
        assert f"\n{view} " in table
    assert returns_of(with_generator) | returns == returns_of(with_generator)
    assert "generated" not in returns
    assert "video/mp4" not in (tmp_path / "evaluation.html").read_text()


def test_ctrl_c_reports_what_was_played(folder, tmp_path, monkeypatch, capsys):
    """It is pressed when random actions and real frames are done, in the next view."""
    num_steps = 0
    advance = ProgressDisplay.advance

    def press(display, num):
        nonlocal num_steps
        before, num_steps = num_steps, num_steps + num
        if before < (4 + 2 * 2) * 20 + 10 <= num_steps:  # after 4 episodes for statistics
            signal.raise_signal(signal.SIGINT)
        advance(display, num)

    monkeypatch.setattr(ProgressDisplay, "advance", press)
    assert evaluate.main(words_for(folder, "--out", str(tmp_path))) == 130
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert list(found["returns"]) == ["random", "real"]
    assert found["interrupted"] == {"noise": {"episodes": [], "agent_steps": []}}
    assert "stopped while playing noise" in capsys.readouterr().out
    assert (tmp_path / "evaluation.html").exists()


def to_play(*words):
    """Return the policy as the command would play it."""
    return evaluate.policy_to_play(
        command_line.parse(EvaluateArguments, [*map(str, words)], command="evaluate")
    )


def test_what_the_policy_was_trained_with_is_chosen_by_flags(tmp_path):
    policy_for((3, 84, 84), gym.spaces.Discrete(18)).save(tmp_path / "p.zip")
    words = ["--policy", tmp_path / "p.zip", "--env-id", "ALE/Asteroids-v5"]
    words += ["--env-kwargs", '{"full_action_space": true, "difficulty": 3}']
    with pytest.warns(UserWarning, match="a stack of gray frames, layout KHW: --policy-layout KC"):
        played = to_play(*words)
    assert (played.layout.num_stack, played.layout.num_channels) == (3, 1)
    assert (played.config.preprocessing.name, played.config.frame_skip) == ("sb3", 4)
    with contextlib.closing(played.config.make_env()) as env:
        assert env.action_space == gym.spaces.Discrete(18)
    words += ["--policy-preprocessing", "gymnasium", "--policy-layout", "KCHW", "--frame-skip", "2"]
    with pytest.warns(UserWarning, match="was trained with frame skip 4, not 2"):
        played = to_play(*words)
    assert (played.layout.num_stack, played.layout.num_channels) == (1, 3)
    assert (played.config.preprocessing.name, played.config.frame_skip) == ("gymnasium", 2)
    assert played.facts["env_kwargs"] == {"full_action_space": True, "difficulty": 3}


def test_a_policy_that_was_trained_on_another_game_is_warned_of(tmp_path):
    policy = untrained_policy(6)
    policy.trained_on = {"preprocessing": "clone", "env_id": "PongNoFrameskip-v4", "frame_skip": 3}
    policy.save(tmp_path / "p.zip")
    words = ["--policy", tmp_path / "p.zip", "--env-id", "ALE/SpaceInvaders-v5"]
    with pytest.warns(UserWarning, match="trained on PongNoFrameskip-v4, not ALE/SpaceInvaders-v5"):
        assert to_play(*words).config.frame_skip == 3
    assert to_play(*words[:3], "ALE/Pong-v5").config.preprocessing.name == "clone"


@pytest.mark.slow
def test_a_generator_of_unpooled_frames_is_warned_of_for_a_pooled_policy(folder, tmp_path):
    words = words_for(folder, "--run", str(folder / "run"), "--out", str(tmp_path))
    with pytest.warns(UserWarning, match="frames pooled 1, not 2"):
        assert evaluate.main([*words, "--policy-preprocessing", "sb3"]) == 0


def evaluation(**returns):
    results = {
        view: EpisodeResults(list(values), [100] * len(values)) for view, values in returns.items()
    }
    results["real"].num_queried, results["real"].num_agreed = [10, 30], {"generated": [9, 30]}
    facts = {"env_id": "ALE/Pong-v5", "max_frames": 80}
    return PolicyEvaluation("player", results, FrameFormat("gray", 84, 84), facts, seed=0)


def test_scores_follow_from_the_episodes():
    found = evaluation(random=[0, 2], real=[9, 13], generated=[6, 6])
    assert found.retention("generated")[0] == pytest.approx(0.5)
    assert found.agreement("generated")[0] == pytest.approx(39 / 40)
    scores = found.scores()
    assert set(scores) == {"retention", "agreement"}
    low, high = scores["retention"]["interval"]
    assert 0.3 < low < 0.5 < high < 0.9
    assert "0.500" in found.table()


def test_a_policy_no_better_than_random_has_no_retention():
    found = evaluation(random=[3, 5], real=[4, 4], generated=[6, 6])
    assert math.isnan(found.retention("generated")[0])
    assert "retention" not in found.scores()
    assert "nan" not in found.table()
    json.dumps(found.record(), allow_nan=False)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--policy", "p.zip"], "--policy needs --env-id ID"),
        (["--policy", "p.zip", "--samples", "a.npz"], "not --samples"),
        (["--run", "r", "--env-id", "ALE/Pong-v5"], "--env-id needs --policy FILE.zip"),
        (["--run", "r", "--episodes", "0"], "--episodes needs --policy FILE.zip"),
        (["--samples", "s.npz", "--policy-layout", "KHW"], "--policy-layout needs --policy"),
        (
            ["--policy", "p.zip", "--env-id", "ALE/Pong-v5", "--num", "9"],
            "--num is for samples, not for --policy",
        ),
        (
            ["--policy", "p.zip", "--env-id", "ALE/Pong-v5", "--episodes", "1"],
            "--episodes must be at least 2, not 1",
        ),
        (
            ["--policy", "p.zip", "--env-id", "ALE/Pong-v5", "--max-frames", "0"],
            "--max-frames must be at least 4, not 0",
        ),
        (["--policy", "p.zip", "--env-id", "ALE/Pong-v5"], "p.zip does not exist"),
        (["--policy", "sb3:p.zip", "--env-id", "ALE/Pong-v5"], "sb3:ALGO:FILE.zip"),
    ],
)
def test_invalid_flags_are_refused_in_one_line(words, complaint, capsys):
    with pytest.raises((InputError, SystemExit)) as refused:
        evaluate.main(words)
    shown = capsys.readouterr().err or str(refused.value)
    assert complaint in shown
    assert shown.strip().count("\n") == 0


def test_a_generator_of_another_game_is_refused_by_the_name_of_the_flag(folder, tmp_path):
    untrained_policy(4).save(tmp_path / "player.zip")
    words = ["--policy", str(tmp_path / "player.zip"), "--env-id", "ALE/Breakout-v5"]
    with pytest.raises(InputError, match=r"of ALE/Breakout-v5: --allow-other-game draws"):
        evaluate.main([*words, "--run", str(folder / "run"), "--out", str(tmp_path / "out")])


def test_a_policy_of_another_game_is_refused(folder):
    words = ["--policy", str(folder / "player.zip"), "--env-id", "ALE/Breakout-v5"]
    with pytest.raises(InputError, match=r"actions Discrete\(4\), not Discrete\(6\)"):
        evaluate.main(words)
