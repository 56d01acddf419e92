"""What the collector stores of a game of ALE decides each next state, and plays as ALE does."""

import json
import pickle
import struct
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest

from atarigan import FrameBuffer
from atarigan.data.buffer.meta import EMULATOR_COLUMNS
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.frame_player import FramePlayer
from atarigan.errors import InputError
from tests.test_replayed_frames import collected, play

STEPS = 400
PADDLE, IN_A_FRAME = 70, 6  # byte of Breakout with the resistance, and what a frame adds to it


def emulator(game: str) -> tuple[ale_py.ALEInterface, list[ale_py.Action]]:
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(ale_py.roms.get_rom_path(game))
    return ale, list(ale.getMinimalActionSet())


def test_stored_actions_play_the_same_game_again(tmp_path: Any) -> None:
    """From a reset, with each old action persisting as long as stored."""
    buffer = collected(tmp_path / "data", STEPS)
    columns = {name: buffer.values_at(name, np.arange(STEPS)) for name in buffer.meta.columns}
    ends = columns["terminations"] | columns["truncations"]
    assert ends.sum() >= 2
    assert len(set(columns["persisted"].tolist())) >= 4
    ale, actions = emulator("breakout")
    played = 0
    ale.reset_game()
    for step, (action, persisted) in enumerate(
        zip(columns["actions"], columns["persisted"], strict=True)
    ):
        assert np.array_equal(ale.getRAM(), columns["state"][step]), f"step {step} differs"
        assert ale.lives() == columns["lives"][step]
        reward = 0.0
        for frame in range(4):
            played = played if frame < persisted else int(action)
            reward += ale.act(actions[played])
        assert reward == columns["rewards"][step]
        if ends[step]:
            ale.reset_game()
            played = 0


def test_resistance_of_the_paddle_is_the_emulators() -> None:
    """It is one of the whole numbers in the emulator's serialized state."""
    ale, _ = emulator("breakout")
    frames = FramePlayer(ale, ("NOOP", "FIRE", "RIGHT", "LEFT"), 0.25)
    rng = np.random.default_rng(0)
    ale.reset_game()
    seen = set()
    for _ in range(60):
        frames.begin_step()
        action = int(rng.integers(4))
        for _ in range(6):
            frames.play(action, rng)
        resistance = frames.state.paddle
        state = pickle.dumps(ale.cloneState())
        assert any(struct.pack(order, resistance) in state for order in ("<i", ">i"))
        seen.add(resistance)
    assert {27_450, 790_196} <= seen
    assert len(seen) > 15


@pytest.mark.parametrize(
    ("game", "meanings", "has_paddle"),
    [
        ("pong", ("NOOP", "RIGHT"), True),
        ("kaboom", ("NOOP", "LEFT"), True),
        ("boxing", ("NOOP", "LEFT"), False),
        ("freeway", ("NOOP", "UP"), False),
    ],
)
def test_only_games_of_paddles_have_a_resistance(
    game: str, meanings: tuple[str, ...], has_paddle: bool
) -> None:
    ale, actions = emulator(game)
    for _ in range(5):
        ale.act(actions[-1])
    before = pickle.dumps(ale.cloneSystemState())
    frames = FramePlayer(ale, meanings, 0.0)
    assert pickle.dumps(ale.cloneSystemState()) == before
    assert (frames.state.paddle >= 0) == has_paddle


def frames_to_the_left(env: Any, num_games: int) -> Any:
    """In how many games 0 to 4 of the frames of a step to the left moved the paddle."""
    counts = np.zeros(5, int)
    for _ in range(num_games):
        env.reset()
        env.step(0)
        before = int(ram_of(env)[PADDLE])
        env.step(3)
        counts[(int(ram_of(env)[PADDLE]) - before) // IN_A_FRAME] += 1
    return counts


def ram_of(env: Any) -> Any:
    return (env.env if isinstance(env, AgentSteps) else env).unwrapped.ale.getRAM()


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: gym.make("ALE/Breakout-v5"), marks=pytest.mark.slow),
        lambda: AgentSteps("ALE/Breakout-v5", sticky=0.25),
        pytest.param(
            lambda: AgentSteps("ALE/Breakout-v5", sticky=0.25, max_pool=True),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_actions_persist_as_in_ale(make: Any) -> None:
    env = make()
    env.reset(seed=0)
    num = 120
    counts = frames_to_the_left(env, num)
    expected = num * np.array([0.25**4, *(0.75 * 0.25**k for k in (3, 2, 1, 0))])
    is_rare = expected < 5
    pairs = [*zip(counts[~is_rare], expected[~is_rare], strict=True)]
    pairs.append((counts[is_rare].sum(), expected[is_rare].sum()))
    assert sum((found - mean) ** 2 / mean for found, mean in pairs) < 11.3  # 99 %, 3 degrees


@pytest.mark.parametrize(
    ("env_id", "kwargs", "sticky", "message"),
    [
        ("ALE/Pong-v5", {}, 1.5, "sticky must be from 0 to 1, not 1.5"),
        ("ALE/Pong-v5", {}, float("nan"), "sticky must be from 0 to 1, not nan"),
        ("ALE/Pong-v5", {"repeat_action_probability": 0.1}, 0.2, "_probability .0.1., not 0.2"),
        ("ALE/Pong-v5", {"continuous": True}, 0.2, "a game of ALE with discrete actions"),
        ("tests.fakes:Counting-v0", {}, 0.2, "a game of ALE with discrete actions"),
    ],
)
def test_stickiness_that_cannot_be_is_refused(
    env_id: str, kwargs: dict[str, Any], sticky: float, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        AgentSteps(env_id, env_kwargs=kwargs, sticky=sticky)


def test_collections_before_version_2_are_read_and_continued(tmp_path: Any) -> None:
    folder = tmp_path / "data"
    collected(folder, 20, capacity=30)
    meta = json.loads((folder / "meta.json").read_text())
    meta["format_version"] = 1
    meta["ram_size"] = meta.pop("state")["size"]
    del meta["origin"]["sticky"]
    (folder / "meta.json").write_text(json.dumps(meta))
    for name in EMULATOR_COLUMNS:
        (folder / "writer-000" / f"{name}.npy").unlink()
    (folder / "writer-000" / "state.npy").rename(folder / "writer-000" / "ram.npy")
    buffer = FrameBuffer.open(folder)
    play(buffer, 10)
    assert len(buffer) == 30
    assert not EMULATOR_COLUMNS.keys() & buffer.meta.columns.keys()


def test_steps_that_others_add_have_unknown_values(tmp_path: Any) -> None:
    with collected(tmp_path / "data", 5, capacity=8) as buffer:
        buffer.add(None, ram=np.zeros(128, np.uint8))
        for name in EMULATOR_COLUMNS:
            assert buffer.values_at(name, np.array([5])) == [-1]
