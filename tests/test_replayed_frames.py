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
def test_damaged_seeds_are_refused(line: str, tmp_path: Any) -> None:
    buffer = collected(tmp_path / "data", "--num-steps", "20", "--no-frames")
    (tmp_path / "data" / "writer-000" / "seeds.jsonl").write_text(line)
    with pytest.raises(InputError, match=r"seeds.jsonl must hold a step and its seeds"):
        list(replayed_games(buffer))


def test_games_whose_beginning_was_overwritten_are_left_out(tmp_path: Any) -> None:
    words = ["--num-steps", "500", "--capacity", "300", "--no-frames"]
    buffer = collected(tmp_path / "data", *words)
    ends = buffer.values_at("terminations", np.arange(300))
    num_left = 299 - int(np.flatnonzero(ends)[0])
    assert 0 < sum(-(-len(game) // 4) for game in replayed_games(buffer)) == num_left


def test_games_after_one_that_is_missing_are_left_out_where_ram_depends_on_it(
    tmp_path: Any,
) -> None:
    """A reset of Seaquest keeps RAM of the game before it. The first one was overwritten."""
    kwargs = '{"max_episode_steps": 200}'
    words = ["--env-id", "ALE/Seaquest-v5", "--env-kwargs", kwargs, "--no-frames"]
    words += ["--num-steps", "900", "--capacity", "500"]
    buffer = collected(tmp_path / "data", *words)
    assert sum(map(len, replayed_games(buffer))) < 400 * 4


def test_steps_that_others_added_are_left_out(tmp_path: Any) -> None:
    buffer = collected(tmp_path / "data", "--num-steps", "30", "--no-frames", "--capacity", "40")
    with buffer:
        buffer.add(None, ram=np.zeros(128, np.uint8))
    assert sum(map(len, replayed_games(buffer))) == 30 * 4


def test_a_limit_of_frames_ends_a_game_within_a_step(tmp_path: Any) -> None:
    kwargs = '{"max_num_frames_per_episode": 30}'
    words = ["--env-kwargs", kwargs, "--num-steps", "32", "--no-frames"]
    buffer = collected(tmp_path / "data", *words)
    games = list(replayed_games(buffer))
    assert [len(game) for game in games] == [30] * 4
    assert not any(game.has_ended for game in games)


def test_a_game_that_goes_on_otherwise_is_refused(tmp_path: Any) -> None:
    collected(tmp_path / "data", "--num-steps", "40", "--no-frames")
    ram = np.load(tmp_path / "data" / "writer-000" / "ram.npy", mmap_mode="r+")
    ram[30, 99] ^= 1
    with pytest.raises(InputError, match="at agent step 30 bytes 99 of RAM differ"):
        list(replayed_games(FrameBuffer.open(tmp_path / "data")))


def test_a_buffer_without_what_persisted_is_refused(tmp_path: Any) -> None:
    buffer = FrameBuffer.create(tmp_path / "data", 10, (84, 84, 1), ram_size=128)
    with pytest.raises(InputError, match="of format version 2: it has no persisted"):
        list(replayed_games(buffer))


def test_stored_actions_that_the_game_has_not_are_refused(tmp_path: Any) -> None:
    buffer = collected(tmp_path / "data", "--num-steps", "10", "--no-frames")
    actions = np.load(tmp_path / "data" / "writer-000" / "actions.npy", mmap_mode="r+")
    actions[3] = 99
    with pytest.raises(InputError, match="actions must be from 0 to 3, not 99"):
        list(replayed_games(buffer))
