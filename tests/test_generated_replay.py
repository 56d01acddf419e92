"""Memory alone in a buffer, and the frames that a generator makes of it when it is sampled."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest

from atarigan import GeneratedReplay, collect, train
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.envs import FrameCapture
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat
from tests.fakes import FakeGenerator, StateGenerator

gym.register_envs(ale_py)
pytestmark = pytest.mark.usefixtures("light_workers")
SHAPE = (84, 84, 1)
BREAKOUT = ["--env-id", "ALE/Breakout-v5", "--num-steps", "350", "--num-envs", "1"]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real collection of memory alone, into a ring that has gone round."""
    path = tmp_path_factory.mktemp("data") / "states"
    words = [*BREAKOUT, "--no-frames", "--capacity", "250", "--out", str(path)]
    assert collect.main(words) == 0
    return path


def copied_with_frames(states: FrameBuffer, replay: GeneratedReplay, path: Path) -> FrameBuffer:
    """The same steps with the frames that a replay makes of them."""
    columns = ("ram", "actions", "rewards", "terminations", "truncations")
    steps = [states.values_at(column, np.arange(250)) for column in columns]
    with FrameBuffer.create(path, 250, SHAPE, ram_size=128) as copy:
        for _ in range(100):  # so that it goes round as the other did, and draws the same rows
            copy.add(np.zeros(SHAPE, np.uint8), ram=np.zeros(128, np.uint8))
        for ram, *step in zip(*steps, strict=True):
            copy.add(replay.frames_of(ram[None])[0], *step, ram)
    return FrameBuffer.open(path)


def test_a_step_takes_a_fiftieth_of_one_with_a_frame(played: Path) -> None:
    buffer = FrameBuffer.open(played)
    assert len(buffer) == 250
    assert not list(played.rglob("frames.npy"))
    row_bytes = [path.stat().st_size for path in played.glob("writer-000/*s.npy")]
    row_bytes.append((played / "writer-000" / "state.npy").stat().st_size)
    assert sum(row_bytes) / buffer.meta.capacity < 150  # its headers included
    assert buffer.meta.frame_format == FrameFormat("gray", 84, 84)


def test_what_is_stored_is_what_happens_with_frames(played: Path, tmp_path: Path) -> None:
    words = [*BREAKOUT, "--capacity", "250", "--out", str(tmp_path / "both")]
    assert collect.main(words) == 0
    rows = np.arange(250)
    for column in ("ram", "actions", "rewards", "terminations"):
        ours, theirs = (
            FrameBuffer.open(path).values_at(column, rows) for path in (played, tmp_path / "both")
        )
        np.testing.assert_array_equal(ours, theirs)


def test_it_samples_what_a_buffer_of_generated_frames_does(played: Path, tmp_path: Path) -> None:
    generator = StateGenerator()
    replay = GeneratedReplay(played, generator)
    frames = copied_with_frames(FrameBuffer.open(played), replay, tmp_path / "frames")
    assert frames.values_at("terminations", np.arange(250)).any()
    for seed in range(3):
        np.testing.assert_array_equal(replay.sample(200, seed), frames.sample(200, seed))
        stacks = replay.sample_stacks(200, 4, seed)
        np.testing.assert_array_equal(stacks, frames.sample_stacks(200, 4, seed))
        ours, theirs = (each.sample_transitions(200, 3, seed) for each in (replay, frames))
        for field in dataclasses.fields(ours):
            mine, yours = getattr(ours, field.name), getattr(theirs, field.name)
            np.testing.assert_array_equal(mine, yours, err_msg=field.name)
        np.testing.assert_array_equal(ours.frames[:, -1].reshape(200, -1)[:, :128], ours.ram)
        assert not np.shares_memory(ours.frames, ours.next_frames)
    assert generator.batch_sizes[-1] == 200 * 4  # what both stacks show is drawn once


def test_frames_come_in_the_buffers_format(tmp_path: Path) -> None:
    with FrameBuffer.create(
        tmp_path / "rgb", 5, (20, 30, 3), ram_size=128, stores_frames=False
    ) as buffer:
        buffer.add(None, ram=np.arange(128, dtype=np.uint8))
        assert GeneratedReplay(buffer, StateGenerator()).sample(4).shape == (4, 20, 30, 3)
    palette = FrameFormat("palette", 84, 84, "ntsc")
    indices = FrameBuffer.create(
        tmp_path / "palette", 5, SHAPE, frame_format=palette, ram_size=128, stores_frames=False
    )
    with pytest.raises(InputError, match="palette indices cannot be made of gray frames"):
        GeneratedReplay(indices, StateGenerator())


def test_other_seeds_draw_other_latents(played: Path) -> None:
    states = FrameBuffer.open(played).sample(50, 0, "ram")
    first, again = (GeneratedReplay(played, StateGenerator()).frames_of(states) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = GeneratedReplay(played, StateGenerator(), seed=1).frames_of(states)
    assert (first != other).any((1, 2, 3)).all()
    assert len(np.unique(first[:, -1, -1])) > 15  # not one latent for all


def test_what_cannot_be_replayed_is_refused(played: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="generator trained with --condition ram"):
        GeneratedReplay(played, FakeGenerator())  # type: ignore[arg-type]
    blind = FrameBuffer.create(tmp_path / "blind", 4, SHAPE)
    with pytest.raises(InputError, match="blind stores no states"):
        GeneratedReplay(blind, StateGenerator())
    with pytest.raises(InputError, match="must store states"):
        FrameBuffer.create(tmp_path / "nothing", 4, SHAPE, stores_frames=False)
    buffer = FrameBuffer.open(played)
    for sample in (buffer.sample, buffer.sample_transitions):
        with pytest.raises(InputError, match="stores no frames: actions, rewards"):
            sample(4)
    with pytest.raises(InputError, match="stores no frames"):
        buffer.sample_stacks(4, 2)
    words = ["--data", str(played), "--out", str(tmp_path / "run"), "--log", "none"]
    with pytest.raises(InputError, match="stores no frames"):
        train.main([*words, "--device", "cpu"])


def test_frames_are_given_exactly_where_they_are_stored(tmp_path: Path) -> None:
    ram = np.zeros(128, np.uint8)
    states = FrameBuffer.create(tmp_path / "states", 5, SHAPE, ram_size=128, stores_frames=False)
    with pytest.raises(InputError, match=r"frame must be None, not uint8 \(84, 84, 1\)"):
        states.add(np.zeros(SHAPE, np.uint8), ram=ram)
    with pytest.raises(InputError, match="stores no frames to fill in"):
        states.new_writer().stage(ram)
    states.close()
    with (
        FrameBuffer.create(tmp_path / "both", 5, SHAPE, ram_size=128) as both,
        pytest.raises(InputError, match=r"frame must be uint8 \(84, 84, 1\), not None"),
    ):
        both.add(None, ram=ram)


def test_a_buffer_that_says_nothing_of_it_has_frames(tmp_path: Path) -> None:
    with FrameBuffer.create(tmp_path, 5, (8, 8, 1)) as buffer:
        buffer.add(np.full((8, 8, 1), 3, np.uint8))
    meta = json.loads((tmp_path / "meta.json").read_text())
    del meta["stores_frames"]
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    assert (FrameBuffer.open(tmp_path).sample(2) == 3).all()


def test_capture_fills_it_too(tmp_path: Path) -> None:
    buffer = FrameBuffer.create(tmp_path, 50, SHAPE, ram_size=128, stores_frames=False)
    env = FrameCapture(gym.make("ALE/Pong-v5"), buffer)
    env.reset(seed=0)
    seen = []
    for _ in range(5):
        seen.append(env.unwrapped.ale.getRAM())
        env.step(2)
    env.close()
    np.testing.assert_array_equal(buffer.values_at("ram", np.arange(5)), seen)


def test_collecting_on(played: Path, tmp_path: Path, capsys: Any) -> None:
    words = ["--env-id", "ALE/Pong-v5", "--num-steps", "5", "--out", str(tmp_path / "pong")]
    assert collect.main([*words, "--no-frames"]) == 0
    assert collect.main([*words, "--append", "--capacity", "10"]) == 0
    assert collect.main([*words, "--append", "--no-frames", "--overwrite-oldest"]) == 0
    words[-1] = str(tmp_path / "both")
    assert collect.main(words) == 0
    with pytest.raises(InputError, match="--no-frames must be False, as in .*both, not True"):
        collect.main([*words, "--append", "--no-frames"])
    words = ["--env-id", "tests.fakes:Counting-v0", "--no-frames", "--out", str(tmp_path / "none")]
    with pytest.raises(InputError, match="which tests.fakes:Counting-v0 is stored without"):
        collect.main(words)
    assert not (tmp_path / "none").exists()
    capsys.readouterr()
