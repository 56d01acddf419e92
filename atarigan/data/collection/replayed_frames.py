"""The single frames of a collected buffer, by playing its games again."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.writer import recorded_seeds
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
        for number, game in enumerate(_whole_games(buffer)):
            steps = {name: buffer.values_at(name, game.rows) for name in _COLUMNS}
            if steps["persisted"].min() < 0:
                continue
            yield _replayed(env, steps, game.seed, f"game {number} of {buffer.path}")


class _StoredGame(NamedTuple):
    """Step numbers of a game, int64 (N,), and the seed of its reset, or None without one."""

    rows: npt.NDArray[np.int64]
    seed: int | None


def _whole_games(buffer: FrameBuffer) -> Iterator[_StoredGame]:
    """Yield the games that are stored from their beginning on, in the order of play."""
    start = 0
    for ring in buffer.writers:
        rows = np.arange(start, start + ring.length)
        ends = buffer.values_at("terminations", rows) | buffer.values_at("truncations", rows)
        seeds = recorded_seeds(ring.folder)
        for game in np.split(rows, np.flatnonzero(ends) + 1):
            if len(game) and (game[0] > start or ring.length == ring.num_committed):
                first_step = int(game[0]) - start + ring.num_committed - ring.length
                yield _StoredGame(game, seeds.get(first_step))
        start += ring.length


def _replayed(
    env: AgentSteps, steps: dict[str, npt.NDArray[Any]], seed: int | None, where: str
) -> GameFrames:
    played = env.played
    assert played is not None
    env.reset(seed)  # without a seed, some of the game before it stays in RAM
    for _ in range(_MOST_NOOPS):  # which policies may begin with
        if np.array_equal(played.ram, steps["ram"][0]):
            break
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
