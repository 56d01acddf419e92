"""A collection's games, played again frame by frame."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.replayed_frames import replayed_games
from atarigan.data.collection.worker import Share, Signals, collect_share
from atarigan.errors import InputError


def collected(
    path: Path,
    num_steps: int,
    env_id: str = "ALE/Breakout-v5",
    *,
    capacity: int = 0,
    seed: int = 0,
    **origin: Any,
) -> FrameBuffer:
    """A collection without frames, by this process."""
    with create_buffer(
        path,
        Origin(env_id=env_id, **origin),
        capacity=capacity or num_steps,
        stores_frames=False,
    ) as buffer:
        play(buffer, num_steps, seed=seed, overwrites=True)
    return FrameBuffer.open(path)


def play(buffer: FrameBuffer, num_steps: int, **share: Any) -> None:
    collect_share(Share(buffer.path, 0, num_steps, **{"seed": 0, **share}), Signals(1))
    buffer.refresh()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty steps of Breakout, to be copied."""
    path = tmp_path_factory.mktemp("played") / "data"
    collected(path, 40)
    return path


@pytest.fixture
def copy(played: Path, tmp_path: Path) -> Path:
    """A copy of them, to be damaged."""
    return Path(shutil.copytree(played, tmp_path / "data"))


@pytest.mark.parametrize("env_id", ["ALE/Breakout-v5", "SeaquestNoFrameskip-v4"])
def test_frames_of_a_game_lead_to_each_stored_step(env_id: str, tmp_path: Path) -> None:
    buffer = collected(tmp_path / "data", 450, env_id)
    games = list(replayed_games(buffer))
    assert len(games) >= 2
    stored = buffer.values_at("ram", np.arange(len(buffer)))
    rewards = buffer.values_at("rewards", np.arange(len(buffer)))
    ends = buffer.values_at("terminations", np.arange(len(buffer)))
    start = 0
    for game in games:
        length = -(-len(game) // 4)
        assert np.array_equal(game.states[:-1:4], stored[start : start + length])
        per_step = np.add.reduceat(game.rewards, np.arange(0, len(game), 4))
        assert np.array_equal(per_step, rewards[start : start + length])
        assert game.has_ended == ends[start + length - 1]
        assert len(game.states) == len(game.paddles) == len(game.lives) == len(game) + 1
        start += length
    assert start == len(buffer)
    assert games[0].has_ended


def test_every_part_of_a_collection_is_played_again(tmp_path: Path) -> None:
    """Of two writers and two times, each of which loaded the game anew."""
    origin = Origin(env_id="ALE/Freeway-v5")
    with create_buffer(
        tmp_path / "data", origin, capacity=600, num_envs=2, stores_frames=False
    ) as buffer:
        play(buffer, 20)
        play(buffer, 20, reserved=frozenset({"writer-000"}))
        play(buffer, 20, ring="writer-000")
        assert sum(map(len, replayed_games(buffer))) == 60 * 4
        assert buffer.num_writers == 2


@pytest.mark.parametrize(
    "line",
    [
        '{"first_step": 0}',
        '{"first_step": Infinity, "env_seed": 1}',
        '{"first_step": 0, "env_seed": -1}',
        '{"first_step": 0, "env_seed": "x"}',
        "[]",
        "{",
    ],
)
def test_damaged_seeds_are_refused(line: str, copy: Path) -> None:
    (copy / "writer-000" / "seeds.jsonl").write_text(line)
    with pytest.raises(InputError, match=r"seeds.jsonl must hold a step and its seeds"):
        list(replayed_games(FrameBuffer.open(copy)))


def test_games_whose_beginning_was_overwritten_are_left_out(tmp_path: Path) -> None:
    buffer = collected(tmp_path / "data", 500, capacity=300)
    ends = buffer.values_at("terminations", np.arange(300))
    num_left = 299 - int(np.flatnonzero(ends)[0])
    assert 0 < sum(-(-len(game) // 4) for game in replayed_games(buffer)) == num_left


def test_games_after_one_that_is_missing_are_left_out_where_ram_depends_on_it(
    tmp_path: Path,
) -> None:
    """A reset of Seaquest keeps RAM of the game before it. The first one was overwritten."""
    kwargs = {"max_episode_steps": 100}
    path = tmp_path / "data"
    buffer = collected(path, 450, "ALE/Seaquest-v5", capacity=250, env_kwargs=kwargs)
    assert sum(map(len, replayed_games(buffer))) < 200 * 4


def test_steps_that_others_added_are_left_out(tmp_path: Path) -> None:
    buffer = collected(tmp_path / "data", 30, capacity=40)
    with buffer:
        buffer.add(None, ram=np.zeros(128, np.uint8))
    assert sum(map(len, replayed_games(buffer))) == 30 * 4


def test_a_limit_of_frames_ends_a_game_within_a_step(tmp_path: Path) -> None:
    kwargs = {"max_num_frames_per_episode": 30}
    buffer = collected(tmp_path / "data", 32, env_kwargs=kwargs)
    games = list(replayed_games(buffer))
    assert [len(game) for game in games] == [30] * 4
    assert not any(game.has_ended for game in games)


def test_a_game_that_goes_on_otherwise_is_refused(copy: Path) -> None:
    ram = np.load(copy / "writer-000" / "state.npy", mmap_mode="r+")
    ram[30, 99] ^= 1
    with pytest.raises(InputError, match="at agent step 30 bytes 99 of RAM differ"):
        list(replayed_games(FrameBuffer.open(copy)))


def test_a_buffer_without_what_persisted_is_refused(tmp_path: Path) -> None:
    buffer = FrameBuffer.create(tmp_path / "data", 10, (84, 84, 1), ram_size=128)
    with pytest.raises(InputError, match="of format version 2 or later: it has no persisted"):
        list(replayed_games(buffer))


def test_stored_actions_that_the_game_has_not_are_refused(copy: Path) -> None:
    actions = np.load(copy / "writer-000" / "actions.npy", mmap_mode="r+")
    actions[3] = 99
    with pytest.raises(InputError, match="actions must be from 0 to 3, not 99"):
        list(replayed_games(FrameBuffer.open(copy)))
