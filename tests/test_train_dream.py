"""`python -m atarigan.train --recipe dream`: learns a game, and goes on."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from atarigan import FrameBuffer, train
from atarigan.cli import command_line
from atarigan.data.collection.replayed_frames import replayed_games
from atarigan.errors import InputError
from atarigan.files.writer_lock import take_lock
from atarigan.models import shipped
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.exactness import PredictedFrames
from atarigan.models.dynamics.game_transitions import transitions_of
from atarigan.models.dynamics.seen_states import SeenStates
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_fitting import TreeFitter
from atarigan.training.dream import run
from atarigan.training.dream.byte_roles import ByteRoles
from atarigan.training.dream.dream_folder import DreamFolder, PartOfFrames
from atarigan.training.dream.dream_trainer import DreamTrainer
from tests.test_replayed_frames import collected

PONG = shipped.FOLDER / "pong"
BYTE_ROLES = "atarigan.training.dream.dream_trainer.byte_roles"
SCORE = (76, 77)  # in Breakout's RAM
QUICK = ("--round-frames", "100", "--max-minutes", "0.001", "--policy-steps", "1")


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dream") / "data"
    collected(path, 150, "ALE/Breakout-v5")
    return path


@pytest.fixture(autouse=True)
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which bytes nothing reads has a test of its own, and takes seconds."""
    monkeypatch.setattr(BYTE_ROLES, lambda *_: ByteRoles((121,), SCORE))


def trainer_of(folder: DreamFolder, collection: Path) -> DreamTrainer:
    return DreamTrainer(
        folder,
        FrameBuffer.open(collection),
        generator="breakout",
        seed=0,
        round_frames=100,
        policy_steps=1,
        clock="wall",
        report=lambda _: None,
    )


def learned(out: Path, *words: str) -> int:
    return train.main(["--recipe", "dream", "--out", str(out), *words])


@pytest.fixture(scope="module")
def first(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> DreamFolder:
    """A run of one round."""
    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BYTE_ROLES, lambda *_: ByteRoles((121,), SCORE))
        assert learned(out, "--data", str(collection), *QUICK) == command_line.EXIT_OK
    return DreamFolder(out)


def test_a_dream_is_learned(first: DreamFolder) -> None:
    assert {"training.json", "roles.json", "dream.json", "rounds.jsonl", "rounds.png"} < {
        path.name for path in first.path.iterdir()
    }
    dream = Dream.load(first.path)
    assert dream.settings.env_id == "ALE/Breakout-v5"
    assert dream.settings.generator == "breakout"
    assert dream.starts.lives.tolist() == [5] * len(dream.starts.lives)
    known = first.read_part(first.parts[0]).frames
    assert (~PredictedFrames.of(dream.dynamics, known).is_exact).mean() < 0.01
    assert dream.seen_states is not None
    assert not dream.is_unseen(known.next_states).any()
    assert not dream.is_unseen(dream.starts.states).any()
    assert dream.seen_states.is_seen[121].all()  # which nothing reads


def test_a_part_tells_which_frames_no_play_reached(first: DreamFolder, tmp_path: Path) -> None:
    """Real play is 25 agent steps of 4 frames each; parts of earlier versions do not tell."""
    collected, played = (first.read_part(path) for path in first.parts)
    assert collected.is_real.all()
    assert played.is_real[-100:].all()
    assert not played.is_real[:-100].any()
    with np.load(first.parts[1]) as arrays:
        known = dict(arrays)
    path = tmp_path / "part.npz"
    for first_real, message in ((-1, "must be 0 to"), (2.5, "not a readable file of frames")):
        np.savez(path, **{**known, "first_real": first_real})
        with pytest.raises(InputError, match=message):
            first.read_part(path)
    del known["first_real"]
    np.savez(path, **known)
    assert first.read_part(path).is_real.all()


def test_the_frames_of_the_collection_are_learned_first(
    first: DreamFolder, collection: Path
) -> None:
    buffer = FrameBuffer.open(collection)
    meanings = buffer.meta.origin.action_meanings
    parts = [transitions_of(game, meanings) for game in replayed_games(buffer)]
    known = first.read_part(first.parts[0]).frames
    assert (known.states == FrameTransitions.concatenate(parts).states).all()


@pytest.mark.slow
def test_a_run_goes_on(first: DreamFolder, tmp_path: Path) -> None:
    folder = DreamFolder(tmp_path / "run")
    shutil.copytree(first.path, folder.path)
    words = ["--resume", "--out", str(folder.path), "--round-frames", "300"]
    assert train.main(words) == command_line.EXIT_OK
    before, after = folder.read_rounds()
    assert before == first.read_rounds()[0]
    assert after.num_frames >= before.num_frames + 100
    assert after.elapsed_s > before.elapsed_s
    assert len(folder.parts) == 3


def test_the_emulator_is_asked_about_bytes_once(
    first: DreamFolder, collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DreamFolder(tmp_path / "run")
    shutil.copytree(first.path, folder.path)
    monkeypatch.delattr(BYTE_ROLES)
    trainer = trainer_of(folder, collection)
    trainer.begin()
    folder.roles.write_text('{"unread": [3, 2], "score": []}')
    with pytest.raises(InputError, match="unread must be ascending addresses below 128"):
        trainer.begin()
    folder.roles.write_text('{"unread": [2]}')
    with pytest.raises(InputError, match="roles.json: the setting 'score' is missing"):
        trainer.begin()


def test_one_training_at_a_time_writes_to_a_folder(first: DreamFolder, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(first.path, out)
    with take_lock(out), pytest.raises(InputError, match="is being written by another process"):
        train.main(["--resume", "--out", str(out), "--seed", "9"])
    assert DreamFolder(out).read_config() == first.read_config()


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
    monkeypatch.setattr(BYTE_ROLES, lambda *_: ByteRoles((), SCORE))
    assert train.main(["--resume", "--out", str(out)]) == command_line.EXIT_OK
    assert len(DreamFolder(out).rounds.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--data must name a folder that atarigan.collect wrote"),
        (["--data", "nowhere"], "nowhere"),
        (["--round-frames", "0"], "--round-frames must be at least 1, not 0"),
        (["--policy-steps", "-1"], "--policy-steps must be at least 0, not -1"),
        (["--max-minutes", "nan"], "--max-minutes must be finite and above 0, not nan"),
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


def test_values_keep_their_underscores(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="my_data"):
        learned(tmp_path / "run", f"--data={tmp_path}/my_data")


def test_a_folder_of_a_generator_is_refused(tmp_path: Path, collection: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds the run of a generator"):
        learned(tmp_path, "--data", str(collection))
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_run_does_not_go_on_with_another_game(
    first: DreamFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = collected(tmp_path / "other", 40, "ALE/Freeway-v5").path
    before = first.training.read_text()
    with pytest.raises(InputError, match="must be of the game that the dream has learned: env_id"):
        train.main(["--resume", "--out", str(first.path), "--data", str(other)])
    assert first.training.read_text() == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "fifo", "link"])
def test_damaged_files_are_named(damage: str, first: DreamFolder, tmp_path: Path) -> None:
    folder = DreamFolder(tmp_path / "run")
    shutil.copytree(first.path, folder.path)
    part, content = folder.parts[0], bytearray(folder.parts[0].read_bytes())
    part.unlink()
    if damage == "fifo":
        os.mkfifo(part)
    elif damage == "link":
        part.symlink_to(first.parts[0])
    elif damage == "text":
        part.write_text("frames")
    else:
        content[len(content) // 2] ^= 255
        part.write_bytes(content[:-100] if damage == "cut" else content)
    with pytest.raises(InputError, match="part-0000.npz"):
        train.main(["--resume", "--out", str(folder.path)])


def test_rounds_that_are_no_text_are_named(first: DreamFolder, tmp_path: Path) -> None:
    folder = DreamFolder(tmp_path)
    folder.rounds.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="must hold a line of JSON for each round"):
        folder.read_rounds()


def test_parts_are_never_overwritten(first: DreamFolder, tmp_path: Path) -> None:
    folder = DreamFolder(tmp_path)
    part = PartOfFrames(first.read_part(first.parts[0]).frames[:5], 2)
    for _ in range(3):
        folder.add_part(part)
    folder.parts[0].unlink()
    folder.add_part(part)
    assert [path.name for path in folder.parts] == [f"part-000{n}.npz" for n in (1, 2, 3)]
    assert folder.read_part(folder.parts[0]).is_real.tolist() == [False, False, True, True, True]


def test_seen_states_are_learned_from_real_play(
    first: DreamFolder, collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a training goes on, too."""
    asked: list[np.ndarray] = []

    def fit(transitions: FrameTransitions, real: np.ndarray, untested: tuple[int, ...]) -> None:
        assert untested == (121,)
        asked.append(real)

    monkeypatch.setattr(SeenStates, "fit", fit)
    folder = DreamFolder(tmp_path / "run")
    shutil.copytree(first.path, folder.path)
    branched = PartOfFrames(first.read_part(first.parts[0]).frames, 500)
    folder.add_part(branched)
    trainer = trainer_of(folder, collection)
    trainer.begin()
    tables = TreeDynamics.load(first.path).tables
    monkeypatch.setattr(TreeFitter, "fit", lambda *_: tables)
    trainer.fit(lambda *_: None)
    trainer.measure()
    trainer.fit(lambda *_: None)
    is_real = np.concatenate([folder.read_part(path).is_real for path in folder.parts])
    num_before = len(is_real) - len(folder.read_part(folder.parts[-1]).is_real)
    assert (~is_real[:num_before]).sum() >= 500
    assert asked[0].tolist() == np.flatnonzero(is_real[:num_before]).tolist()
    assert asked[1].tolist() == np.flatnonzero(is_real).tolist()


def test_a_collection_that_names_a_module_is_refused(collection: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(collection, data)
    meta = (data / "meta.json").read_text().replace("ALE/Breakout-v5", "evil:ALE/Breakout-v5")
    (data / "meta.json").write_text(meta)
    with pytest.raises(InputError, match="without a module, not 'evil:ALE/Breakout-v5'"):
        learned(tmp_path / "run", "--data", str(data), *QUICK)


def test_a_policy_that_a_collection_names_is_not_imported(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shutil.copytree(collection, data)
    meta = json.loads((data / "meta.json").read_text())
    meta["origin"]["policy"] = "evil:act"
    (data / "meta.json").write_text(json.dumps(meta))
    monkeypatch.setattr(
        "atarigan.data.collection.policies._imported", lambda *_: pytest.fail("imported")
    )
    trainer = DreamTrainer(
        DreamFolder(tmp_path / "run"),
        FrameBuffer.open(data),
        generator="",
        seed=0,
        round_frames=10,
        policy_steps=0,
        clock="wall",
        report=print,
    )
    assert trainer.rounds == []


def test_a_generator_of_another_game_is_refused(collection: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the generator learned"):
        learned(tmp_path / "run", "--data", str(collection), "--generator", str(PONG))
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_is_not_overwritten(first: DreamFolder, collection: Path) -> None:
    with pytest.raises(InputError, match="holds a run already: add --resume"):
        learned(first.path, "--data", str(collection), *QUICK)


def test_a_missing_extra_is_named_before_anything_is_played(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    out = tmp_path / "run"
    with pytest.raises(InputError, match="numba is not installed"):
        learned(out, "--data", str(collection), *QUICK)
    assert not out.exists()
