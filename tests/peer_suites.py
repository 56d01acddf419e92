"""The suites of Gymnasium, stable-baselines3, ALE and Minari with our wrappers around their
environments: `python -m tests.peer_suites --sources FOLDER`.

The folder, or $ATARIGAN_PEERS, holds checkouts named as their repositories are. Each file of tests
runs twice, in a process of its own: within wrappers that change nothing, and within those of
atarigan.envs in mode "info". What fails only within ours is a finding. A file that is cut off at
its limit keeps the outcomes so far; one that cannot be collected counts as an error. The releases
that the checkouts belong to must be installed, Minari's as `minari[create,hdf5,arrow]`, and what
the suites themselves import.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import SampleSpec
from atarigan.images.pixels import FrameFormat
from atarigan.models.build import build_generator
from atarigan.models.checkpoint import save_checkpoint
from atarigan.models.model_config import ModelConfig

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Suite:
    """Tests of a checkout, and where `peer_wrapping` puts wrappers."""

    checkout: str
    wraps: str
    paths: tuple[str, ...]


SUITES = (
    Suite("Gymnasium", "single", ("tests/wrappers", "tests/test_core.py", "tests/utils")),
    Suite("Gymnasium", "vector", ("tests/vector", "tests/wrappers/vector")),
    Suite(
        "stable-baselines3",
        "sb3",
        tuple(
            f"tests/test_vec_{name}.py"
            for name in (
                "envs",
                "stacked_obs",
                "monitor",
                "normalize",
                "check_nan",
                "extract_dict_obs",
            )
        ),
    ),
    Suite("Arcade-Learning-Environment", "single", ("tests/python/test_atari_env.py",)),
    Suite("Arcade-Learning-Environment", "ale-vector", ("tests/python/test_atari_vector_env.py",)),
    Suite("Minari", "single", ("tests/data_collector", "tests/utils/test_dataset_creation.py")),
)


CUT_OFF = "cut off"
BAD = ("failed", "error", CUT_OFF)
Outcomes = dict[str, str]


def files_of(suite: Suite, folder: Path) -> Iterator[str]:
    """Yield the files of tests of a suite, relative to its checkout."""
    for name in suite.paths:
        path = folder / name
        for file in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
            yield str(file.relative_to(folder))


def outcomes_of(
    suite: Suite, folder: Path, file: str, wrap: str, generator: Path, limit_s: float
) -> Outcomes:
    """Return the outcome of each test of a file: passed, skipped, failed, error or cut off."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "outcomes"
        report.touch()
        environment = {
            **os.environ,
            "PYTHONPATH": str(HERE),
            "ATARIGAN_PEER_SUITE": suite.wraps,
            "ATARIGAN_PEER_WRAP": wrap,
            "ATARIGAN_PEER_GENERATOR": str(generator),
            "ATARIGAN_PEER_OUTCOMES": str(report),
            "MINARI_DATASETS_PATH": scratch,
        }
        # -P: the installed releases, not the packages of the checkouts
        command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "peer_wrapping"]
        command += ["-p", "no:cacheprovider", "-o", "addopts=", file]
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(limit_s)
        with contextlib.suppress(ProcessLookupError):  # also ends what the tests started
            os.killpg(process.pid, signal.SIGKILL)
        is_cut_off = process.wait() < 0
        lines = report.read_text().splitlines()
    # a test that was started, and did not end, has no outcome yet
    outcomes = {name: outcome or CUT_OFF for name, _, outcome in (x.partition("\t") for x in lines)}
    if is_cut_off and CUT_OFF not in outcomes.values():
        outcomes[file] = CUT_OFF
    return outcomes


def only_ours(idle: Outcomes, ours: Outcomes) -> dict[str, str]:
    """Return what went wrong within our wrappers and not within those that change nothing."""
    return {
        name: outcome
        for name, outcome in ours.items()
        if outcome in BAD and idle.get(name) not in BAD
    }


def write_generator(folder: Path) -> Path:
    """Write a run with an untrained generator of small gray frames."""
    frame_format = FrameFormat("gray", 20, 24)
    run = RunConfig(network="subpixel", latent_size=4, generator_width=8)
    model = ModelConfig(run, SampleSpec((1, 20, 24), frame_format))
    torch.manual_seed(0)
    save_checkpoint(folder, model, build_generator(model).state_dict(), {"num_images": 1})
    return folder


def run_suite(suite: Suite, folder: Path, generator: Path, limit_s: float) -> dict[str, str]:
    """Run a suite, print a row of the table, and return the findings."""
    idle: Outcomes = {}
    ours: Outcomes = {}
    for file in files_of(suite, folder):
        start = time.monotonic()
        for wrap, outcomes in (("idle", idle), ("generated", ours)):
            outcomes |= outcomes_of(suite, folder, file, wrap, generator, limit_s)
        seconds = time.monotonic() - start
        print(f"{suite.checkout} {suite.wraps} {file}: {seconds:.0f} s", file=sys.stderr)
    counts, findings = Counter(ours.values()), only_ours(idle, ours)
    num_alike = sum(counts[outcome] for outcome in BAD) - len(findings)
    row = (suite.checkout, suite.wraps, len(ours), counts["passed"], counts["skipped"])
    print("|", " | ".join(map(str, (*row, num_alike, len(findings)))), "|", flush=True)
    for name, outcome in findings.items():
        print(f"    {outcome}: {name}", flush=True)
    return findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", default=os.environ.get("ATARIGAN_PEERS"))
    parser.add_argument("--only", default="", help="checkouts whose name has this in it")
    parser.add_argument("--limit-s", type=float, default=300, help="seconds for a file of tests")
    arguments = parser.parse_args()
    if arguments.sources is None:
        print("skipped: name a folder of checkouts by --sources or $ATARIGAN_PEERS")
        return 0
    sources = Path(arguments.sources).resolve()
    findings: Outcomes = {}
    print("| peer | wrapped | tests | passed | skipped | wrong without ours too | findings |")
    print("|---|---|---:|---:|---:|---:|---:|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        generator = write_generator(Path(scratch) / "run")
        for suite in SUITES:
            folder = sources / suite.checkout
            if arguments.only not in suite.checkout:
                continue
            if folder.is_dir():
                findings |= run_suite(suite, folder, generator, arguments.limit_s)
            else:
                print(f"| {suite.checkout} | {suite.wraps} | skipped: {folder} does not exist |")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
