"""`python -m benchmarks quality --games …`: a row and a picture for each game."""

import json
from typing import Any

import numpy as np
import pytest

from atarigan import FrameBuffer, FrameGenerator, collect
from atarigan.cli.command_line import run as run_command
from atarigan.config.recipes import load_recipe
from atarigan.data.buffer.meta import Origin
from atarigan.data.sample_spec import SampleSpec
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat
from atarigan.models.model_config import ModelConfig
from benchmarks import games, games_page
from benchmarks.__main__ import main
from benchmarks.atari_games import ATARI57, games_named
from benchmarks.game_row import COLUMNS
from benchmarks.model_card import generator_card

ROW = {"pixel_accuracy": 0.9987, "foreground_accuracy": 0.9123, "frames_per_s": 12345}


def test_lists_of_games_are_expanded_once_each():
    assert len(ATARI57) == 57
    assert games_named(["Pong", "atari57", "Pong"])[0] == "Pong"
    assert sorted(games_named(["Pong", "atari57"])) == sorted(ATARI57)
    every = games_named(["all"])
    assert set(ATARI57) < set(every)
    assert len(every) > 100


def test_an_unknown_game_is_refused_with_a_suggestion():
    with pytest.raises(InputError, match="'Pongg'.*Pong"):
        games_named(["Pongg"])


def test_games_with_a_row_are_not_run_again(tmp_path, capsys):
    for game in ("Pong", "Qbert"):
        (tmp_path / game).mkdir()
        (tmp_path / game / "row.json").write_text(json.dumps(ROW))
    words = ["quality", "--games", "Pong", "Qbert", "--out", str(tmp_path)]
    assert main(words) == 0
    table = capsys.readouterr().out
    assert "| Pong | 0.9987 | 0.9123 | - |" in table
    assert "12,345" in table
    assert table in (tmp_path / "table.md").read_text()
    assert {file.name for file in (tmp_path / "Pong").iterdir()} == {"row.json"}


def test_a_game_that_fails_is_named_and_others_keep_their_rows(
    tmp_path, capsys, monkeypatch, light_workers
):
    run_python: Any = games._python

    def run(*words):
        """Frames are collected without a process of the command's own."""
        if words[1] == "atarigan.collect":
            assert collect.main(words[2:]) == 0
        else:
            run_python(*words)

    monkeypatch.setattr(games, "_python", run)
    (tmp_path / "Pong").mkdir()
    (tmp_path / "Pong" / "row.json").write_text(json.dumps(ROW))
    words = ["quality", "--games", "Pong", "Qbert", "--out", str(tmp_path), "--train=--nonsense"]
    words += ["--steps", "20", "--test-steps", "20"]
    with pytest.raises(SystemExit) as stopped:
        run_command(lambda: main(words), command="benchmarks", package="")
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "1 games have no row: Qbert: atarigan.train failed" in error
    assert "| Pong |" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "Qbert" / "train").exists()


@pytest.mark.slow
def test_a_game_is_collected_trained_and_measured(tmp_path):
    words = ["quality", "--games", "Pong", "--out", str(tmp_path), "--minutes", "0.1"]
    assert main([*words, "--steps", "400", "--test-steps", "200"]) == 0
    row = json.loads((tmp_path / "Pong" / "row.json").read_text())
    assert set(row) == set(COLUMNS)
    assert row["pixel_accuracy"] > 0.9
    assert row["images"] > 0
    for name in ("worst.png", "wall.png"):
        assert (tmp_path / "Pong" / name).stat().st_size > 1000
    packed = tmp_path / "Pong" / "packed"
    assert FrameGenerator.load(packed).reads_ram
    card = (packed / "README.md").read_text()
    assert card.startswith("# Pong\n")
    assert (
        "| Data | 400 agent steps of `ALE/Pong-v5`, frame skip 4, random play, seed 0: 0 games"
        in card
    )
    assert f"{row['foreground_accuracy']:.4f} of the foreground" in card
    assert (packed / "frames.png").stat().st_size > 1000
    assert not (tmp_path / "Pong" / "train").exists()


def test_rows_and_pictures_of_games_get_into_the_documentation(tmp_path):
    def measure(game, **row):
        (tmp_path / "out" / game).mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / game / "row.json").write_text(json.dumps(ROW | row))
        (tmp_path / "out" / game / "wall.png").write_bytes(game.encode())

    docs = tmp_path / "docs"
    (docs / "benchmarks").mkdir(parents=True)
    measure("Pong", foreground_accuracy=0.98)
    games_page.main([str(tmp_path / "out")], docs)
    known = docs / "benchmarks" / "games.json"
    known.write_text(known.read_text().replace('"note": ""', '"note": "the ball is late"'))
    for game in ("Pong", "Asterix"):
        measure(game)
    (tmp_path / "out" / "Qbert").mkdir()  # has no row yet
    games_page.main([str(tmp_path / "out")], docs)
    written = (docs / "benchmarks" / "games_table.md").read_text()
    assert "2 of the usual 57 games" in written
    assert "foreground at least 0.97: 0 of 2" in written
    assert written.index("| Asterix | 0.9987 | 0.9123") < written.index("| Pong | 0.9987 | 0.9123")
    assert "- Pong: the ball is late" in written
    assert "![Asterix](../_static/games/Asterix.png)" in written
    assert (docs / "_static" / "games" / "Pong.png").read_bytes() == b"Pong"
    assert "Qbert" not in written


@pytest.mark.parametrize(
    ("small", "said"),
    [
        ({}, "in every pixel |"),
        ({"small_found": 0.0}, "in every pixel; small objects found in 0.000 |"),
        (
            {"small_found": 0.9, "small_offset": 0.1},
            "in every pixel; small objects found in 0.900, 0.100 pixels off |",
        ),
    ],
)
def test_a_card_tells_what_is_known_of_small_objects(small, said, tmp_path):
    with FrameBuffer.create(tmp_path / "data", 10, (12, 10, 1)) as data:
        data.set_origin(Origin(env_id="ALE/Pong-v5"))
        data.add(np.zeros((12, 10, 1), np.uint8))
    row = {**ROW, "exact_frames": 0.5, "ms": 0.3, "megabytes": 1.2, "images": 9, **small}
    model = ModelConfig(load_recipe("atari"), SampleSpec((1, 12, 10), FrameFormat("gray", 12, 10)))
    card = generator_card(row, FrameBuffer.open(tmp_path / "data"), model)
    assert said in card
    assert "of a state of the console's RAM and the newest action, or" in card
