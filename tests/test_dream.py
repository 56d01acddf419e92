"""A learned game and its folder: what is written is read again, and damage is named on one line."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from safetensors.numpy import save_file

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.collection.replayed_frames import replayed_games
from atarigan.errors import InputError
from atarigan.evaluation.dream.played_games import evaluation_policies, real_env
from atarigan.evaluation.dream.visited_states import EmulatedSteps, visited_steps
from atarigan.models import model_source, shipped
from atarigan.models.dynamics.dream import Dream, DreamSettings, Starts
from atarigan.models.dynamics.dream_batch import DreamBatch
from atarigan.models.dynamics.exactness import PredictedFrames, read_bytes
from atarigan.models.dynamics.game_transitions import transitions_of
from tests.learned_games import counting_dream, learned_breakout
from tests.readers import write_dream
from tests.test_replayed_frames import collected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small dream, without a generator."""
    write_dream(tmp_path / "dream")
    return tmp_path / "dream"


def games_of(dream: Dream) -> list[Any]:
    """What random play leads to: RAM and rewards of each agent step."""
    batch = DreamBatch(dream, 3)
    rows = np.arange(3)
    batch.seed(rows, rows.astype(np.uint64))
    batch.reset(rows)
    rng = np.random.default_rng(0)
    actions = rng.integers(len(dream.settings.action_meanings), size=(20, 3))
    return [(batch.step(each).rewards, batch.games.rams.copy()) for each in actions]


def test_a_dream_that_was_saved_plays_the_same_games(tmp_path: Path) -> None:
    dream = learned_breakout()
    dream.save(tmp_path)
    loaded = Dream.load(tmp_path)
    assert loaded.settings == dream.settings
    assert loaded.generator_source == model_source.resolved("breakout").absolute()
    for step, again in zip(games_of(dream), games_of(loaded), strict=True):
        np.testing.assert_array_equal(step[0], again[0])
        np.testing.assert_array_equal(step[1], again[1])


def test_the_generator_lies_in_the_folder_or_nowhere(folder: Path, tmp_path: Path) -> None:
    assert Dream.load(folder).generator_source is None
    (folder / "generator").mkdir()
    assert Dream.load(folder).generator_source == folder / "generator"
    (folder / "generator").rmdir()
    (folder / "generator").symlink_to(tmp_path)
    with pytest.raises(InputError, match="generator must lie in .*dream, not lead to"):
        _ = Dream.load(folder).generator_source


@pytest.mark.parametrize(
    "name", ["dream.json", "starts.safetensors", "dynamics.json", "trees.safetensors"]
)
def test_a_file_that_is_missing_or_leads_outside_is_named(folder: Path, name: str) -> None:
    path = folder / name
    outside = path.rename(folder.parent / name)
    with pytest.raises(InputError, match=f"{name} is missing$"):
        Dream.load(folder)
    path.symlink_to(outside)
    with pytest.raises(InputError, match=f"{name} must lie in"):
        Dream.load(folder)
    path.unlink()
    path.write_bytes(b"\xff\xff")
    with pytest.raises(InputError, match=name):
        Dream.load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "colour"),
        ({"frame_skip": 0}, "frame_skip must be 1 to 108000, not 0"),
        ({"sticky": 1.5}, "sticky must be from 0 to 1, not 1.5"),
        ({"sticky": "often"}, "sticky"),
        ({"action_meanings": []}, "action_meanings must be 1 to 18 names, not 0"),
        ({"generator": "../pong"}, "generator must be a shipped one .*not '../pong'"),
        ({"unread": [-1]}, r"unread must be ascending addresses, not \(-1,\)"),
        ({"unread": [1, 0]}, r"unread must be ascending addresses, not \(1, 0\)"),
        ({"unread": [0, 2]}, "unread must be addresses below 2, not 2"),
        ({"has_paddle": True}, "the dynamics must have 5 inputs, not 3"),
        ({"format_version": 9}, "format_version"),
    ],
)
def test_wrong_settings_are_named(folder: Path, changes: dict[str, Any], message: str) -> None:
    path = folder / "dream.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(InputError, match=message):
        Dream.load(folder)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"states": np.zeros((2, 2), np.uint8)}, "must hold states, lives, not states"),
        (
            {"states": np.zeros((2, 2), np.uint8), "lives": np.zeros(3, np.uint8)},
            r"starts.safetensors: starts must be .* not uint8 \(2, 2\) and uint8 \(3,\)",
        ),
        (
            {"states": np.zeros((2, 2), np.int32), "lives": np.zeros(2, np.uint8)},
            "not int32",
        ),
        (
            {"states": np.zeros((0, 2), np.uint8), "lives": np.zeros(0, np.uint8)},
            "at least one state",
        ),
        (
            {"states": np.zeros((2, 3), np.uint8), "lives": np.zeros(2, np.uint8)},
            "starts must be states of 2 bytes, not 3",
        ),
    ],
)
def test_wrong_starts_are_named(folder: Path, tables: dict[str, Any], message: str) -> None:
    save_file(tables, folder / "starts.safetensors")
    with pytest.raises(InputError, match=message):
        Dream.load(folder)


def test_only_trees_are_saved(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dynamics must be trees, not Counting"):
        counting_dream().save(tmp_path)


def test_a_name_that_is_not_shipped_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-such-dream does not exist"):
        Dream.load("no-such-dream")
    with pytest.raises(InputError, match="nowhere does not exist"):
        Dream.load(tmp_path / "nowhere")


LEARNED_FROM_RANDOM_PLAY = ("bowling",)


@pytest.mark.parametrize("name", shipped.names_of_dreams())
def test_a_shipped_dream_is_small_and_predicts_its_game(name: str, tmp_path: Path) -> None:
    folder = model_source.resolved_dream(name)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000
    dream = Dream.load(name)
    assert dream.settings.generator == name
    buffer = tmp_path / "data"
    collected(buffer, 150, dream.settings.env_id)
    (game,) = replayed_games(FrameBuffer.open(buffer))
    frames = transitions_of(game, dream.settings.action_meanings)
    predicted = PredictedFrames.of(dream.dynamics, frames, dream.settings.unread)
    assert predicted.is_exact_read.mean() > 0.98
    with contextlib.closing(real_env(dream)) as env:
        policies = evaluation_policies(env, 2, seed=0)
        if name in LEARNED_FROM_RANDOM_PLAY:  # it goes wrong where the scripted player comes to
            policies = policies[1:] * 2
        visited = visited_steps(dream, policies, 200, seed=0)
        is_read = read_bytes(128, dream.settings.unread)
        is_exact = EmulatedSteps(env, dream.controls).repeats(visited, is_read, lambda _: None)
    assert len(is_exact) == 20
    assert is_exact.mean() > 0.8
    envs = gym.make_vec("atarigan:atarigan/Dream-v0", 2, model=name)
    assert envs.reset(seed=0)[0].any()


def test_parts_must_fit() -> None:
    dream = counting_dream()
    starts = Starts(np.zeros((1, 3), np.uint8), np.zeros(1, np.uint8))
    with pytest.raises(InputError, match="starts must be states of 2 bytes, not 3"):
        dataclasses.replace(dream, starts=starts)
    paddle = DreamSettings("ALE/Pong-v5", {}, ("NOOP",), has_paddle=True)
    with pytest.raises(InputError, match="must have 5 inputs, not 3"):
        dataclasses.replace(dream, settings=paddle)
