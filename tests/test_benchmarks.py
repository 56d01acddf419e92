"""`python -m benchmarks` measures, compares, and writes what programs can read."""

import importlib.util
import json
import operator
import re
import subprocess
import sys

import imageio.v3 as iio
import pytest
import torch

from atarigan.cli.command_line import run as run_command
from benchmarks.__main__ import MODULES, main
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, added_rows, latency_rows, rate_rows

UNITS = {
    "device": {"GB/s", "TFLOP/s", "states/s", "frames/s", "agent steps/s", "share of pixels"},
    "collect": {"agent steps/s"},
    "buffer": {"frames/s", "transitions/s", "bytes/step"},
    "train": {"images/s", "MB"} if torch.cuda.is_available() else {"images/s"},
    "generate": {"frames/s"},
    "env": {"agent steps/s", "ms"},
    "dream": {"agent steps/s", "ms"},
    "codes": {"frames/s", "bytes/frame"},
    "render": {"frames/s"},
    "ray": {"agent steps/s"},
}
COUNTED = ("bytes/step", "bytes/frame", "MB", "share of pixels")  # exact, where times spread


def installed_modules():
    """All benchmarks, without that of a package that is not installed."""
    has_ray = importlib.util.find_spec("ray") is not None
    return [name for name in MODULES if name != "ray" or has_ray]


@pytest.fixture(
    scope="module",
    params=[["buffer"], pytest.param(installed_modules(), marks=pytest.mark.slow)],
    ids=["buffer", "all"],
)
def names(request):
    return request.param


@pytest.fixture(scope="module")
def report(names, tmp_path_factory):
    """What a quick run of some benchmarks writes."""
    path = tmp_path_factory.mktemp("benchmarks") / "new" / "report.json"
    words = ["--json", str(path), "--charts", str(path.parent / "charts")]
    assert main([*names, "--quick", "--device", "cpu", *words]) == 0
    for name in {"generate", "env"} & set(names):
        assert iio.imread(path.parent / "charts" / f"{name}.png").std() > 10
    return json.loads(path.read_text())


def test_json_says_what_ran_where(report):
    assert set(report) == {"machine", "versions", "commit", "rows"}
    assert re.fullmatch(r"\d+ cores?, .+, .+", report["machine"])
    assert {"python", "torch", "ale-py", "stable-baselines3"} <= set(report["versions"])
    assert report["commit"] is None or re.fullmatch(r"[0-9a-f]{12}(-dirty)?", report["commit"])


def test_every_benchmark_has_rows_in_its_units(names, report):
    for benchmark in names:
        rows = [row for row in report["rows"] if row["benchmark"] == benchmark]
        assert {row["unit"] for row in rows} == UNITS[benchmark]
        for row in rows:
            assert set(row) == set(Row.__annotations__)
            # What is added is a difference, which noise can make negative; pixels may be the same.
            can_vanish = row["case"].startswith("added by ") or row["unit"] == "share of pixels"
            assert row["value"] > 0 or can_vanish
            is_counted = row["unit"] in COUNTED
            assert (row["spread"] == 0) == is_counted, row


def test_whatever_is_compared_with_is_measured_in_the_same_run(names, report):
    key = operator.itemgetter("benchmark", "case", "unit")
    values = {key(row): row["value"] for row in report["rows"]}
    compared = [row for row in report["rows"] if row["against"] is not None]
    assert {row["benchmark"] for row in compared} == set(names)
    for row in compared:
        ratio = row["value"] / values[key({**row, "case": row["against"]})]
        less_is_better = row["unit"] in ("ms", "bytes/step", "bytes/frame", "MB")
        assert row["ratio"] == pytest.approx(1 / ratio if less_is_better else ratio)
    assert all(row["ratio"] is None for row in report["rows"] if row["against"] is None)


def test_a_stored_step_takes_a_seventh_of_one_with_stacks(report):
    rows = [row for row in report["rows"] if row["unit"] == "bytes/step" and row["against"]]
    frames, states = (row["ratio"] for row in rows)
    assert frames > 7
    assert states > 250


def test_repeats_take_turns_there_and_back():
    calls = []

    def work(name, seconds):
        calls.append(name)
        return seconds

    cases = [
        Case("a", 2, lambda: work("a", 4.0), times_itself=True),
        Case("b", 1, lambda: work("b", 3.0), times_itself=True),
    ]
    timings = Stopwatch(is_quick=True).timings(cases)
    assert "".join(calls) == "ab" + "abbaabbaab"
    assert timings == {"a": [2.0] * 5, "b": [3.0] * 5}


def test_short_work_is_called_until_a_repeat_is_long_enough(monkeypatch):
    ends: list[None] = []
    monkeypatch.setattr("time.perf_counter", lambda: 0.004 * len(ends))
    timings = Stopwatch(is_quick=True).timings([Case("short", 2, lambda: ends.append(0))])
    warm_up, repeats_of_three = 1 + 3, 5 * 3
    assert len(ends) == warm_up + repeats_of_three
    assert timings["short"] == pytest.approx([0.002] * 5)


def test_the_device_is_waited_for_around_the_work(monkeypatch):
    events = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: events.append("wait"))
    stopwatch = Stopwatch(device="cuda", is_quick=True)
    stopwatch.timings([Case("work", 1, lambda: events.append("work"))])
    assert events[:3] == ["wait", "work", "wait"]
    assert events[-1] == "wait"


def test_rows_hold_median_quartiles_and_ratio():
    cases = [Case("ours", 1, print, against=("limit", "peer")), Case("limit", 1, print)]
    cases.append(Case("peer", 1, print))
    timings = {"ours": [0.5, 0.25, 0.1, 0.2, 1.0], "limit": [0.125] * 5, "peer": [1.0] * 5}
    rows = list(rate_rows("buffer", "frames/s", cases, timings))
    assert rows == [
        Row("buffer", "ours", 4.0, "frames/s", "limit", 0.5, 3.0),
        Row("buffer", "ours", 4.0, "frames/s", "peer", 4.0, 3.0),
        Row("buffer", "limit", 8.0, "frames/s"),
        Row("buffer", "peer", 1.0, "frames/s"),
    ]
    added = [row.value for row in added_rows("buffer", cases, timings)]
    assert added == [125.0, -750.0]  # medians of the differences
    latency = next(latency_rows("buffer", cases, timings))
    assert latency == Row(
        "buffer", "latency of ours", 250.0, "ms", "latency of limit", 0.5, pytest.approx(300.0)
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["colect"], "unknown benchmark 'colect': did you mean 'collect'?"),
        (["buffer", "ennv"], "unknown benchmark 'ennv': did you mean 'env'?"),
        (["--jsn", "x"], "--json"),
        (["--device", "tpu"], "tpu"),
        (["--json", "."], "is a directory"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_measured(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: main(words), command="benchmarks", package="")
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("python -m benchmarks: ")
    assert message in error


def test_help_loads_no_torch():
    program = "import benchmarks.__main__, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
