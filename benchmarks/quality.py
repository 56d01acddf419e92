"""`python -m benchmarks.quality`: train several configurations for as many minutes each, and judge.

Runs are resumable: what is trained and judged is not done again, what was cut short goes on.
"""

import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atarigan import command_line, pictures
from atarigan.errors import InputError
from atarigan.metrics.judge import Judge
from atarigan.metrics.judges import judge_for
from atarigan.metrics.score import Score
from atarigan.run_config import RunConfig
from atarigan.sources import SOURCES
from benchmarks import machine

Scores = dict[str, Score]
NUM_SHOWN = 16


@dataclass(frozen=True)
class QualityArguments:
    """Train configurations at equal minutes over several seeds, judge their samples, compare."""

    candidates: tuple[str, ...]
    """Each "NAME: FLAGS of atarigan.train"; without flags NAME is a recipe."""
    source: str
    """What all of them learn."""
    out: str
    """Folder of the runs, the table and the pictures."""
    data: str | None = None
    """Folder of the source."""
    minutes: tuple[float, ...] = (10.0,)
    """Of training after which each run is judged, in rising order; it ends with the last."""
    seeds: int = 3
    """Runs of each configuration, with seeds 0, 1, …"""
    num: int = 10_000
    """Samples to judge."""
    jobs: int = 1
    """Runs at once, on one CPU thread each where there are several."""


@dataclass(frozen=True)
class Candidate:
    """A configuration by name, as flags of `atarigan.train`."""

    name: str
    flags: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Candidate":
        """From "NAME: FLAGS", or the name of a recipe. Raises InputError where there is no name."""
        name, _, flags = text.partition(":")
        name = name.strip()
        if not name or "/" in name:
            raise InputError(f"--candidates must be NAME or NAME: FLAGS, not {text!r}")
        return cls(name, tuple(shlex.split(flags)) or ("--recipe", name))


def main(argv: Sequence[str] | None = None) -> int:
    """Train, judge, print the table; returns the exit status."""
    arguments = command_line.parse(QualityArguments, argv, command="quality", package="benchmarks.")
    candidates = [Candidate.parse(text) for text in arguments.candidates]
    runs = [(each, seed) for seed in range(arguments.seeds) for each in candidates]
    config = RunConfig(source=arguments.source, data=arguments.data)
    judge = judge_for(SOURCES[arguments.source](config), config, arguments.num)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(lambda run: _train_and_judge(arguments, judge, *run), runs))
    out = Path(arguments.out)
    table = "\n".join(table_lines(arguments, candidates))
    words = sys.argv[1:] if argv is None else argv
    heading = f"{machine.describe_machine()}, commit {machine.commit()}"
    command = shlex.join(["python", "-m", "benchmarks.quality", *words])
    (out / "table.md").write_text(f"{heading}\n\n`{command}`\n\n{table}\n", encoding="utf-8")
    print(table)
    _draw_beside(arguments, candidates)
    return command_line.EXIT_OK


def table_lines(arguments: QualityArguments, candidates: Sequence[Candidate]) -> Iterator[str]:
    """A Markdown table: a row a candidate and time, the median and the range over the seeds."""
    metrics = list(_read_scores(_first_scores_file(arguments, candidates)))
    yield "| " + " | ".join(("configuration", "minutes", *metrics)) + " |"
    yield "|---" * (len(metrics) + 2) + "|"
    for candidate in candidates:
        for minutes in arguments.minutes:
            scores = [
                _read_scores(scores_file(run_folder(arguments, candidate, seed), minutes))
                for seed in range(arguments.seeds)
            ]
            cells = (_cell([each[metric]["value"] for each in scores]) for metric in metrics)
            yield "| " + " | ".join((candidate.name, f"{minutes:g}", *cells)) + " |"
    floors = (f"{scores[0][metric]['floor']:.4g}" for metric in metrics)
    yield "| " + " | ".join(("real against real", "", *floors)) + " |"


def _first_scores_file(arguments: QualityArguments, candidates: Sequence[Candidate]) -> Path:
    return scores_file(run_folder(arguments, candidates[0], 0), arguments.minutes[0])


def _cell(values: Sequence[float]) -> str:
    spread = f" ({min(values):.4g} to {max(values):.4g})" if len(values) > 1 else ""
    return f"{statistics.median(values):.4g}{spread}"


def run_folder(arguments: QualityArguments, candidate: Candidate, seed: int) -> Path:
    """Where a run of a candidate is kept."""
    return Path(arguments.out) / candidate.name / f"seed-{seed}"


def scores_file(folder: Path, minutes: float) -> Path:
    """Where a run's scores after so many minutes are kept."""
    return folder / f"scores-after-{minutes:g}-minutes.json"


def _train_and_judge(
    arguments: QualityArguments, judge: Judge, candidate: Candidate, seed: int
) -> None:
    folder = run_folder(arguments, candidate, seed)
    for minutes in arguments.minutes:
        path = scores_file(folder, minutes)
        if not path.exists():
            _train(arguments, candidate, seed, folder, minutes)
            scores = judge.scores(_samples(folder, judge.num))
            path.write_text(json.dumps(scores, indent=2), encoding="utf-8")
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


def _samples(folder: Path, num: int) -> "np.ndarray[Any, Any]":
    from atarigan.frame_generator import FrameGenerator

    generator = FrameGenerator.load(folder, device="cpu")
    return generator.sample(num) if generator.makes_frames else generator.sample_points(num)


def _draw_beside(arguments: QualityArguments, candidates: Sequence[Candidate]) -> None:
    """A row of samples a candidate, those of seed 0, under its name."""
    from atarigan.frame_generator import FrameGenerator

    rows = []
    for each in candidates:
        generator = FrameGenerator.load(run_folder(arguments, each, 0), device="cpu")
        if not generator.makes_frames:
            return
        frame_format = generator.frame_format
        frames = frame_format.to_rgb(generator.sample(NUM_SHOWN, seed=1))
        scale = pictures.scale_for(frame_format.height, frame_format.width, target=84)
        rows.append(pictures.titled(pictures.grid(frames, NUM_SHOWN, scale), each.name))
    width = max(row.shape[1] for row in rows)
    padded = [pictures.padded(row, row.shape[0], width) for row in rows]
    pictures.save_picture(Path(arguments.out) / "beside.png", np.concatenate(padded))


if __name__ == "__main__":
    command_line.run(main, command="quality", package="benchmarks.")
