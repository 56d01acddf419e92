"""What every test runs under: one thread, fixed seeds, real data sets where they are at hand."""

import contextlib
import functools
import gc
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Iterator
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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for garbage among what tests make alone: imports make many objects that stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs CUDA where there is none."""
    of_cuda = [item for item in items if item.get_closest_marker("cuda")]
    if not of_cuda:
        return
    import torch

    if not torch.cuda.is_available():
        for item in of_cuda:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(scope="session", autouse=True)
def _games_loaded_once(request: pytest.FixtureRequest) -> Iterator[None]:
    """Spare the fast tests hundreds of loadings; with the slow ones, all games are loaded anew."""
    from tests.loaded_games import loaded_once

    is_fast = request.config.getoption("markexpr") == "not slow"
    with loaded_once() if is_fast else contextlib.nullcontext():
        yield


@pytest.fixture(scope="session", autouse=True)
def _published_images_unpacked_once() -> Iterator[None]:
    """Keep what is read of the real data sets, which tests do not change."""
    from atarigan.data.sources import labeled_images

    read, kept = labeled_images.read_idx, functools.cache(labeled_images.read_idx)
    folder = Path(os.environ.get("ATARIGAN_DATA", os.devnull))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            labeled_images,
            "read_idx",
            lambda path, *rest: (kept if path.is_relative_to(folder) else read)(path, *rest),
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def _logs_among_the_files_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Spare the machine's folder of temporary files one more of stable-baselines3 a training."""
    os.environ["SB3_LOGDIR"] = str(tmp_path_factory.mktemp("logs"))


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
    _leave_out_curves(monkeypatch)


@pytest.fixture(scope="module")
def no_curves_in_module() -> Iterator[None]:
    """The same for all runs of a module, those of its fixtures as well."""
    with pytest.MonkeyPatch.context() as patch:
        _leave_out_curves(patch)
        yield


def _leave_out_curves(patch: pytest.MonkeyPatch) -> None:
    history, pictures = (
        f"atarigan.training.observers.{name}" for name in ("history", "sample_pictures")
    )
    patch.setattr(f"{history}.draw_curves", lambda folder: None)
    patch.setattr(f"{pictures}.SamplePictures._animate", lambda observer: None)
