"""What every test runs under: one thread, fixed seeds, real data sets where they are at hand."""

import multiprocessing
import os
import random
import signal
import sys
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace

import hypothesis
import pytest

# Set before torch and OpenCV load: on a busy machine their idle threads spin and slow the rest.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(_variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

_DATA = Path(__file__).parents[2] / "shared" / "data"
if _DATA.is_dir():
    os.environ.setdefault("ATARIGAN_DATA", str(_DATA))

# What runs in the background may have been started with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("fixed", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("fixed")


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    random.seed(0)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)


@pytest.fixture
def light_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let collecting processes start with what one process has imported once.

    tests/test_collection.py and all commands that run in a process start them as users do.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["atarigan.data.collection.worker"])
    forkserver.ensure_running()
    module = SimpleNamespace(get_context=lambda method: context)
    monkeypatch.setattr("atarigan.data.collection.supervisor.multiprocessing", module)


@pytest.fixture
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs end without curves and animations, which tests/test_train_command.py looks for."""
    history, pictures = (
        f"atarigan.training.observers.{name}" for name in ("history", "sample_pictures")
    )
    monkeypatch.setattr(f"{history}.draw_curves", lambda folder: None)
    monkeypatch.setattr(f"{pictures}.SamplePictures._animate", lambda observer: None)
