"""The single frames of a collected buffer, by playing its games again."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.errors import InputError

_MOST_NOOPS = 240  # frames before the first agent step that policies begin games with
_COLUMNS = ("ram", "actions", "persisted", "terminations", "truncations")


@dataclass(frozen=True)
class GameFrames:
    """Consecutive frames of one game.

    Attributes:
        states: RAM before each frame and after the last one, uint8 (N + 1, bytes).
        actions: the action that was played in each frame, int64 (N,).
        paddles: resistance of the paddle in ohms before each frame and after the last one, int32
            (N + 1,).
        rewards: float32 (N,).
        lives: lives left before each frame and after the last one, int32 (N + 1,).
        has_ended: whether the game was over after the last frame.
    """

    states: npt.NDArray[np.uint8]
    actions: npt.NDArray[np.int64]
    paddles: npt.NDArray[np.int32]
    rewards: npt.NDArray[np.float32]
    lives: npt.NDArray[np.int32]
    has_ended: bool

    def __len__(self) -> int:
        return len(self.actions)


def replayed_games(buffer: FrameBuffer) -> Iterator[GameFrames]:
    """Play the games of a collection again, frame by frame. Games whose beginning was overwritten
    are left out.

    Raises:
        InputError: the buffer does not hold what is needed, or a game goes on otherwise than it is
            stored, so what is stored does not decide its next state.
    """
    if "persisted" not in buffer.meta.columns or "ram" not in buffer.meta.columns:
        raise InputError(
            f"{buffer.path} must be a collection of a game of ALE with RAM and sticky actions by "
            f"this release, and stores only {', '.join(buffer.meta.columns)}"
        )
    with contextlib.closing(AgentSteps.of(buffer.meta.origin)) as env:
        for number, rows in enumerate(_whole_games(buffer)):
            steps = {name: buffer.values_at(name, rows) for name in _COLUMNS}
            if steps["persisted"].min() < 0:
                continue
            yield _replayed(env, steps, f"game {number} of {buffer.path}")


def _whole_games(buffer: FrameBuffer) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the step numbers of each game that is stored from its beginning on."""
    start = 0
    for length, committed in zip(buffer.writer_lengths, buffer.writer_commits, strict=True):
        rows = np.arange(start, start + length)
        ends = buffer.values_at("terminations", rows) | buffer.values_at("truncations", rows)
        games = np.split(rows, np.flatnonzero(ends) + 1)
        yield from (game for game in games[committed > length :] if len(game))
        start += length


def _replayed(env: AgentSteps, steps: dict[str, npt.NDArray[Any]], where: str) -> GameFrames:
    played = env.played
    assert played is not None
    env.reset()
    noops = 0
    while not np.array_equal(played.ram, steps["ram"][0]):
        noops += 1
        if noops > _MOST_NOOPS:
            raise InputError(f"{where} does not begin as the game does after a reset")
        played.play_exactly(0)
    states, actions, paddles, rewards, lives = [], [], [], [], []
    for number, (action, persisted) in enumerate(
        zip(steps["actions"], steps["persisted"], strict=True)
    ):
        ram = played.ram
        if not np.array_equal(ram, steps["ram"][number]):
            wrong = np.flatnonzero(ram != steps["ram"][number])
            raise InputError(
                f"{where} must go on as it is stored, but at agent step {number} bytes "
                f"{', '.join(map(str, wrong[:8]))} differ: RAM, actions and paddle do not decide "
                "the next state of this game"
            )
        for frame in range(env.frame_skip):
            states.append(played.ram)
            paddles.append(played.state.paddle)
            lives.append(played.state.lives)
            actions.append(played.played if frame < persisted else int(action))
            rewards.append(played.play_exactly(actions[-1]))
            if played.is_over:
                break
    return GameFrames(
        np.stack([*states, played.ram]),
        np.array(actions),
        np.array([*paddles, played.state.paddle], np.int32),
        np.array(rewards, np.float32),
        np.array([*lives, played.state.lives], np.int32),
        played.is_over,
    )
