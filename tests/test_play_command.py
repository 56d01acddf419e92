"""`python -m atarigan.play`: a page in the browser, or a window."""

import subprocess
import sys
import webbrowser
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from atarigan import play
from atarigan.cli.command_line import run as run_command
from atarigan.envs.play_window import Episodes, keys_of, play_in_window

pygame = pytest.importorskip("pygame")


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")


@pytest.mark.slow  # draws thousands of frames to find what bytes do
def test_a_page_is_written_and_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(opened.append(url)))
    out = tmp_path / "pong.html"
    assert play.main(["--run", "pong", "--out", str(out)]) == 0
    assert opened == [out.as_uri()]
    assert capsys.readouterr().out == (
        f"wrote {out}, 1.92 MB\nthere is no browser here: open the file in one\n"
    )
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert play.main(["--run", "pong"]) == 0
    assert opened[1].endswith("/pong.html")


def test_the_real_game_is_shown_beside_its_generated_frames(
    no_display: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play.main(["--env-id", "ALE/Pong-v5", "--max-steps", "3"]) == 0
    assert capsys.readouterr().out.endswith("3 agent steps, scores: 0\n")


def test_a_dream_is_played_in_a_window(
    no_display: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play.main(["--run", "pong", "--window", "--max-steps", "3"]) == 0
    assert capsys.readouterr().out.endswith("3 agent steps, scores: 0\n")


class Pressing(gym.Env[Any, Any]):
    """Notes actions; a key is pressed after the first step, and each episode takes four steps."""

    render_mode = "rgb_array"
    action_space = gym.spaces.Discrete(3)

    def __init__(self) -> None:
        self.actions: list[int] = []

    def get_action_meanings(self) -> list[str]:
        return ["NOOP", "RIGHT", "LEFT"]

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        return np.zeros(1), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if not self.actions:
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_UP))
        self.actions.append(int(action))
        return np.zeros(1), 2.0, len(self.actions) % 4 == 0, False, {}

    def render(self) -> Any:
        return np.zeros((8, 600, 3), np.uint8)


def test_keys_become_actions_and_rewards_scores(no_display: None) -> None:
    env = Pressing()
    episodes = play_in_window(env, seed=0, max_steps=6)
    assert env.actions == [0, 1, 1, 1, 1, 1]
    assert episodes.scores == [8.0, 4.0]
    assert episodes.num_steps == 6


def test_no_step_is_no_score() -> None:
    assert Episodes().scores == []


def test_every_action_has_its_keys() -> None:
    keys = keys_of(["NOOP", "UP", "LEFT", "UPRIGHTFIRE"])
    assert keys[(pygame.K_w,)] == keys[(pygame.K_UP,)] == 1
    assert keys[(pygame.K_LEFT,)] == 2
    assert keys[tuple(sorted([pygame.K_UP, pygame.K_RIGHT, pygame.K_SPACE]))] == 3
    assert (pygame.K_DOWN,) not in keys
    turned = keys_of(["NOOP", "FIRE", "RIGHT", "LEFTFIRE"])
    assert turned[(pygame.K_UP,)] == turned[(pygame.K_RIGHT,)] == 2
    assert turned[(pygame.K_SPACE, pygame.K_s)] == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "either --run or --env-id must be given, not neither"),
        (["--run", "pong", "--env-id", "ALE/Pong-v5"], "must be given, not both"),
        (["--run", "pong", "--generator", "pong"], "--generator needs --env-id"),
        (["--run", "pong", "--out", "pong.htm"], "--out must end in .html, not 'pong.htm'"),
        (["--run", "pong", "--window", "--out", "a.html"], "--out needs --run without --window"),
        (["--run", "pong", "--max-steps", "-1"], "--max-steps must be at least 0, not -1"),
        (["--run", "pong", "--seed", "1"], "--seed and --max-steps need a window"),
        (["--env-id", "ALE/Pong-v5", "--generator", "ping"], "did you mean 'pong'?"),
        (["--run", "qbert", "--window"], "--window needs a dream, and qbert has none"),
        (["--run", "ping"], "did you mean 'pong'?"),
        (["--env-id", "ALE/Tetris-v5"], "generator must be named for ALE/Tetris-v5"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: play.main(words), command="play")
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def test_a_wrong_generator_is_said_before_the_emulator_starts() -> None:
    words = ["-m", "atarigan.play", "--env-id", "ALE/Pong-v5", "--generator", "ping"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("python -m atarigan.play: ping does not exist")


def test_a_page_that_cannot_be_written_is_named_as_it_was_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: play.main(["--run", "pong", "--out", "/proc/a.html"]), command="play")
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("python -m atarigan.play: /proc/a.html: ")


def test_a_window_needs_a_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "nothing")
    with pytest.raises(ValueError, match="a window needs a display: "):
        play_in_window(Pressing(), seed=0)
