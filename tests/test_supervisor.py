"""Environments that misbehave, in processes of their own: what is lost, and what goes on."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection import worker
from atarigan.data.collection.collection import collect
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.supervisor import WorkerDiedError
from atarigan.data.collection.worker import Share, Signals, collect_share, seeds_of
from atarigan.errors import InputError

pytestmark = pytest.mark.usefixtures("light_workers")
MISBEHAVING = "tests.fakes:Misbehaving-v0"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "buffer"


def begin(path: Path, env_id: str = MISBEHAVING, num_envs: int = 1, **kwargs: Any) -> FrameBuffer:
    origin = Origin(env_id=env_id, env_kwargs=kwargs)
    return create_buffer(path, origin, size=None, capacity=200, num_envs=num_envs)


def column(buffer: FrameBuffer, name: str) -> np.ndarray:
    return buffer.values_at(name, np.arange(len(buffer)))


def check_episodes(buffer: FrameBuffer) -> None:
    """Levels count up within an episode, and whatever follows a cut is another episode."""
    levels = column(buffer, "frames")[:, 0, 0, 0].astype(int)
    ends = column(buffer, "terminations") | column(buffer, "truncations")
    counts_up = np.diff(levels) == 1
    assert counts_up[~ends[:-1]].all()
    assert not counts_up[ends[:-1]].all()


@pytest.mark.parametrize(
    ("trouble", "patience_s", "message"),
    [
        ("dies", 300, r"environment \d \(seed \d+\) was killed by SIGKILL after 6 steps; a new"),
        pytest.param(
            "hangs",
            5,
            r"environment \d \(seed \d+\) took no step for 5 s after 6 steps; a new",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_process_that_dies_or_hangs_has_a_successor(
    path: Path, tmp_path: Path, trouble: str, patience_s: float, message: str
) -> None:
    with begin(path, num_envs=2, trouble=trouble, once=str(tmp_path / "once")) as buffer:
        with pytest.warns(UserWarning, match=message) as warned:
            summary = collect(buffer, 60, num_envs=2, patience_s=patience_s)
        assert len(warned) == 1
        assert (buffer.num_writers, buffer.num_collected, len(buffer)) == (2, 60, 60)
        cut = np.flatnonzero(column(buffer, "truncations"))
        assert 5 in cut % 30  # the step before the one that was never committed
        check_episodes(buffer)
    assert (summary.num_steps, summary.num_episodes) == (60, 60 // 5 - 1)
    assert summary.mean_return == pytest.approx(7.5, abs=3)


def test_a_process_that_dies_time_and_again_is_given_up(path: Path) -> None:
    with begin(path, trouble="dies") as buffer:
        with (
            pytest.warns(
                UserWarning, match="SIGKILL after (6|12) steps; a new process continues"
            ) as warned,
            pytest.raises(WorkerDiedError, match="SIGKILL after 18 steps$"),
        ):
            collect(buffer, 60)
        assert len(warned) == 2
        assert len(buffer) == 18
        check_episodes(buffer)


def test_successors_have_seeds_of_their_own() -> None:
    seeds = {
        seeds_of(0, f"writer-00{ring}", first_step, attempt)
        for ring, first_step, attempt in itertools.product(range(4), range(4), range(4))
    }
    assert len(seeds) == 64


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("shrinks", r"observations must stay uint8 \(16, 12\), .*, not uint8 \(15, 12\)"),
        ("nan", "a reward must be a finite number of float32, not nan"),
        ("infinite", "a reward must be a finite number of float32, not inf"),
    ],
)
def test_an_environment_that_does_not_do_as_it_says_is_refused(
    path: Path, trouble: str, message: str
) -> None:
    with begin(path, trouble=trouble) as buffer:
        with pytest.raises(
            InputError, match=rf"environment 0 \(seed \d+\), after 6 steps: {message}"
        ):
            collect(buffer, 60)
        assert len(buffer) == 6
        assert np.isfinite(column(buffer, "rewards")).all()


def test_episodes_without_end_are_cut_off(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LONGEST_EPISODE", 20)
    with begin(path, "tests.fakes:Endless-v0") as buffer:
        tally = collect_share(Share(path, 0, 50, seed=0), Signals(1))
        buffer.refresh()
        assert np.flatnonzero(column(buffer, "truncations")).tolist() == [19, 39, 49]
        assert not column(buffer, "terminations").any()
    assert (tally.num_steps, tally.num_episodes) == (50, 2)
