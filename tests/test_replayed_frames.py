"""A collection's games, played again frame by frame."""

from typing import Any

import numpy as np
import pytest

from atarigan import FrameBuffer, collect
from atarigan.data.collection.replayed_frames import replayed_games
from atarigan.errors import InputError


def collected(folder: Any, *words: str) -> FrameBuffer:
    assert collect.main(["--out", str(folder), "--num-envs", "1", *words]) == 0
    return FrameBuffer.open(folder)


@pytest.mark.parametrize("env_id", ["ALE/Breakout-v5", "SeaquestNoFrameskip-v4"])
def test_frames_of_a_game_lead_to_each_stored_step(env_id: str, tmp_path: Any) -> None:
    buffer = collected(tmp_path / "data", "--env-id", env_id, "--num-steps", "450")
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


def test_every_part_of_a_collection_is_played_again(tmp_path: Any) -> None:
    """Of two processes and two commands, each of which loaded the game anew."""
    folder = tmp_path / "data"
    words = ["--out", str(folder), "--num-envs", "2", "--num-steps", "300"]
    assert collect.main([*words, "--env-id", "ALE/Freeway-v5", "--no-frames"]) == 0
    assert collect.main([*words, "--append", "--capacity", "600"]) == 0
    assert sum(map(len, replayed_games(FrameBuffer.open(folder)))) == 600 * 4


def test_damaged_seeds_are_refused(tmp_path: Any) -> None:
    buffer = collected(tmp_path / "data", "--num-steps", "20", "--no-frames")
    (tmp_path / "data" / "writer-000" / "seeds.jsonl").write_text('{"first_step": 0}')
    with pytest.raises(InputError, match=r"seeds.jsonl must hold a step and its seeds"):
        list(replayed_games(buffer))


def test_games_whose_beginning_was_overwritten_are_left_out(tmp_path: Any) -> None:
    words = ["--num-steps", "500", "--capacity", "300", "--no-frames"]
    buffer = collected(tmp_path / "data", *words)
    ends = buffer.values_at("terminations", np.arange(300))
    num_left = 299 - int(np.flatnonzero(ends)[0])
    assert 0 < sum(-(-len(game) // 4) for game in replayed_games(buffer)) == num_left


def test_a_game_that_goes_on_otherwise_is_refused(tmp_path: Any) -> None:
    collected(tmp_path / "data", "--num-steps", "40", "--no-frames")
    ram = np.load(tmp_path / "data" / "writer-000" / "ram.npy", mmap_mode="r+")
    ram[30, 99] ^= 1
    with pytest.raises(InputError, match="at agent step 30 bytes 99 differ: RAM, actions"):
        list(replayed_games(FrameBuffer.open(tmp_path / "data")))


def test_a_buffer_without_what_persisted_is_refused(tmp_path: Any) -> None:
    buffer = FrameBuffer.create(tmp_path / "data", 10, (84, 84, 1), ram_size=128)
    with pytest.raises(InputError, match="must be a collection of a game of ALE with RAM"):
        list(replayed_games(buffer))
