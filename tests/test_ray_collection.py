"""Collection on several nodes of a Ray cluster, which all run on this machine."""

import itertools
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan import collect
from atarigan.config.ray_cluster import connected
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection import collection
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.ray_engine import RayEngine
from atarigan.data.collection.supervisor import Supervisor, WorkerDiedError
from atarigan.errors import InputError
from tests.killed_nodes import survived
from tests.ray_nodes import running_cluster
from tests.replayed_rings import check_rings

pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default::ResourceWarning")]
MISBEHAVING = "tests.fakes:Misbehaving-v0"
WAYS = pytest.mark.parametrize("streams", [False, True], ids=["shared", "streamed"])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Two nodes with a CPU each, to which this process is connected."""
    with running_cluster(2) as cluster, connected(cluster.address):
        yield cluster.address


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "buffer"


def begin(path: Path, env_id: str, num_envs: int = 1, **origin: Any) -> FrameBuffer:
    return create_buffer(
        path, Origin(env_id=env_id, **origin), size=None, capacity=600, num_envs=num_envs
    )


def columns(buffer: FrameBuffer) -> dict[str, bytes]:
    rows = np.arange(len(buffer))
    return {name: buffer.values_at(name, rows).tobytes() for name in buffer.meta.columns}


@WAYS
def test_nodes_store_what_processes_of_this_machine_do(
    address: str, tmp_path: Path, streams: bool
) -> None:
    contents, seeds = [], []
    engines = (partial(RayEngine, streams=streams), Supervisor)
    for name, start in zip(("ray", "local"), engines, strict=True):
        with begin(tmp_path / name, "ALE/Breakout-v5", num_envs=2) as buffer:
            for _ in range(2):  # the second goes on in the same rings
                summary = collection.collect(buffer, 300, num_envs=2, start=start)
            contents.append(columns(buffer))
            seeds.append([(each / "seeds.jsonl").read_text() for each, _, _ in buffer.writers])
            assert summary.num_steps == 300
            assert sum(summary.steps_by_node.values()) == (300 if name == "ray" else 0)
    assert contents[0] == contents[1]
    assert seeds[0] == seeds[1]


@WAYS
def test_the_command_names_the_nodes_and_their_rates(
    address: str, path: Path, capsys: Any, streams: bool
) -> None:
    """More shares than CPUs: some wait until one is free."""
    words = ["--ray", address, "--num-envs", "5", "--num-steps", "1500", "--out", str(path)]
    words += ["--frame-format", "palette", "--frame-size", "native"]
    assert collect.main([*words, *(["--ray-stream"] if streams else [])]) == 0
    printed = capsys.readouterr().out
    found = re.findall(r"node \S+: ([\d,]+) agent steps, [\d,]+ agent steps per second", printed)
    assert len(found) == 2
    assert sum(int(each.replace(",", "")) for each in found) == 1500
    assert "stored 1,500 agent steps at" in printed
    assert check_rings(path) == 1500
    assert FrameBuffer.open(path).num_writers == 5
    assert {each.name[:7] for each in path.iterdir()} == {"meta.js", "writer-"}


@pytest.mark.parametrize("num_kills", [2])
@WAYS
def test_what_killed_nodes_committed_stays_and_the_rest_is_played(
    tmp_path: Path, num_kills: int, streams: bool
) -> None:
    survived(tmp_path / "buffer", num_kills, streams=streams)


@WAYS
def test_a_task_that_dies_is_begun_again(
    address: str, path: Path, tmp_path: Path, streams: bool
) -> None:
    kwargs = {"trouble": "dies", "once": str(tmp_path / "once")}
    with begin(path, MISBEHAVING, env_kwargs=kwargs) as buffer:
        start = partial(RayEngine, streams=streams)
        with pytest.warns(UserWarning, match=r"task of environment 0 .* died after \d steps; ano"):
            summary = collection.collect(buffer, 60, start=start)
        assert (summary.num_steps, len(buffer)) == (60, 60)
        levels = buffer.values_at("frames", np.arange(60))[:, 0, 0, 0].astype(int)
        ends = np.logical_or(
            *(buffer.values_at(name, np.arange(60)) for name in ("terminations", "truncations"))
        )
        assert (np.diff(levels) == 1)[~ends[:-1]].all()


def test_a_task_that_dies_time_and_again_is_given_up(address: str, path: Path) -> None:
    with begin(path, MISBEHAVING, env_kwargs={"trouble": "dies"}) as buffer:
        with (
            pytest.warns(UserWarning, match=r"died after (6|12) steps"),
            pytest.raises(WorkerDiedError, match="its task died on node .*, 3 times in a row"),
        ):
            collection.collect(buffer, 60, start=RayEngine)
        assert len(buffer) == 18


def test_a_task_that_hangs_is_begun_again(address: str, path: Path, tmp_path: Path) -> None:
    kwargs = {"trouble": "hangs", "once": str(tmp_path / "once")}
    with begin(path, MISBEHAVING, env_kwargs=kwargs) as buffer:
        with pytest.warns(UserWarning, match="died after 6 steps"):
            collection.collect(buffer, 60, patience_s=5, start=RayEngine)
        assert len(buffer) == 60


@WAYS
def test_an_environment_that_does_not_do_as_it_says_is_refused(
    address: str, path: Path, streams: bool
) -> None:
    with begin(path, MISBEHAVING, env_kwargs={"trouble": "nan"}) as buffer:
        with pytest.raises(InputError, match=r"environment 0 \(seed \d+\), after 6 steps: a rew"):
            collection.collect(buffer, 60, start=partial(RayEngine, streams=streams))
        assert len(buffer) == 6


def test_a_stop_keeps_steps_and_cancels_what_waits(address: str, path: Path) -> None:
    with begin(path, "ALE/Breakout-v5", num_envs=6) as buffer:
        summary = collection.collect(
            buffer,
            10**6,
            num_envs=6,
            overwrite_oldest=True,
            start=RayEngine,
            should_stop=lambda: buffer.num_collected > 50,
        )
        assert 50 < summary.num_steps == buffer.num_collected < 10**5
        assert sum(each.length > 0 for each in buffer.writers) <= 3


def test_files_are_named_from_the_folder_of_the_command(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fakes import untrained_policy

    monkeypatch.chdir(tmp_path)
    policy = untrained_policy(4)
    policy.trained_on = {"preprocessing": "clone", "env_id": "ALE/Breakout-v5"}
    policy.save("player.zip")
    words = ["--policy", "sb3:PPO:player.zip", "--num-steps", "40", "--num-envs", "1"]
    assert collect.main([*words, "--out", "data", "--ray", "auto"]) == 0
    assert len(FrameBuffer.open("data")) == 40


def test_rings_of_other_collections_are_left_alone(address: str, path: Path) -> None:
    with begin(path, "ALE/Breakout-v5", num_envs=2) as buffer:
        own = buffer.new_writer()
        collection.collect(buffer, 200, num_envs=2, start=RayEngine)
        assert own.num_committed == 0
        lengths = [each.length for each in buffer.writers]
        assert (lengths[0], sum(lengths)) == (0, 200)
        assert all(not first == second == 0 for first, second in itertools.pairwise(lengths))
