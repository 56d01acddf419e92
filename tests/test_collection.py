"""Collection by processes of their own, from Python."""

import itertools
import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.collection import collect, default_num_envs, divided
from atarigan.data.collection.new_buffer import actions_column, create_buffer
from atarigan.data.collection.policies import RandomPolicy
from atarigan.data.collection.supervisor import WorkerDiedError
from atarigan.data.collection.worker import Share, Signals, Tally, collect_share, seeds_of
from atarigan.errors import InputError

COUNTING = "tests.fakes:Counting-v0"
BRIGHTNESS = "tests.fakes:brightness_policy"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "buffer"


def begin(
    path: Path,
    env_id: str = COUNTING,
    *,
    format_name: str = "gray",
    size: tuple[int, int] | None = None,
    capacity: int = 1000,
    num_envs: int = 1,
    **origin: Any,
) -> FrameBuffer:
    """An empty buffer for an environment."""
    return create_buffer(
        path,
        Origin(env_id=env_id, **origin),
        format_name=format_name,
        size=size,
        capacity=capacity,
        num_envs=num_envs,
    )


def play_share(buffer: FrameBuffer, num_steps: int, index: int = 0) -> Tally:
    """What one process does, in this one."""
    seed = buffer.meta.origin.seed or 0
    share = Share(buffer.path, index, num_steps, seed)
    tally = collect_share(share, Signals(1))
    buffer.refresh()
    return tally


def column(buffer: FrameBuffer, name: str) -> np.ndarray:
    return buffer.values_at(name, np.arange(len(buffer)))


def columns(buffer: FrameBuffer) -> dict[str, bytes]:
    return {name: column(buffer, name).tobytes() for name in buffer.meta.columns}


def test_row_is_what_was_acted_on_what_was_done_and_what_came_of_it(path: Path) -> None:
    """The environment counts its steps and the policy does what it sees, so each row tells."""
    with begin(path, policy=BRIGHTNESS) as buffer:
        tally = play_share(buffer, 12)
        levels = column(buffer, "frames")[:, 0, 0, 0].astype(int)
        assert np.diff(levels[:5]).tolist() == np.diff(levels[5:10]).tolist() == [1] * 4
        assert column(buffer, "actions").tolist() == (levels % 4).tolist()
        assert column(buffer, "rewards").tolist() == (levels % 4).tolist()
        assert np.flatnonzero(column(buffer, "terminations")).tolist() == [4, 9]
        assert np.flatnonzero(column(buffer, "truncations")).tolist() == [11]
    assert (tally.num_steps, tally.num_episodes) == (12, 2)
    assert tally.sum_of_returns == (levels % 4)[:10].sum()


def test_policy_is_told_of_every_episode(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(RandomPolicy, "begin_episode", lambda policy: told.append(policy))
    with begin(path) as buffer:
        play_share(buffer, 12)
    assert len(told) == 3  # episodes last 5 steps


def test_ram_belongs_to_the_frame_of_its_step(path: Path) -> None:
    """In Pong the ball is where RAM byte 49 says."""
    with begin(path, "ALE/Pong-v5", format_name="palette") as buffer:
        play_share(buffer, 300)
        balls = column(buffer, "frames")[:, 34:194, :, 0] == 14
        memory = column(buffer, "ram")
    is_whole = balls.sum(axis=(1, 2)) == 8
    assert is_whole.sum() > 50
    first_column = balls.any(axis=1).argmax(axis=1)
    assert np.array_equal(first_column[is_whole], memory[is_whole, 49].astype(int) - 49)


@pytest.mark.parametrize(
    ("env_id", "settings"),
    [
        ("ALE/Breakout-v5", {"policy": "scripted", "epsilon": 0.1, "size": (84, 84)}),
        (COUNTING, {"policy": "random"}),
    ],
)
def test_same_seed_gives_the_same_buffer(
    tmp_path: Path, env_id: str, settings: dict[str, Any]
) -> None:
    contents = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        with begin(tmp_path / name, env_id, seed=seed, **settings) as buffer:
            play_share(buffer, 120)
            contents.append(columns(buffer))
    assert contents[0] == contents[1]
    assert contents[0]["frames"] != contents[2]["frames"]
    assert contents[0]["actions"] != contents[2]["actions"]


def test_rings_and_later_collections_have_seeds_of_their_own() -> None:
    rings = [*(f"writer-00{number}" for number in range(4)), "writer-000-copy"]
    seeds = {
        seeds_of(seed, ring, first_step)
        for ring, seed, first_step in itertools.product(rings, range(4), range(4))
    }
    assert len(seeds) == 80


def test_seeds_are_stored_with_the_ring(path: Path) -> None:
    with begin(path, seed=5) as buffer:
        for num_steps in (7, 4):
            play_share(buffer, num_steps)
    stored = (path / "writer-000" / "seeds.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in stored] == [
        dict(zip(("first_step", "env_seed", "policy_seed"), (first, *seeds), strict=True))
        for first, seeds in [(0, seeds_of(5, "writer-000", 0)), (7, seeds_of(5, "writer-000", 7))]
    ]


@pytest.mark.usefixtures("light_workers")
def test_collections_at_the_same_time_repeat_no_episode(path: Path) -> None:
    """Both count the same steps of the buffer when they begin."""
    start = threading.Barrier(2)

    def append(buffer: FrameBuffer) -> None:
        start.wait()
        collect(buffer, 150, num_envs=1)

    with begin(path, "ALE/Breakout-v5", size=(84, 84), capacity=1000) as buffer:
        collect(buffer, 50)
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(append, [FrameBuffer.open(path) for _ in range(2)]))
        collect(buffer, 50)
        buffer.refresh()
        assert len(buffer) == 400
        played = [part for ring in sorted(path.glob("writer-*")) for part in parts_of(ring)]
    assert sorted(len(part) for part in played) == [50, 50, 150, 150]
    for some, others in itertools.combinations(played, 2):
        num = min(len(some), len(others))
        assert (some[20:num] != others[20:num]).any(axis=1).mean() > 0.9


def parts_of(ring: Path) -> list[np.ndarray]:
    """Return the RAM of the steps of each pair of seeds."""
    seeds = (ring / "seeds.jsonl").read_text().splitlines()
    starts = [json.loads(line)["first_step"] for line in seeds]
    num_steps = int(np.load(ring / "num_committed.npy")[0])
    return np.split(np.load(ring / "state.npy")[:num_steps], starts[1:])


@pytest.mark.usefixtures("light_workers")
def test_full_ring_is_followed_by_another_with_an_episode_of_its_own(path: Path) -> None:
    with begin(path, capacity=12) as buffer:
        collect(buffer, 40)
        assert buffer.writer_lengths == [12, 12, 12, 4]
        assert buffer.num_collected == len(buffer) == 40
        ends = column(buffer, "terminations") | column(buffer, "truncations")
        assert ends[[11, 23, 35, 39]].all()
        levels = column(buffer, "frames")[:, 0, 0, 0].astype(int)
        assert len({*levels[[0, 12, 24, 36]]}) == 4
        with pytest.raises(InputError, match="capacity must be at least 48 steps, which .* not 36"):
            buffer.grow(36)
        buffer.grow(61)
        assert (buffer.capacity, len(buffer)) == (72, 40)


@pytest.mark.usefixtures("light_workers")
def test_oldest_steps_are_overwritten_if_asked(path: Path) -> None:
    with begin(path, capacity=12) as buffer:
        collect(buffer, 12)
        collect(buffer, 5, overwrite_oldest=True)
        assert (buffer.num_writers, len(buffer), buffer.num_collected) == (1, 12, 17)


@pytest.mark.parametrize(
    ("num_steps", "limits", "shares"),
    [
        (10, [5, 5], [5, 5]),
        (7, [9, 9, 9], [3, 2, 2]),
        (10, [2, 100, 100], [2, 4, 4]),
        (10, [100, 1, 4], [5, 1, 4]),
        (10, [1, 2], [5, 5]),
    ],
)
def test_steps_are_divided_by_the_room_of_rings(
    num_steps: int, limits: list[int], shares: list[int]
) -> None:
    assert divided(num_steps, limits) == shares


@pytest.mark.parametrize(
    ("env_id", "dtype", "shape"),
    [
        ("tests.fakes:Steering-v0", "float32", (3,)),
        ("tests.fakes:ManySwitches-v0", "int64", (2,)),
        ("tests.fakes:Rendering-v0", "int64", ()),
    ],
)
def test_environments_other_than_ale_are_collected(
    path: Path, env_id: str, dtype: str, shape: tuple[int, ...]
) -> None:
    with begin(path, env_id, format_name="rgb", frame_skip=2, max_pool=True) as buffer:
        play_share(buffer, 20)
        actions, rewards = column(buffer, "actions"), column(buffer, "rewards")
        levels = column(buffer, "frames")[:, 0, 0].astype(int)
    assert (actions.dtype, actions.shape) == (dtype, (20, *shape))
    sums = actions.reshape(20, -1).sum(axis=1)
    num_repeats = np.where(column(buffer, "terminations"), 1, 2)  # episodes last 5 steps
    assert np.allclose(rewards, sums * num_repeats, atol=1e-5)
    assert np.diff(levels[:3], axis=0).tolist() == [[2] * 3] * 2
    assert "ram" not in buffer.meta.columns


def test_rendering_is_stored_where_the_observation_is_no_image(path: Path) -> None:
    with begin(path, "tests.fakes:Rendering-v0") as buffer:
        assert buffer.meta.frame_format.shape == (20, 30, 1)


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Dict(a=gym.spaces.Discrete(2)),
        gym.spaces.Tuple([gym.spaces.Discrete(2)]),
        gym.spaces.Text(3),
    ],
)
def test_actions_that_are_no_array_are_refused(space: gym.Space[Any]) -> None:
    with pytest.raises(InputError, match="actions must be Discrete, MultiDiscrete, MultiBinary or"):
        actions_column(space)


def test_what_the_origin_leaves_open_is_filled_in(path: Path) -> None:
    with begin(path, "ALE/Pong-v5", env_kwargs={"difficulty": 1}) as buffer:
        assert buffer.meta.origin == Origin(
            env_id="ALE/Pong-v5",
            env_kwargs={"difficulty": 1},
            action_meanings=("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"),
            policy="random",
            seed=0,
            frame_skip=4,
            sticky=0.25,
        )
        assert buffer.meta.ram_size == 128


def test_buffer_that_no_collection_began_cannot_be_gone_on_with(path: Path) -> None:
    buffer = FrameBuffer.create(path, 10, (8, 8, 1))
    with pytest.raises(InputError, match="does not say which environment"):
        play_share(buffer, 1)


def test_processes_share_the_steps_and_each_has_a_ring(path: Path) -> None:
    """Nothing is overwritten, though a process may be done before another begins."""
    told: list[int] = []
    with begin(path, capacity=103, num_envs=3) as buffer:
        summary = collect(buffer, 103, num_envs=3, report=lambda num, _: told.append(num))
        assert (len(buffer), buffer.num_collected) == (103, 103)
        assert buffer.num_writers == 3
        ends = column(buffer, "terminations")
        beginnings = column(buffer, "frames")[np.flatnonzero(ends[:-1]) + 1, 0, 0, 0]
        assert told[-1] == 103
        assert (summary.num_steps, summary.num_episodes) == (103, ends.sum())
        assert summary.mean_return == pytest.approx(7.5, abs=2)
        assert len(set(beginnings)) > 10

        collect(buffer, 2, num_envs=5)
        assert buffer.num_collected == 105


def test_stopping_keeps_what_was_stored(path: Path) -> None:
    with begin(path, capacity=10**6) as buffer:
        summary = collect(buffer, 10**6, num_envs=2, should_stop=lambda: buffer.num_collected > 300)
        assert 300 < summary.num_steps == len(buffer) < 10**6
        assert len(column(buffer, "actions")) == summary.num_steps


@pytest.mark.parametrize(("num_steps", "num_envs"), [(0, 1), (1, 0)])
def test_nothing_to_collect_is_refused(path: Path, num_steps: int, num_envs: int) -> None:
    with begin(path) as buffer, pytest.raises(InputError, match="must be at least 1, not"):
        collect(buffer, num_steps, num_envs=num_envs)


@pytest.mark.usefixtures("light_workers")
@pytest.mark.filterwarnings("ignore:the process of environment")
@pytest.mark.parametrize(
    ("policy", "kind", "message"),
    [
        ("outside_policy", InputError, r"must return an action of Discrete\(4\), not 7"),
        (
            "failing_policy",
            WorkerDiedError,
            r"(?s)\d \(seed \d+\) failed after \d+ steps:.*Zero",
        ),
        ("dying_policy", WorkerDiedError, r"\d \(seed \d+\) was killed by SIGKILL after \d"),
    ],
)
def test_failure_of_one_process_stops_all_and_keeps_what_was_stored(
    path: Path, policy: str, kind: type[Exception], message: str
) -> None:
    with begin(path, policy=f"tests.fakes:{policy}", capacity=10**6, num_envs=2) as buffer:
        with pytest.raises(kind, match=message):
            collect(buffer, 10**6, num_envs=2)
        reopened = FrameBuffer.open(path)
        assert 0 < len(reopened) < 10**6
        assert len(column(reopened, "frames")) == len(reopened)


COLLECT = """
import sys
from atarigan.data.collection.collection import collect
from atarigan.data.buffer.frame_buffer import FrameBuffer

if __name__ == "__main__":
    collect(FrameBuffer.open(sys.argv[1]), 10**6, num_envs=2)
"""


def test_processes_end_when_their_parent_is_killed(path: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(COLLECT)
    buffer = begin(path, "ALE/Breakout-v5", size=(8, 8), capacity=10**6, num_envs=2)
    parent = subprocess.Popen([sys.executable, str(script), str(path)], stderr=subprocess.PIPE)
    while buffer.num_writers < 2 or buffer.num_collected == 0:
        with pytest.raises(subprocess.TimeoutExpired):
            parent.wait(0.02)
        buffer.refresh()
    parent.send_signal(signal.SIGKILL)
    _, errors = parent.communicate(timeout=60)  # returns when the last process lets go of stderr
    assert errors == b""
    assert {buffer.new_writer().folder_name for _ in range(2)} == {"writer-000", "writer-001"}
    buffer.close()


@pytest.mark.parametrize(("num_steps", "most"), [(1, 1), (2500, 2), (10**6, 8)])
def test_default_number_of_processes_suits_the_steps(num_steps: int, most: int) -> None:
    assert 1 <= default_num_envs(num_steps) <= most
