"""Vector states from collection to buffer, source, capture and policy."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from atarigan import FrameBuffer, collect, train
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.meta import BufferMeta, Origin
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.worker import Share, Signals, collect_share
from atarigan.data.sources.buffered_frames import open_frames
from atarigan.data.states import StateSpec
from atarigan.envs import FrameCapture, VectorFrameCapture
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat
from tests.moving_square import ENV_ID, HEIGHT, SPEC, WIDTH, SquareEnv, picture, write_squares
from tests.write_specimens import write_toy_buffer

SIZE = f"{HEIGHT}x{WIDTH}"


def collected(out: Path, *words: str, env_id: str = ENV_ID) -> FrameBuffer:
    """20 agent steps, by the command."""
    flags = ["--env-id", env_id, "--frame-size", SIZE, "--num-envs", "1", "--out", str(out)]
    assert collect.main([*flags, "--num-steps", "20", *words]) == 0
    return FrameBuffer.open(out)


def played(
    out: Path,
    condition: str | None = None,
    env_id: str = ENV_ID,
    policy: str = "random",
    stores_frames: bool = True,
) -> FrameBuffer:
    """The same in this process, which is faster."""
    create_buffer(
        out,
        Origin(env_id=env_id, policy=policy),
        size=(HEIGHT, WIDTH),
        capacity=20,
        condition=condition,
        stores_frames=stores_frames,
    )
    collect_share(Share(out, 0, 20, seed=0), Signals(1))
    return FrameBuffer.open(out)


def assert_states_belong_to_frames(buffer: FrameBuffer, columns: slice = slice(None)) -> None:
    rows = np.arange(len(buffer))
    frames, states = (buffer.values_at(name, rows) for name in ("frames", "state"))
    for frame, state in zip(frames, states[:, columns], strict=True):
        np.testing.assert_allclose(frame[..., 0], picture(*state[:2])[..., 0], atol=1)


def test_a_vector_observation_is_stored_with_its_frame(tmp_path: Path) -> None:
    buffer = collected(tmp_path / "data")
    assert buffer.meta.state == SPEC
    assert_states_belong_to_frames(buffer)
    assert (tmp_path / "data/writer-000/state.npy").exists()
    batch = buffer.sample_transitions(4, num_stack=2, seed=0)
    assert batch.state is not None
    assert batch.state.shape == (4, 3)
    assert batch.ram is batch.state
    assert buffer.sample(5, seed=0, column="state").shape == (5, 3)
    with pytest.raises(InputError, match="stores no ram"):
        buffer.values_at("ram", np.arange(1))


def test_the_condition_chooses_what_is_stored(tmp_path: Path) -> None:
    spot = played(tmp_path / "spot", "info:spot")
    assert spot.meta.state == StateSpec.of("info:spot", 2)
    assert_states_belong_to_frames(spot)
    assert played(tmp_path / "none", "none").meta.state is None
    alone = played(tmp_path / "alone", stores_frames=False)
    assert "frames" not in alone.meta.columns


@pytest.mark.parametrize(
    ("env_id", "condition", "message"),
    [
        (ENV_ID, "info:terrain", r"info:terrain needs info\['terrain'\].*info has only spot"),
        (
            ENV_ID,
            "ram",
            "--condition ram needs an ALE environment, not tests.moving_square:Square-v0",
        ),
        (ENV_ID, "class", "--condition must be a state of the environment, not 'class'"),
        ("ALE/Pong-v5", "observation", "not one of ALE's own, whose state is --condition ram"),
        ("tests.fakes:Counting-v0", "observation", "are the images that are learned"),
    ],
)
def test_states_that_an_environment_lacks_are_refused(
    tmp_path: Path, env_id: str, condition: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        collected(tmp_path / "data", "--condition", condition, env_id=env_id)
    assert not (tmp_path / "data").exists()


def test_a_collection_goes_on_with_its_own_condition(tmp_path: Path) -> None:
    played(tmp_path / "data")
    words = ["--append", "--capacity", "40", "--condition"]
    with pytest.raises(InputError, match="--condition must be 'observation', as in"):
        collected(tmp_path / "data", *words, "info:spot")
    assert len(collected(tmp_path / "data", *words, "observation")) == 40


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("Spoiled-v0", "observation must hold finite numbers, but its number 2 is nan"),
        ("Longer-v0", "observation must keep its 3 numbers, not change to 4"),
    ],
)
def test_states_that_go_wrong_end_the_collection_and_keep_it(
    tmp_path: Path, env_id: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        played(tmp_path / "data", env_id=f"tests.moving_square:{env_id}")
    assert len(FrameBuffer.open(tmp_path / "data")) == 3


def follow(frame: np.ndarray, state: np.ndarray, action_space: gym.Space, rng: Any) -> int:
    assert frame.shape == (HEIGHT, WIDTH, 3)
    return 3 if state[1] < 15 else 2  # to the right, then back


def test_a_function_that_plays_is_given_the_vector(tmp_path: Path) -> None:
    buffer = played(tmp_path / "data", policy="tests.test_vector_states:follow")
    rows = np.arange(len(buffer))
    columns = buffer.values_at("state", rows)[:, 1]
    assert (buffer.values_at("actions", rows) == np.where(columns < 15, 3, 2)).all()


def test_buffers_of_ram_from_before_are_read_and_continued(tmp_path: Path) -> None:
    write_toy_buffer(tmp_path / "toy")
    new = FrameBuffer.open(tmp_path / "toy")
    rows = np.arange(len(new))
    states = new.values_at("state", rows)
    file = tmp_path / "toy/meta.json"
    meta = json.loads(file.read_text())
    assert meta["state"] == {"kind": "ram", "size": 2, "dtype": "uint8"}
    meta |= {"format_version": 2, "ram_size": meta.pop("state")["size"]}
    file.write_text(json.dumps(meta))
    (tmp_path / "toy/writer-000/state.npy").rename(tmp_path / "toy/writer-000/ram.npy")
    with FrameBuffer.open(tmp_path / "toy") as old:
        assert old.meta.state == StateSpec.of("ram", 2)
        for column in ("ram", "state"):
            assert (old.values_at(column, rows) == states).all()
        old.add(np.zeros((5, 4, 1), np.uint8), ram=np.array([1, 2], np.uint8))
    assert FrameBuffer.open(tmp_path / "toy").values_at("ram", np.array([35])).tolist() == [[1, 2]]


def test_early_formats_hold_ram_alone() -> None:
    meta = BufferMeta(frame_format=FrameFormat("gray", HEIGHT, WIDTH), capacity=1, state=SPEC)
    with pytest.raises(InputError, match="format version 2 stores ram alone, not observation"):
        dataclasses.replace(meta, format_version=2)


def test_a_source_gives_the_states_of_its_condition(tmp_path: Path) -> None:
    write_squares(tmp_path / "data", 20)
    source = open_frames(RunConfig(data=str(tmp_path / "data"), condition="observation"))
    assert source.spec.condition_shape == (3,)
    conditions = source.conditions_at(np.array([3, 4]))
    assert conditions is not None
    assert conditions.dtype == np.float32
    with pytest.raises(InputError, match=r"stores observation \(3,\): use --condition observation"):
        open_frames(RunConfig(data=str(tmp_path / "data"), condition="info:spot"))


def test_stored_states_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    with write_squares(tmp_path / "data", 20):
        pass
    states = np.load(tmp_path / "data/writer-000/state.npy", mmap_mode="r+")
    states[6, 2] = np.inf
    states.flush()
    source = open_frames(RunConfig(data=str(tmp_path / "data"), condition="observation"))
    with pytest.raises(InputError, match="must hold finite states, but that of step 6 holds inf"):
        source.conditions_at(np.arange(20))


def test_training_starts_from_what_the_buffer_stores(tmp_path: Path) -> None:
    played(tmp_path / "spot", "info:spot")
    write_toy_buffer(tmp_path / "toy")
    for name, network, condition in (
        ("spot", "coordinates", "info:spot"),
        ("toy", "shifted_profiles", "ram"),
    ):
        config = train.base_config(["--data", str(tmp_path / name)])
        assert (config.network, config.condition) == (network, condition)


def test_captures_store_the_states_that_their_buffer_names(tmp_path: Path) -> None:
    for kind, size in (("observation", 3), ("info:spot", 2)):
        shape, state = (HEIGHT, WIDTH, 1), StateSpec.of(kind, size)
        buffer = FrameBuffer.create(tmp_path / kind / "one", 30, shape, state=state)
        env = FrameCapture(gym.make("Square-v0", render_mode="rgb_array"), buffer)
        env.reset(seed=0)
        for _ in range(6):
            env.step(1)
        env.close()
        assert len(buffer) == 6
        assert_states_belong_to_frames(buffer)
        several = FrameBuffer.create(tmp_path / kind / "two", 60, shape, state=state, num_writers=2)
        envs = gym.make_vec("Square-v0", 2, "sync", render_mode="rgb_array")
        envs = VectorFrameCapture(envs, several)
        envs.reset(seed=0)
        for _ in range(9):
            envs.step(np.array([1, 3]))
        envs.close()
        assert len(several) == 16  # a step of each only begins an episode
        assert_states_belong_to_frames(several)


def test_an_environment_without_images_is_rendered_once_for_each_step() -> None:
    before = SquareEnv.num_rendered
    env = AgentSteps(ENV_ID)
    env.reset(0)
    made = SquareEnv.num_rendered
    for _ in range(4):
        env.step(1)
    assert SquareEnv.num_rendered - made == 4
    assert made > before
    state = env.state(SPEC)
    np.testing.assert_allclose(env.screen.rgb(), picture(*state[:2]), atol=1)
    env.close()
