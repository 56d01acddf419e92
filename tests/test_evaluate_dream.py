"""`python -m atarigan.evaluate` of a dream."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan import evaluate
from atarigan.cli import command_line
from atarigan.config.dream_config import DreamConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import FORMAT_VERSION, Origin
from atarigan.evaluation.dream.dream_evaluation import DreamEvaluation
from atarigan.evaluation.evaluate_arguments import EvaluateArguments
from atarigan.evaluation.metrics.score import METRICS
from atarigan.models import model_source, shipped
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_tables import Coding, TreeTables
from atarigan.training.dream.dream_folder import DreamFolder, Round
from benchmarks import dream_card
from tests.learned_games import learned_breakout
from tests.readers import write_dream
from tests.test_replayed_frames import collected

FEW = ["--num-policies", "2", "--episodes", "2", "--max-frames", "120"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection that the dream learned, which its trees predict exactly."""
    path = tmp_path_factory.mktemp("data") / "breakout"
    collected(path, 150)
    return path


@pytest.fixture
def dream(tmp_path: Path) -> Path:
    """A dream without a generator."""
    return saved(learned_breakout(), tmp_path / "dream", generator="")


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without a page, which other tests look at."""
    monkeypatch.setattr(DreamEvaluation, "write_page", lambda evaluation, path: None)


def saved(dream: Dream, folder: Path, **settings: Any) -> Path:
    dataclasses.replace(dream, settings=dataclasses.replace(dream.settings, **settings)).save(
        folder
    )
    return folder


def evaluated(dream: Path, data: Path, *words: str) -> Any:
    flags = ["--run", str(dream), "--data", str(data), *FEW, *words]
    assert evaluate.main(flags) == 0
    return json.loads((dream / "metrics.json").read_text())


def test_a_packed_dream_gets_a_card_of_what_was_measured(dream: Path, tmp_path: Path) -> None:
    score = {"value": 0.9375, "floor": 1, "interval": (0.9, 0.95), "better": "higher"}
    counts = {"agent_steps": 500, "episodes": 3, "games": 6, "max_frames": 900, "policies": 10}
    metrics = {"metrics": {"exact_steps": score}, **counts}
    (dream / "metrics.json").write_text(json.dumps(metrics))
    DreamFolder(dream).write_rounds([Round(1200, 0.5, 0.75, 34, 120.0)])
    packed = tmp_path / "packed"
    dream_card.main([str(dream), str(packed)])
    card = (packed / "README.md").read_text()
    assert "Trees of 34 nodes, fitted to 1,200 emulator frames in 2 minutes" in card
    assert "| exact_steps | 0.9375 | 0.9 to 0.95 | 1 | higher |" in card
    assert len(Dream.load(packed).starts.states)


def test_a_dream_is_exact_on_what_its_trees_hold(dream: Path, data: Path, capsys: Any) -> None:
    found = evaluated(dream, data)
    for name in ("exact_steps", "exact_frames", "reward_recall", "reward_precision"):
        assert found["metrics"][name]["value"] == 1, name
    median = found["metrics"]["steps_to_mismatch"]
    assert median["value"] == median["floor"] > 20
    assert (found["agent_steps"], found["rollouts_that_differ"]) == (150, 0)
    assert found["metrics"]["exact_visited"]["floor"] > 0.95  # the emulator repeats real play
    assert 0 <= found["metrics"]["unseen_states"]["floor"] <= 1
    assert list(found["returns"]) == ["scripted, 0% random", "held actions 1"]
    assert all(len(each["dream"]) == len(each["real"]) == 2 for each in found["returns"].values())
    shown = capsys.readouterr()
    for name, score in found["metrics"].items():
        assert METRICS[name].better == score["better"]
        assert f"\n{name} " in shown.out
    assert "dream: 150 agent steps of 1 episode, held-out data; 1 roll-out, of" in shown.out
    assert "agent steps per second" in shown.out
    assert "has 1 episode: with fewer than 20, intervals are rough" in shown.err
    page = (dream / "evaluation.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "<video" not in page


def with_constant(tables: TreeTables, address: int, value: int) -> TreeTables:
    """Add a tree of one leaf, which gives a byte a value."""
    num = len(tables.addresses)
    node = tables.sizes[:num].sum()
    leaf = {"node_features": 0, "thresholds": value, "skips": 0}
    return dataclasses.replace(
        tables,
        addresses=np.append(tables.addresses, np.int32(address)),
        codings=np.append(tables.codings, np.uint8(Coding.VALUE)),
        groups=np.append(tables.groups, np.int16(-1)),
        sizes=np.insert(tables.sizes, num, 1),
        **{name: np.insert(getattr(tables, name), node, new) for name, new in leaf.items()},
    )


@pytest.mark.usefixtures("no_page")
def test_a_broken_tree_is_seen(dream: Path, data: Path, tmp_path: Path, capsys: Any) -> None:
    """A byte that is always the same becomes another one: every frame is wrong, or none is. In the
    dream's own games it stays as it became, which the emulator may confirm.
    """
    loaded = Dream.load(dream)
    assert isinstance(loaded.dynamics, TreeDynamics)
    tables = loaded.dynamics.tables
    states = FrameBuffer.open(data).values_at("ram", np.arange(150))
    address = int(np.flatnonzero((states == states[0]).all(0))[0])
    damaged = TreeDynamics(with_constant(tables, address, int(states[0, address]) + 1))
    broken = dataclasses.replace(loaded, dynamics=damaged)
    found = evaluated(saved(broken, tmp_path / "broken"), data)["metrics"]
    assert found["unseen_states"]["value"] == 1 > found["unseen_states"]["floor"]
    broken = dataclasses.replace(broken, seen_states=None)
    assert found["exact_steps"]["value"] == found["steps_to_mismatch"]["value"] == 0
    assert found["exact_visited"]["value"] < found["exact_visited"]["floor"]
    unread = evaluated(saved(broken, tmp_path / "unread", unread=(address,)), data)["metrics"]
    assert unread["exact_steps"]["value"] == unread["exact_frames"]["value"] == 1
    assert unread["exact_frames_all_bytes"]["value"] == 0
    assert "unseen_states" not in unread  # as in dreams of earlier versions
    capsys.readouterr()


@pytest.mark.slow
def test_scores_are_reproducible_and_data_that_was_learned_is_named(
    dream: Path, data: Path, capsys: Any
) -> None:
    first = evaluated(dream, data, "--seed", "3")
    DreamFolder(dream).write_config(DreamConfig(data=str(data)))
    capsys.readouterr()
    again = evaluated(dream, data, "--seed", "3")
    assert {**first, "evaluated_on": "its training data"} == again
    assert "warning: the dream learned this collection" in capsys.readouterr().err


def test_a_generator_draws_the_dream_next_to_the_real_game(
    tmp_path: Path, data: Path, capsys: Any
) -> None:
    folder = saved(learned_breakout(), tmp_path / "dream")
    evaluated(folder, data)
    assert (folder / "real_beside_dream.mp4").stat().st_size > 2000
    assert "<video" in (folder / "evaluation.html").read_text()
    capsys.readouterr()


def a_buffer(folder: Path, version: int = FORMAT_VERSION, **origin: Any) -> Path:
    known = {"env_id": "ALE/Breakout-v5", "frame_skip": 4, "sticky": 0.25, "seed": 0}
    meanings = ("NOOP", "FIRE", "RIGHT", "LEFT")
    settings = {**known, "action_meanings": meanings, **origin}
    with FrameBuffer.create(folder, 8, (4, 4, 1), ram_size=128, origin=Origin(**settings)) as made:
        for _ in range(4):
            made.add(np.zeros((4, 4, 1), np.uint8), 0, ram=np.zeros(128, np.uint8))
    if version == 1:
        path = folder / "meta.json"
        meta = json.loads(path.read_text())
        size = meta.pop("state")["size"]
        path.write_text(json.dumps({**meta, "format_version": 1, "ram_size": size}))
        ring = folder / "writer-000"
        (ring / "state.npy").rename(ring / "ram.npy")
    return folder


@pytest.mark.parametrize(
    ("version", "origin", "message"),
    [
        (1, {}, "must be a collection of a game of ALE with RAM, of format version 2 or later"),
        (
            FORMAT_VERSION,
            {"env_id": "ALE/Pong-v5"},
            "must be of ALE/Breakout-v5, not of ALE/Pong-v5",
        ),
        (
            FORMAT_VERSION,
            {"frame_skip": 3},
            "must be of the dream's game, but has frame skip 3, not 4",
        ),
        (
            FORMAT_VERSION,
            {"env_kwargs": {"mode": 4}},
            "must be of the dream's game, but has mode 4, not 0",
        ),
        (
            FORMAT_VERSION,
            {"action_meanings": ("NOOP",)},
            "must have the dream's actions, NOOP, FIRE, RIGHT",
        ),
    ],
)
def test_a_collection_that_does_not_fit_is_one_line(
    version: int, origin: dict[str, Any], message: str, dream: Path, tmp_path: Path, capsys: Any
) -> None:
    folder = a_buffer(tmp_path / "other", version, **origin)
    words = ["--run", str(dream), "--data", str(folder)]
    assert message in complaint(words, capsys)


def complaint(words: list[str], capsys: Any) -> str:
    """What a command that ends with status 2 says, on one line."""
    with pytest.raises(SystemExit) as stop:
        command_line.run(lambda: evaluate.main(words), command="evaluate")
    assert stop.value.code == 2
    error: str = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--data must name a collection that the dream has not learned"),
        (["--data", "nowhere"], "nowhere does not exist"),
        (["--data", "d", "--episodes", "1"], "--episodes must be at least 2, not 1"),
        (["--data", "d", "--num-policies", "1"], "--num-policies must be at least 2, not 1"),
        (["--data", "d", "--max-frames", "3"], "at least the frames of an agent step, 4, not 3"),
        (["--data", "d", "--max-frames", "200000"], "--max-frames must be at most 108000"),
        (["--data", "d", "--num", "50"], "--num is for samples, not for dreams"),
        (["--data", "d", "--frame-skip", "4"], "--frame-skip is not for dreams"),
        (["--data", "d", "--policy", "p.zip"], "--data is for samples, not for --policy"),
        (["--policy", "p.zip", "--env-id", "x"], "plays through a generator, and .* is a dream"),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str, tmp_path: Path, capsys: Any) -> None:
    write_dream(tmp_path / "dream")
    found = complaint(["--run", str(tmp_path / "dream"), *words], capsys)
    assert re.search(message, found), found


def test_flags_of_dreams_are_refused_elsewhere(capsys: Any) -> None:
    message = complaint(["--run", "pong", "--num-policies", "3"], capsys)
    assert "--num-policies needs --run DREAM" in message


def test_a_shipped_dream_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a game that has a generator too means the generator."""
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "shipped")
    for game in ("pong", "freeway"):
        write_dream(tmp_path / "shipped" / game / "dream")
    (tmp_path / "shipped" / "pong" / "generator.safetensors").touch()
    monkeypatch.chdir(tmp_path)
    found = {
        name: model_source.is_dream(name) for name in ("pong", "freeway", "boxing", "pong/dream")
    }
    assert found == {"pong": False, "freeway": True, "boxing": False, "pong/dream": True}
    assert model_source.resolved_dream("pong/dream") == tmp_path / "shipped" / "pong" / "dream"
    arguments = EvaluateArguments(run="pong/dream", data="data")
    assert (arguments.folder, arguments.name) == (Path("pong-dream-evaluation"), "pong/dream")
