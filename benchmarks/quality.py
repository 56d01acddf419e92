"""`python -m benchmarks quality`: train several configurations for equal minutes, and evaluate.

Interrupted runs are resumed, and finished ones are not repeated. With `--games` it trains the same
configuration on many games instead (`benchmarks/games.py`).
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atarigan.cli import command_line
from atarigan.config.run_config import Color, RunConfig
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.images.subset import evenly_spaced
from atarigan.models.frame_generator import FrameGenerator
from atarigan.pictures import grids
from benchmarks import machine
from benchmarks.gauge import Gauge, Scores
from benchmarks.quality_table import Row, table_lines

NUM_SHOWN = 16
OTHER_MINUTES = 1.0  # of a run besides training, for each time that it is evaluated


@dataclass(frozen=True)
class QualityArguments:
    """Train configurations for equal minutes with several seeds, and compare their samples."""

    candidates: tuple[str, ...]
    """Each "NAME: FLAGS of atarigan.train"; without flags NAME is a recipe."""
    source: str
    """Source that all of them learn."""
    out: str
    """Folder of the runs, the table and the pictures."""
    data: str | None = None
    """Folder of the source."""
    test_data: str | None = None
    """Folder of the same source, such as other episodes, whose states are given to generators that
    read RAM; default: that of --data.
    """
    minutes: tuple[float, ...] = (10.0,)
    """Minutes of training after which each run is evaluated, ascending; the last ends the run."""
    seeds: int = 3
    """Runs of each configuration, with seeds 0, 1, …"""
    num: int = 10_000
    """Number of samples to evaluate."""
    color: Color = "stored"
    """Color in which images of all candidates are evaluated."""
    image_size: str | None = None
    """Size at which images are evaluated; default: the size that the source stores."""
    jobs: int = 1
    """Number of parallel runs; each has one CPU thread if there are several."""


@dataclass(frozen=True)
class Candidate:
    """A configuration by name, as flags of `atarigan.train`."""

    name: str
    flags: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Candidate":
        """Parse "NAME: FLAGS" or the name of a recipe; else raise InputError."""
        name, _, flags = text.partition(":")
        name = name.strip()
        if not name or "/" in name:
            raise InputError(f"--candidates must be NAME or NAME: FLAGS, not {text!r}")
        return cls(name, tuple(shlex.split(flags)) or ("--recipe", name))


def main(words: Sequence[str]) -> int:
    """Train, evaluate and print the table; return the exit status."""
    if any(word.partition("=")[0] == "--games" for word in words):
        from benchmarks import games

        return games.main(words)
    arguments = command_line.parse(
        QualityArguments, words, command="benchmarks quality", package=""
    )
    candidates = [Candidate.parse(text) for text in arguments.candidates]
    runs = [(each, seed) for seed in range(arguments.seeds) for each in candidates]
    print(plan_line(arguments, runs), file=sys.stderr, flush=True)
    config = RunConfig(
        source=arguments.source,
        data=arguments.data,
        color=arguments.color,
        image_size=arguments.image_size,
    )
    gauge = Gauge.of(config, arguments.num, arguments.test_data)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(lambda run: _train_and_evaluate(arguments, gauge, *run), runs))
    out = Path(arguments.out)
    table = "\n".join(table_lines(list(_rows(arguments, gauge, candidates))))
    heading = f"{machine.describe_machine()}, commit {machine.commit()}"
    command = shlex.join(["python", "-m", "benchmarks", "quality", *words])
    (out / "table.md").write_text(f"{heading}\n\n`{command}`\n\n{table}\n", encoding="utf-8")
    _draw_comparison(arguments, gauge, candidates)
    print(table)
    return command_line.EXIT_OK


def plan_line(arguments: QualityArguments, runs: Sequence[tuple[Candidate, int]]) -> str:
    """Say how long all runs that are not finished will take, in one line."""
    minutes = max(arguments.minutes)
    num_left = sum(not scores_file(run_folder(arguments, *run), minutes).exists() for run in runs)
    one_after_another = -(-num_left // arguments.jobs)
    further = OTHER_MINUTES * len(arguments.minutes)
    return (
        f"{num_left} of {len(runs)} runs ({len(arguments.candidates)} candidates, "
        f"{arguments.seeds} seeds) are left, {arguments.jobs} at a time: "
        f"{one_after_another * minutes:.3g} minutes of training, and about "
        f"{one_after_another * further:.3g} of starting and evaluating"
    )


def _rows(
    arguments: QualityArguments, gauge: Gauge, candidates: Sequence[Candidate]
) -> Iterator[Row]:
    """Yield the scores of each candidate at each time."""
    for candidate in candidates:
        folders = [run_folder(arguments, candidate, seed) for seed in range(arguments.seeds)]
        own_floor = _own_floor(gauge, folders[0])
        for minutes in arguments.minutes:
            scores = [_read_scores(scores_file(folder, minutes)) for folder in folders]
            yield Row(candidate.name, minutes, scores, own_floor)


def _own_floor(gauge: Gauge, folder: Path) -> Scores | None:
    """Evaluate real frames in the format of a run; return None if it is the evaluator's format."""
    path = folder / "own-floor.json"
    generator = FrameGenerator.load(folder, device="cpu")
    if not generator.makes_frames or generator.frame_format == gauge.frame_format:
        return None
    if not path.exists():
        _write_scores(path, gauge.own_floor(generator.model.run))
    return _read_scores(path)


def run_folder(arguments: QualityArguments, candidate: Candidate, seed: int) -> Path:
    """Return the folder of a run of a candidate."""
    return Path(arguments.out) / candidate.name / f"seed-{seed}"


def scores_file(folder: Path, minutes: float) -> Path:
    """Return the file of a run's scores after this many minutes."""
    return folder / f"scores-after-{minutes:g}-minutes.json"


def _train_and_evaluate(
    arguments: QualityArguments, gauge: Gauge, candidate: Candidate, seed: int
) -> None:
    folder = run_folder(arguments, candidate, seed)
    for minutes in arguments.minutes:
        path = scores_file(folder, minutes)
        if not path.exists():
            _train(arguments, candidate, seed, folder, minutes)
            _write_scores(path, gauge.scores(FrameGenerator.load(folder, device="cpu")))
        shown = ", ".join(
            f"{name} {score['value']:.4g}" for name, score in _read_scores(path).items()
        )
        print(
            f"{candidate.name}, seed {seed}, {minutes:g} minutes: {shown}",
            file=sys.stderr,
            flush=True,
        )


def _read_scores(path: Path) -> Scores:
    scores: Scores = json.loads(path.read_text(encoding="utf-8"))
    return scores


def _write_scores(path: Path, scores: Scores) -> None:
    path.write_text(json.dumps(scores, indent=2), encoding="utf-8")


def _train(
    arguments: QualityArguments, candidate: Candidate, seed: int, folder: Path, minutes: float
) -> None:
    begins = not (folder / "checkpoints").exists()
    words = [*candidate.flags, "--source", arguments.source, "--seed", str(seed)]
    words += ["--data", arguments.data] if arguments.data else []
    command = [
        *(sys.executable, "-m", "atarigan.train", *(words if begins else ["--resume"])),
        *("--out", str(folder), "--max-minutes", str(minutes)),
    ]
    environment = _environment(one_thread=arguments.jobs > 1)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{shlex.join(command)} failed: {done.stderr.strip()[-300:]}")


def _environment(*, one_thread: bool) -> dict[str, str]:
    return {**os.environ, **({"OMP_NUM_THREADS": "1"} if one_thread else {})}


def _draw_comparison(
    arguments: QualityArguments, gauge: Gauge, candidates: Sequence[Candidate]
) -> None:
    """Draw a row of real frames, and one of each candidate's samples at seed 0, with titles."""
    if gauge.frame_format is None:
        return
    shown = evenly_spaced(gauge.source.num_samples, NUM_SHOWN, repeats=True)
    rows = [_titled_row("real", gauge.source.samples_at(shown), gauge.frame_format)]
    for each in candidates:
        generator = FrameGenerator.load(run_folder(arguments, each, 0), device="cpu")
        frames = generator.sample(NUM_SHOWN, seed=1)
        rows.append(_titled_row(each.name, frames, generator.frame_format))
    width = max(row.shape[1] for row in rows)
    padded = [grids.padded(row, row.shape[0], width) for row in rows]
    grids.save_picture(Path(arguments.out) / "beside.png", np.concatenate(padded))


def _titled_row(title: str, frames: Frames, frame_format: FrameFormat) -> Frames:
    scale = grids.scale_for(frame_format.height, frame_format.width, target=84)
    return grids.titled(grids.grid(frame_format.to_rgb(frames), NUM_SHOWN, scale), title)
