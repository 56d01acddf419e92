"""`python -m benchmarks.trainings`: recipes trained in a given time, with a table and pictures.

How far each comes, at which rate, and how long its published length would take. The generators are
packed, so that they can be evaluated elsewhere.
"""

import argparse
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atarigan.config.machine import num_cores
from atarigan.config.recipes import load_recipe
from atarigan.config.run_config import RunConfig
from atarigan.files import typed_json
from atarigan.models.checkpoint import find_checkpoint, load_training_state
from atarigan.models.model_config import ModelConfig
from benchmarks import machine

NUM_STEPS = 60_000
_STARTS_S = 25.0  # to read data, fit the generator and draw pictures, at most
_ENDS_S = 10.0  # to save a training that is asked to end
_LARGEST_ARCHIVE = 15 * 2**20


@dataclass(frozen=True)
class Training:
    """A recipe to train.

    Attributes:
        recipe: its name.
        share: of the time, compared with the others'.
        flags: further ones.
    """

    recipe: str
    share: float
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return " ".join((self.recipe, *self.flags)).replace("--", "")


TRAININGS = (
    Training("mlp-gan", 3),
    Training("simple-gan", 4),
    Training("images", 2),
    Training("atari", 3, ("--batch-size", "512")),
    Training("atari-wgan-gp", 2),
    Training("atari-dcgan", 1),
    Training("atari-upsample", 1),
    Training("atari-wgan-sigmoid", 1),
    Training("conv-standard", 1),
    Training("conv-energy", 1),
    Training("conv-wasserstein", 1),
    Training("images", 1, ("--source", "cifar10")),
)
QUICK = (Training("mlp-gan", 1), Training("atari", 1, ("--reconstruction-steps", "4")))


@dataclass(frozen=True)
class Trained:
    """What became of a training.

    Attributes:
        name: of the training.
        exit_status: of the command; 130 if it was asked to end.
        seconds: of the command, with its start and its end.
        num_images, training_s: real images, and the seconds of training alone.
        images_per_s: of the two.
        full_length_s: seconds of training that the recipe's epochs or images take at this rate;
            None if the recipe is limited by minutes.
        line: the last one that the command printed.
    """

    name: str
    exit_status: int
    seconds: float
    num_images: int = 0
    training_s: float = 0.0
    images_per_s: float = 0.0
    full_length_s: float | None = None
    line: str = ""


def train(
    training: Training, run: Path, data: Path, seconds: float, limit_s: float, device: str
) -> Trained:
    """Train for at most so many seconds, as far as the recipe goes.

    Args:
        training: what to train.
        run: folder of the run.
        data: buffer of frames.
        seconds: of training.
        limit_s: seconds of the whole command, after which it is asked to end.
        device: "auto", "cpu" or "cuda".
    """
    config = load_recipe(training.recipe)
    words = [sys.executable, "-m", "atarigan.train", "--recipe", training.recipe]
    words += ["--out", str(run), "--device", device, "--log", "none", "--evaluate-every-s", "0"]
    words += ["--max-minutes", f"{seconds / 60:.4f}", *limits(config), *training.flags]
    if config.source == "frames":
        words += ["--data", str(data)]
    began = time.monotonic()
    status, output = finished(words, limit_s)
    line = (output.strip().splitlines() or [""])[-1]
    found = Trained(training.name, status, time.monotonic() - began, line=line)
    return dataclasses.replace(found, **progress_of(run, config))


def finished(words: Sequence[str], limit_s: float) -> tuple[int, str]:
    """Run a command, which is asked to end at the limit; return its exit status and output."""
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    for end, wait_s in ((signal.SIGINT, limit_s), (signal.SIGKILL, _ENDS_S)):
        try:
            output, _ = process.communicate(timeout=wait_s)
        except subprocess.TimeoutExpired:
            process.send_signal(end)
        else:
            return process.returncode, output
    output, _ = process.communicate()
    return process.returncode, output


def limits(config: RunConfig) -> list[str]:
    """Return the flags of a recipe's own limits, which a limit in minutes would replace."""
    words = []
    if config.max_epochs:
        words += ["--max-epochs", str(config.max_epochs)]
    if config.max_images:
        words += ["--max-images", str(config.max_images)]
    return words


def progress_of(run: Path, config: RunConfig) -> dict[str, Any]:
    """Return how far a run came; nothing if it never began."""
    try:
        state = load_training_state(find_checkpoint(run))
        trained = typed_json.read_json(run / "config.json", ModelConfig).run
    except ValueError:
        return {}
    rate = state["num_images"] / max(state["elapsed_s"], 1e-9)
    most = config.max_images or num_images_of(trained, config.max_epochs)
    return {
        "num_images": state["num_images"],
        "training_s": state["elapsed_s"],
        "images_per_s": rate,
        "full_length_s": most / rate if most and rate else None,
    }


def num_images_of(config: RunConfig, num_epochs: float) -> int:
    """Return the images of epochs of a run's data."""
    from atarigan.data.sources import SOURCES

    return round(num_epochs * SOURCES[config.source](config).num_samples) if num_epochs else 0


def table(rows: Sequence[Trained]) -> str:
    """Return the results as a table in Markdown."""
    lines = [
        "| training | images | training, s | images/s | published length, s | command, s | |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        whole = "" if row.full_length_s is None else f"{row.full_length_s:,.0f}"
        note = "" if row.exit_status == 0 else f"exit status {row.exit_status}: {row.line}"
        lines.append(
            f"| {row.name} | {row.num_images:,} | {row.training_s:,.1f} | {row.images_per_s:,.0f} "
            f"| {whole} | {row.seconds:,.1f} | {note} |"
        )
    return "\n".join(lines) + "\n"


def write_results(out: Path, rows: Sequence[Trained]) -> None:
    """Print the table, and write JSON with machine, versions and commit."""
    print(table(rows), flush=True)
    report = {
        "machine": machine.describe_machine(),
        "versions": machine.versions(),
        "commit": machine.commit(),
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    (out / "trainings.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def keep(out: Path, name: str, run: Path) -> None:
    """Add a run's newest picture, and its packed generator while there is room, to archives."""
    from atarigan.models.checkpoint import write_packed_run

    folder = name.replace(" ", "-")
    with zipfile.ZipFile(out / "pictures.zip", "a") as pictures:
        for path in sorted((run / "samples").glob("images-*.png"))[-1:]:
            pictures.write(path, f"{folder}.png")
    archive = out / "generators.zip"
    try:
        size = write_packed_run(run, run / "packed")
    except ValueError as error:
        print(f"{name} is not packed: {error}")
        return
    if size + (archive.stat().st_size if archive.exists() else 0) > _LARGEST_ARCHIVE:
        print(f"{name} is not packed: its {size:,} bytes do not fit")
        return
    with zipfile.ZipFile(archive, "a") as generators:
        for path in sorted((run / "packed").iterdir()):
            generators.write(path, f"{folder}/{path.name}")


def collect(folder: Path, num_steps: int) -> None:
    """Play Breakout on all cores but two."""
    num_envs = max(1, num_cores() - 2)
    words = ["--num-steps", str(num_steps), "--num-envs", str(num_envs), "--out", str(folder)]
    subprocess.run([sys.executable, "-m", "atarigan.collect", *words], check=True)


def main(words: Sequence[str] | None = None) -> int:
    """Parse, collect, train; return the exit status: 0 if all trainings ended well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trainings", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--budget-s", type=float, default=420.0, help="seconds in all")
    parser.add_argument("--quick", action="store_true", help="show that everything works")
    flags = parser.parse_args(words)
    flags.out.mkdir(parents=True, exist_ok=True)
    chosen = QUICK if flags.quick else TRAININGS
    deadline = time.monotonic() + flags.budget_s
    rows: list[Trained] = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        collect(data, 500 if flags.quick else NUM_STEPS)
        for number, training in enumerate(chosen):
            shares = sum(each.share for each in chosen[number:])
            left_s = deadline - time.monotonic() - _STARTS_S * len(chosen[number:])
            seconds = 2.0 if flags.quick else max(2.0, left_s * training.share / shares)
            limit_s = max(1.0, deadline - time.monotonic() - _ENDS_S)
            limit_s = limit_s if flags.quick else min(limit_s, seconds + 2 * _STARTS_S)
            run = Path(folder) / f"run-{number}"
            rows.append(train(training, run, data, seconds, limit_s, flags.device))
            write_results(flags.out, rows)
            if rows[-1].num_images:
                keep(flags.out, training.name, run)
            shutil.rmtree(run, ignore_errors=True)
    return int(any(row.exit_status for row in rows))


if __name__ == "__main__":
    sys.exit(main())
