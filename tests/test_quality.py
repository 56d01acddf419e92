"""`python -m benchmarks.quality`: real runs of a moment each, judged, tabled, resumed."""

import json
from pathlib import Path

import pytest

from atarigan.errors import InputError
from benchmarks import quality

FLAGS = ("--source", "sine", "--num", "200")
TWO_TIMES = ("--minutes", "0.002", "0.004", "--seeds", "1")
TWO_SEEDS = ("--minutes", "0.002", "--seeds", "2")


def run(out: Path, when: tuple[str, ...], *candidates: str) -> int:
    return quality.main([*FLAGS, *when, "--out", str(out), "--candidates", *candidates])


def test_every_candidate_is_trained_and_judged_at_every_time(tmp_path, capsys):
    assert run(tmp_path, TWO_TIMES, "sine", "slow: --recipe sine --generator-lr 1e-5") == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("| configuration | minutes | sliced_wasserstein | ")
    names = [tuple(cell.strip() for cell in row.split("|")[1:3]) for row in table[2:]]
    assert names == [
        ("sine", "0.002"),
        ("sine", "0.004"),
        ("slow", "0.002"),
        ("slow", "0.004"),
        ("real against real", ""),
    ]
    config = json.loads((tmp_path / "slow" / "seed-0" / "config.json").read_text())["run"]
    assert (config["generator_lr"], config["seed"]) == (1e-5, 0)
    assert "\n".join(table) in (tmp_path / "table.md").read_text()


def test_what_is_judged_already_is_not_done_again(tmp_path, capsys):
    run(tmp_path, TWO_SEEDS, "sine")
    first = capsys.readouterr().out
    lost, kept = (quality.scores_file(tmp_path / "sine" / f"seed-{seed}", 0.002) for seed in (0, 1))
    lost.unlink()
    config = json.loads((tmp_path / "sine" / "seed-1" / "config.json").read_text())["run"]
    assert config["seed"] == 1
    kept_at = kept.stat().st_mtime_ns
    run(tmp_path, TWO_SEEDS, "sine")
    assert lost.exists()
    assert kept.stat().st_mtime_ns == kept_at
    assert capsys.readouterr().out.splitlines()[0] == first.splitlines()[0]


def test_a_candidate_that_cannot_train_is_named(tmp_path):
    with pytest.raises(InputError, match="--generator-lr"):
        run(tmp_path, TWO_TIMES, "bad: --recipe sine --generator-lr -1")
    with pytest.raises(InputError, match="--candidates must be NAME or NAME: FLAGS"):
        run(tmp_path, TWO_TIMES, ": --recipe sine")
