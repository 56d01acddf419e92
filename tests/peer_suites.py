"""The suites of Gymnasium, stable-baselines3, ALE and Minari with our wrappers around their
environments: `python -m tests.peer_suites --sources FOLDER`.

The folder, or $ATARIGAN_PEERS, holds checkouts named as their repositories are. Each suite runs
twice: within wrappers that change nothing, and within those of atarigan.envs in mode "info". What
fails only within ours is a finding. The releases that the checkouts belong to must be installed,
Minari's as `minari[create,hdf5,arrow]`, and what the suites themselves import.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

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


def outcomes_of(suite: Suite, folder: Path, wrap: str, generator: Path) -> dict[str, str]:
    """Return the outcome of each test: passed, skipped, failure or error."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        environment = {
            **os.environ,
            "PYTHONPATH": str(HERE),
            "ATARIGAN_PEER_SUITE": suite.wraps,
            "ATARIGAN_PEER_WRAP": wrap,
            "ATARIGAN_PEER_GENERATOR": str(generator),
            "MINARI_DATASETS_PATH": scratch,
        }
        # -P: the installed releases, not the packages of the checkouts
        command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "peer_wrapping"]
        command += ["-p", "no:cacheprovider", "-o", "addopts=", f"--junitxml={report}"]
        command += ["--continue-on-collection-errors"]
        finished = subprocess.run(
            [*command, *suite.paths],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            raise RuntimeError(f"{suite.checkout} does not run:\n{finished.stdout[-2000:]}")
        cases = ElementTree.parse(report).iter("testcase")
        return {
            f"{case.get('classname')}::{case.get('name')}": next(
                (child.tag for child in case if child.tag in ("skipped", "failure", "error")),
                "passed",
            )
            for case in cases
        }


def write_generator(folder: Path) -> Path:
    """Write a run with an untrained generator of small gray frames."""
    frame_format = FrameFormat("gray", 20, 24)
    run = RunConfig(network="subpixel", latent_size=4, generator_width=8)
    model = ModelConfig(run, SampleSpec((1, 20, 24), frame_format))
    torch.manual_seed(0)
    save_checkpoint(folder, model, build_generator(model).state_dict(), {"num_images": 1})
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", default=os.environ.get("ATARIGAN_PEERS"))
    parser.add_argument("--only", default="", help="checkouts whose name has this in it")
    arguments = parser.parse_args()
    if arguments.sources is None:
        print("skipped: name a folder of checkouts by --sources or $ATARIGAN_PEERS")
        return 0
    sources, num_findings = Path(arguments.sources).resolve(), 0
    with tempfile.TemporaryDirectory() as scratch:
        generator = write_generator(Path(scratch) / "run")
        for suite in SUITES:
            folder = sources / suite.checkout
            if arguments.only not in suite.checkout:
                continue
            if not folder.is_dir():
                print(f"| {suite.checkout} | {suite.wraps} | skipped: {folder} does not exist |")
                continue
            idle, ours = (
                outcomes_of(suite, folder, wrap, generator) for wrap in ("idle", "generated")
            )
            bad = ("failure", "error")
            findings = [name for name, outcome in ours.items() if outcome in bad]
            findings = [name for name in findings if idle.get(name) not in bad]
            passed = sum(outcome == "passed" for outcome in ours.values())
            alike = sum(ours.get(name) in bad for name in idle if idle[name] in bad)
            print(
                f"| {suite.checkout} | {suite.wraps} | {len(ours)} | {passed} | {alike} | "
                f"{len(findings)} |",
                flush=True,
            )
            for name in findings:
                print(f"    {name}", flush=True)
            num_findings += len(findings)
    return int(num_findings > 0)


if __name__ == "__main__":
    sys.exit(main())
