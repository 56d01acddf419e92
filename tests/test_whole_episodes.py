"""Episodes of a buffer, one at a time, and the buffer that is written of them."""

import dataclasses
import filecmp
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan.data.buffer.episodes import Episode, EpisodeSet, whole_episodes, write_buffer
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.errors import InputError

SHAPE = (3, 2, 1)
SPECIMENS = Path(__file__).parent / "specimens"


def filled(
    path: Path, writers: list[list[int]], capacity: int = 100, **options: Any
) -> FrameBuffer:
    """A buffer with episodes of these lengths by writer; a step's columns are its number."""
    number = 0
    options = {"ram_size": 2, "num_writers": len(writers)} | options
    with FrameBuffer.create(path, capacity * len(writers), SHAPE, **options) as buffer:
        for lengths in writers:
            writer = buffer.new_writer()
            writer.record_seeds(2**63 + number, number)
            for length in lengths:
                for step in range(length):
                    frame = np.full(SHAPE, number, np.uint8)
                    is_last = step == length - 1
                    writer.add(frame, number % 5, number, is_last, ram=frame[:2, 0, 0])
                    number += 1
    return buffer


def steps_of(episodes: EpisodeSet) -> list[list[int]]:
    return [episode.columns["frames"][:, 0, 0, 0].tolist() for episode in episodes.episodes]


def same_files(one: Path, other: Path) -> bool:
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    assert names == sorted(str(p.relative_to(other)) for p in other.rglob("*") if p.is_file())
    return filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"origin": Origin(env_id="ALE/Pong-v5", sticky=0.25, seed=3)},
        {"action_dtype": "float32"},
    ],
)
def test_a_buffer_written_of_all_episodes_has_the_same_files(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    buffer = filled(tmp_path / "one", [[3, 1, 4], [5, 2]], **options)
    episodes = whole_episodes(buffer)
    assert (episodes.num_episodes, episodes.num_steps, episodes.num_cut) == (5, 15, 0)
    write_buffer(episodes, tmp_path / "other")
    assert same_files(tmp_path / "one", tmp_path / "other")


def test_an_episode_whose_beginning_was_overwritten_is_left_out(tmp_path: Path) -> None:
    buffer = filled(tmp_path / "buffer", [[6, 6, 6], [4]], capacity=10)
    episodes = whole_episodes(buffer)
    assert (episodes.num_episodes, episodes.num_steps, episodes.num_cut) == (2, 10, 1)
    assert steps_of(episodes) == [list(range(12, 18)), list(range(18, 22))]


def test_a_ring_within_one_episode_has_none(tmp_path: Path) -> None:
    buffer = filled(tmp_path / "buffer", [[30]], capacity=10)
    with pytest.raises(InputError, match="must hold at least 1 whole episode, not 0"):
        whole_episodes(buffer)


def test_the_last_episode_of_a_killed_writer_is_truncated(tmp_path: Path) -> None:
    buffer = FrameBuffer.create(tmp_path / "buffer", 10, SHAPE)
    for number in range(4):
        buffer.add(np.full(SHAPE, number, np.uint8), terminated=number == 1)
    *_, last = whole_episodes(FrameBuffer.open(buffer.path)).episodes
    assert last.columns["truncations"].tolist() == [False, True]
    buffer.close()


def test_steps_that_are_overwritten_meanwhile_are_noticed(tmp_path: Path) -> None:
    buffer = filled(tmp_path / "buffer", [[5, 5]], capacity=10)
    episodes = iter(whole_episodes(buffer).episodes)
    next(episodes)
    with FrameBuffer.open(buffer.path) as again:
        for _ in range(8):
            again.add(np.zeros(SHAPE, np.uint8), ram=np.zeros(2, np.uint8))
    with pytest.raises(InputError, match="its oldest steps were overwritten"):
        next(episodes)


@pytest.mark.parametrize("name", ["toy", "breakout-ram", "vectors"])
def test_buffers_of_any_format_and_content_are_written_in_the_newest(
    name: str, tmp_path: Path
) -> None:
    former = FrameBuffer.open(SPECIMENS / name)
    write_buffer(whole_episodes(former), tmp_path / "buffer")
    buffer, everything = FrameBuffer.open(tmp_path / "buffer"), np.arange(len(former))
    assert (buffer.meta.format_version, buffer.meta.state_column) == (3, "state")
    for column in former.meta.columns:
        values = former.values_at(column, everything)
        assert np.array_equal(buffer.values_at(column, everything), values), column


def test_the_action_space_holds_what_is_stored_and_what_has_a_name(tmp_path: Path) -> None:
    named = Origin(action_meanings=("NOOP", "FIRE", "UP", "DOWN", "LEFT", "RIGHT", "A"))
    spaces = [
        whole_episodes(filled(tmp_path / str(number), [[9]], origin=origin)).action_space
        for number, origin in enumerate([Origin(), named])
    ]
    assert [str(space) for space in spaces] == ["Discrete(5)", "Discrete(7)"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": np.zeros((2, 3, 3, 1), np.uint8)}, r"frames must be uint8 \(2, 3, 2, 1\), not"),
        ({"state": None}, r"state must be uint8 \(2, 2\), not None"),
        ({"rewards": np.zeros(2)}, r"rewards must be float32 \(2,\), not float64 \(2,\)"),
        ({"rewards": np.array([0, np.nan], np.float32)}, "a reward must be a finite number"),
    ],
)
def test_an_episode_of_something_else_is_refused_and_nothing_stays(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    episodes = whole_episodes(filled(tmp_path / "buffer", [[2]]))
    [episode] = episodes.episodes
    columns = {k: v for k, v in (episode.columns | change).items() if v is not None}
    wrong = dataclasses.replace(episodes, episodes=[episode, Episode(columns)])
    with pytest.raises(InputError, match=message):
        write_buffer(wrong, tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["buffer"]


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    episodes = whole_episodes(filled(tmp_path / "buffer", [[2]]))
    with pytest.raises(InputError, match="exists: name a new folder"):
        write_buffer(episodes, tmp_path / "buffer")
