"""`python -m benchmarks quality`: short real runs are evaluated, compared and resumed."""

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.errors import InputError
from benchmarks import __main__ as benchmarks
from benchmarks import quality
from benchmarks.quality_table import Row, table_lines

FLAGS = ("--source", "sine", "--num", "200")
TWO_TIMES = ("--minutes", "0.002", "0.004", "--seeds", "1")
TWO_SEEDS = ("--minutes", "0.002", "--seeds", "2")


def run(out: Path, when: tuple[str, ...], *candidates: str) -> int:
    return benchmarks.main(
        ["quality", *FLAGS, *when, "--out", str(out), "--candidates", *candidates]
    )


@pytest.mark.slow
def test_every_candidate_is_trained_and_evaluated_at_every_time(tmp_path, capsys):
    assert run(tmp_path, TWO_TIMES, "sine", "slow: --recipe sine --generator-lr 1e-5") == 0
    table = capsys.readouterr().out.splitlines()
    assert names_in(table) == [
        ("sine", "0.002"),
        ("sine", "0.004"),
        ("slow", "0.002"),
        ("slow", "0.004"),
        ("real against real", ""),
    ]
    config = json.loads((tmp_path / "slow" / "seed-0" / "config.json").read_text())["run"]
    assert (config["generator_lr"], config["seed"]) == (1e-5, 0)


@pytest.mark.slow
def test_finished_evaluations_are_not_repeated(tmp_path, capsys):
    assert run(tmp_path, TWO_SEEDS, "sine") == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("| configuration | minutes | sliced_wasserstein | ")
    assert names_in(table) == [("sine", "0.002"), ("real against real", "")]
    assert "\n".join(table) in (tmp_path / "table.md").read_text()
    lost, kept = (quality.scores_file(tmp_path / "sine" / f"seed-{seed}", 0.002) for seed in (0, 1))
    lost.unlink()
    config = json.loads((tmp_path / "sine" / "seed-1" / "config.json").read_text())["run"]
    assert config["seed"] == 1
    kept_at = kept.stat().st_mtime_ns
    run(tmp_path, TWO_SEEDS, "sine")
    assert lost.exists()
    assert kept.stat().st_mtime_ns == kept_at
    assert capsys.readouterr().out.splitlines()[0] == table[0]


def names_in(table):
    return [tuple(cell.strip() for cell in row.split("|")[1:3]) for row in table[2:]]


def test_a_candidate_that_cannot_train_is_named(tmp_path):
    with pytest.raises(InputError, match="--generator-lr"):
        run(tmp_path, TWO_TIMES, "bad: --recipe sine --generator-lr -1")
    with pytest.raises(InputError, match="--candidates must be NAME or NAME: FLAGS"):
        run(tmp_path, TWO_TIMES, ": --recipe sine")


@pytest.fixture
def buffer(tmp_path):
    """A dot that walks over a small screen, and its place as memory."""
    with FrameBuffer.create(tmp_path / "buffer", 200, (20, 24, 1), ram_size=2) as made:
        for number in range(200):
            row, column = number * 7 % 17, number * 5 % 21
            frame = np.zeros((20, 24, 1), np.uint8)
            frame[row : row + 2, column : column + 2] = 200
            made.add(frame, ram=np.array([row, column], np.uint8))
    return tmp_path / "buffer"


@pytest.mark.slow
def test_candidates_of_other_formats_are_evaluated_in_one_with_their_own_floors(
    tmp_path, buffer, capsys
):
    small = "--network mlp --batch-size 16 --evaluate-every-s 0 --log none"
    words = ["quality", "--source", "frames", "--data", str(buffer)]
    words += ["--num", "60", "--minutes", "0.001"]
    candidates = [f"same: {small}", f"colored: {small} --color rgb --image-size 8x10"]
    out = tmp_path / "out"
    words += ["--seeds", "1", "--out", str(out), "--candidates", *candidates]
    assert benchmarks.main(words) == 0
    heads, _, *rows = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in capsys.readouterr().out.splitlines()
    )
    assert heads[2:5] == ["frechet_distance", "× floor", "× own floor"]
    by_name = {row[0]: dict(zip(heads[2:], row[2:], strict=True)) for row in rows}
    assert [*by_name] == ["same", "colored", "real against real", "real in the format of colored"]
    real, coarse = by_name["real against real"], by_name["real in the format of colored"]
    assert float(real["valid_colors"]) == 1
    assert float(coarse["valid_colors"]) < 0.99  # a dot smaller than two pixels blurs
    assert float(coarse["frechet_distance"]) > 2 * float(real["frechet_distance"])
    assert not (out / "same" / "seed-0" / "own-floor.json").exists()
    assert iio.imread(out / "beside.png").shape[2] == 3


@pytest.mark.slow
def test_those_who_draw_given_states_are_compared_with_their_true_frames(tmp_path, buffer, capsys):
    small = "--network mlp --batch-size 16 --evaluate-every-s 0 --log none"
    words = ["quality", "--source", "frames", "--data", str(buffer), "--test-data", str(buffer)]
    words += ["--num", "60", "--minutes", "0.001", "--seeds", "1", "--out", str(tmp_path / "out")]
    words += ["--candidates", f"blind: --recipe atari-frames {small}", f"told: {small}"]
    assert benchmarks.main(words) == 0
    heads, _, blind, told, real = (
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in capsys.readouterr().out.splitlines()
    )
    column = heads.index("foreground_accuracy")
    assert blind[column] == "-"
    assert 0 <= float(told[column]) < 1
    assert real[column] == "1"


def test_given_states_are_asked_for_before_anything_is_trained(tmp_path, buffer):
    words = ["quality", "--source", "frames", "--data", str(buffer), "--out", str(tmp_path / "out")]
    with FrameBuffer.create(tmp_path / "blind", 8, (20, 24, 1)) as made:
        made.add(np.zeros((20, 24, 1), np.uint8))
    with pytest.raises(InputError, match="--condition ram needs frames with"):
        benchmarks.main([*words, "--test-data", str(tmp_path / "blind"), "--candidates", "a: "])
    assert not (tmp_path / "out").exists()


def scores_of(**values):
    return {
        name: {"value": value, "floor": floor, "interval": (value, value), "better": "lower"}
        for name, (value, floor) in values.items()
    }


def test_multiples_are_of_the_floor_and_of_the_own_one_and_of_no_floor_there_are_none():
    others = dict.fromkeys(("small_extra", "valid_colors", "exact_background"), (1, 1))
    seeds = [
        scores_of(
            frechet_distance=(value, 2.0),
            kernel_distance=(1, -0.1),
            small_presence=(1, 1),
            **others,
        )
        for value in (8.0, 10.0, 30.0)
    ]
    own = scores_of(
        frechet_distance=(5.0, 2.0), kernel_distance=(0.5, 0), small_presence=(0, 1), **others
    )
    rows = [Row("a", 3.0, seeds), Row("b", 3.0, seeds, own)]
    _, _, first, second, *floors = table_lines(rows)
    assert first.startswith("| a | 3 | 10 (8 to 30) | 5 | 5 | 1 (1 to 1) | - | - | 1 (1 to 1) |")
    assert second.startswith("| b | 3 | 10 (8 to 30) | 5 | 2 | 1 (1 to 1) | - | 2 | 1 (1 to 1) |")
    assert floors[0].startswith("| real against real |  | 2 |  |  | -0.1 |  |  | 1 | 1 |")
    assert floors[1].startswith("| real in the format of b |  | 5 |  |  | 0.5 |  |  | 0 | 1 |")
