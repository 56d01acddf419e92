"""The single frames of a collected buffer, by playing its games again."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.writer import recorded_seeds
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.frame_player import NO_OP, EmulatorState, FramePlayer
from atarigan.errors import InputError

_MOST_NOOPS = 30  # agent steps that policies begin games with
_COLUMNS = ("ram", "actions", "persisted", "terminations", "truncations")


@dataclass(frozen=True)
class GameFrames:
    """Consecutive frames of one game.

    Attributes:
        states: RAM before each frame and after the last one, uint8 (N + 1, bytes).
        actions: number of the action that was played in each frame, int64 (N,); `NO_OP`, -1, where
            ALE's no-op of a reset persisted.
        paddles: resistance of the paddle in ohms before each frame and after the last one, int32
            (N + 1,); -1 in games without a paddle.
        rewards: reward of each frame, float32 (N,).
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
    """Play the games of a collection again, frame by frame.

    Left out are games whose beginning was overwritten, or with steps that others added. A reset
    keeps some RAM of the game before it, so that further games are left out where that is missing.

    Raises:
        InputError: the buffer does not hold what is needed, or a replay differs from what is
            stored.
    """
    missing = {"persisted"} - buffer.meta.columns.keys()
    if not buffer.meta.ram_size:
        missing.add("ram")
    if missing:
        raise InputError(
            f"{buffer.path} must be a collection of a game of ALE with RAM, of format version 2 or "
            f"later: it has no {', '.join(sorted(missing))}"
        )
    with contextlib.closing(AgentSteps.of(buffer.meta.origin)) as env:
        player = _checked_player(env, buffer)
        is_continued = False
        for number, game in enumerate(_stored_games(buffer)):
            steps = {name: buffer.values_at(name, game.rows) for name in _COLUMNS}
            is_known = game.is_whole and steps["persisted"].min() >= 0
            begins = is_known and _begins(env, player, game.seed, steps["ram"][0])
            where = f"game {number} of {buffer.path}"
            if begins:
                yield _replayed(player, steps, env.frame_skip, where)
            elif is_known and (is_continued or game.seed is not None):
                raise InputError(f"{where} does not begin as the game does after a reset")
            is_continued = begins


class _StoredGame(NamedTuple):
    """Step numbers of a game, int64 (N,), whether it is stored from its beginning on, and the seed
    of its reset, or None without one.
    """

    rows: npt.NDArray[np.int64]
    is_whole: bool
    seed: int | None


def _stored_games(buffer: FrameBuffer) -> Iterator[_StoredGame]:
    """Yield games in the order of play, writer by writer."""
    start = 0
    for ring in buffer.writers:
        rows = np.arange(start, start + ring.length)
        ends = buffer.values_at("terminations", rows) | buffer.values_at("truncations", rows)
        seeds = {step: each.env_seed for step, each in recorded_seeds(ring.folder).items()}
        num_lost = ring.num_committed - ring.length
        for game in np.split(rows, np.flatnonzero(ends) + 1):
            if len(game):
                first = int(game[0]) - start
                yield _StoredGame(game, first > 0 or not num_lost, seeds.get(first + num_lost))
        start += ring.length


def _checked_player(env: AgentSteps, buffer: FrameBuffer) -> FramePlayer:
    """Return what plays the frames, for stored steps that fit the game."""
    player, meta = env.frame_player, buffer.meta
    if player is None or not isinstance(env.action_space, gym.spaces.Discrete):
        raise InputError(f"{buffer.path} must be a collection of a game of ALE")
    if meta.ram_size != len(player.ram) or (meta.action_dtype, meta.action_shape) != ("int64", ()):
        raise InputError(
            f"{buffer.path} must store {len(player.ram)} bytes of RAM and actions of int64, not "
            f"{meta.ram_size} and {meta.action_dtype} {meta.action_shape}"
        )
    actions = buffer.values_at("actions", np.arange(len(buffer)))
    wrong = actions[(actions < 0) | (actions >= env.action_space.n)]
    if len(wrong):
        raise InputError(
            f"{buffer.path}: actions must be from 0 to {env.action_space.n - 1}, not {wrong[0]}"
        )
    return player


def _begins(
    env: AgentSteps, player: FramePlayer, seed: int | None, ram: npt.NDArray[np.uint8]
) -> bool:
    """Reset, wait as policies may do, and return whether a game begins with this RAM."""
    env.reset(seed)
    for _ in range(_MOST_NOOPS * env.frame_skip):
        if np.array_equal(player.ram, ram):
            return True
        player.play_exactly(NO_OP)
    return False


def _replayed(
    player: FramePlayer, steps: dict[str, npt.NDArray[Any]], frame_skip: int, where: str
) -> GameFrames:
    states, actions, rewards = [], [], []
    emulator: list[EmulatorState] = []
    for number, (action, persisted) in enumerate(
        zip(steps["actions"].tolist(), steps["persisted"].tolist(), strict=True)
    ):
        wrong = np.flatnonzero(player.ram != steps["ram"][number])
        if len(wrong):
            raise InputError(
                f"{where} must go on as it is stored, but at agent step {number} bytes "
                f"{', '.join(map(str, wrong[:8]))} of RAM differ"
            )
        for frame in range(frame_skip):
            states.append(player.ram)
            emulator.append(player.state)
            actions.append(player.last_action if frame < persisted else action)
            rewards.append(player.play_exactly(actions[-1]))
            if player.is_over or player.is_truncated:
                break
    lives, paddles = np.array([*emulator, player.state], np.int32).T
    return GameFrames(
        np.stack([*states, player.ram]),
        np.array(actions),
        paddles,
        np.array(rewards, np.float32),
        lives,
        player.is_over,
    )
