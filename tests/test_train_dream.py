"""`python -m atarigan.train --recipe dream`: learns a game, and goes on."""

import shutil
from pathlib import Path

import pytest

from atarigan import FrameBuffer, train
from atarigan.cli import command_line
from atarigan.data.collection.replayed_frames import replayed_games
from atarigan.errors import InputError
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.exactness import wrong_transitions
from atarigan.models.dynamics.game_transitions import transitions_of
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.training.dream import run
from atarigan.training.dream.dream_folder import DreamFolder
from tests.test_replayed_frames import collected

QUICK = ("--round-frames", "400", "--max-minutes", "0.001")


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dream") / "data"
    collected(path, 400, "ALE/Breakout-v5")
    return path


@pytest.fixture(autouse=True)
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which bytes nothing reads has a test of its own, and takes seconds."""
    monkeypatch.setattr("atarigan.training.dream.dream_trainer.unread_bytes", lambda *_: [121])


def learned(out: Path, *words: str) -> int:
    return train.main(["--recipe", "dream", "--out", str(out), *words])


@pytest.fixture(scope="module")
def first(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> DreamFolder:
    """A run of one round."""
    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("atarigan.training.dream.dream_trainer.unread_bytes", lambda *_: [121])
        assert learned(out, "--data", str(collection), *QUICK) == command_line.EXIT_OK
    return DreamFolder(out)


def test_a_dream_is_learned(first: DreamFolder) -> None:
    assert {"training.json", "dream.json", "rounds.jsonl", "rounds.png"} < {
        path.name for path in first.path.iterdir()
    }
    dream = Dream.load(first.path)
    assert dream.settings.env_id == "ALE/Breakout-v5"
    assert dream.generator_source == "breakout"
    assert dream.starts.lives.tolist() == [5] * len(dream.starts.lives)
    known = first.read_part(first.parts[0])
    assert wrong_transitions(dream.dynamics, known).mean() < 0.01


def test_the_frames_of_the_collection_are_learned_first(
    first: DreamFolder, collection: Path
) -> None:
    buffer = FrameBuffer.open(collection)
    meanings = buffer.meta.origin.action_meanings
    parts = [transitions_of(game, meanings) for game in replayed_games(buffer)]
    known = first.read_part(first.parts[0])
    assert (known.states == FrameTransitions.concatenate(parts).states).all()


@pytest.mark.slow
def test_a_run_goes_on(first: DreamFolder, tmp_path: Path) -> None:
    folder = DreamFolder(tmp_path / "run")
    shutil.copytree(first.path, folder.path)
    words = ["--resume", "--out", str(folder.path), "--round-frames", "300"]
    assert train.main(words) == command_line.EXIT_OK
    before, after = folder.read_rounds()
    assert before == first.read_rounds()[0]
    assert after.num_frames >= before.num_frames + 400
    assert after.elapsed_s > before.elapsed_s
    assert len(folder.parts) == 3


@pytest.mark.slow
def test_an_interruption_keeps_the_frames(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"

    class Stop:
        is_set = True

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

    monkeypatch.setattr(run, "StopRequest", Stop)
    status = learned(out, "--data", str(collection), *QUICK)
    assert status == command_line.EXIT_INTERRUPTED
    assert len(DreamFolder(out).parts) == 1
    monkeypatch.undo()
    monkeypatch.setattr("atarigan.training.dream.dream_trainer.unread_bytes", lambda *_: [])
    assert train.main(["--resume", "--out", str(out)]) == command_line.EXIT_OK
    assert len(DreamFolder(out).rounds.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--data must name a folder that atarigan.collect wrote"),
        (["--data", "nowhere"], "nowhere"),
        (["--round-frames", "0"], "--round-frames must be at least 1, not 0"),
        (["--max-minutes", "nan"], "--max-minutes must be above 0, not nan"),
        (["--seed", "-1"], "--seed must be from 0 to 2147483647, not -1"),
    ],
)
def test_what_is_wrong_is_one_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["--recipe", "dream", "--out", str(out), *words]
    with pytest.raises(SystemExit) as stop:
        command_line.run(lambda: train.main(arguments), command="train")
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert not out.exists()


def test_a_folder_with_a_run_is_not_overwritten(first: DreamFolder, collection: Path) -> None:
    with pytest.raises(InputError, match="holds a run already: add --resume"):
        learned(first.path, "--data", str(collection), *QUICK)
