"""Asks the emulator what bytes of RAM are for: it plays on after one of them was changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.frame_player import FramePlayer, SavedGame
from atarigan.errors import InputError, shown

_NUM_BYTES = 128  # of the console's RAM
_NUM_STATES = 40
_FRAMES_APART = 60  # at most
_DIGITS = np.array([1, 16], np.uint8)  # the last bits of the two decimal digits of a byte
_FEW_FRAMES, _MANY_FRAMES = 4, 120

Moment = tuple[SavedGame, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class ByteRoles:
    """Addresses of bytes with a role.

    Attributes:
        unread: bytes that vary, and whose values change nothing, such as what is left of a stack.
        score: bytes that the score is read off.

    Raises:
        InputError: addresses are not ascending, or not those of the console's RAM.
    """

    unread: tuple[int, ...]
    score: tuple[int, ...]

    def __post_init__(self) -> None:
        for name in ("unread", "score"):
            addresses = getattr(self, name)
            if not set(addresses) <= set(range(_NUM_BYTES)) or [*addresses] != sorted({*addresses}):
                raise InputError(
                    f"{name} must be ascending addresses below {_NUM_BYTES}, not {shown(addresses)}"
                )

    def with_influences(self, found: npt.NDArray[np.bool_]) -> "ByteRoles":
        """Return the roles without those unread bytes that decide others, themselves unread or not,
        and so decide a byte that is read.

        Args:
            found: whether the byte of the row decides the byte of the column, bool (bytes, bytes).
        """
        unread = set(self.unread)
        while read := {each for each in unread if set(np.flatnonzero(found[each])) - unread}:
            unread -= read
        return replace(self, unread=tuple(sorted(unread)))


NO_ROLES = ByteRoles((), ())


def byte_roles(env: AgentSteps, seed: int = 0) -> ByteRoles:
    """Return the roles of a game's bytes, by what follows another value in 40 states of random
    play.

    If no other byte, reward, life or picture changes within 4 frames in any of them, and none
    within 120 frames (2 seconds), nothing reads the byte. ALE's reward is what the score after a
    frame differs from the score before it, which it keeps: if the next reward is another one in
    most states, the score is read off the byte.

    Args:
        env: a game whose frames are played one by one.
        seed: of the play.
    """
    player = env.frame_player
    assert player is not None
    rng = np.random.default_rng(seed)
    moments, seen = _moments(env, player, rng)
    unread = np.flatnonzero((seen != seen[0]).any(0)).tolist()
    for num_frames in (_FEW_FRAMES, _MANY_FRAMES):
        unread = _unread(player, moments, seen, unread, num_frames, rng)
    return ByteRoles(tuple(unread), _of_score(player, moments, seen, rng))


def _moments(
    env: AgentSteps, player: FramePlayer, rng: np.random.Generator
) -> tuple[list[Moment], npt.NDArray[np.uint8]]:
    """Play at random; return where the game was, the actions to go on with, and RAM."""
    num_actions = len(env.action_meanings)
    env.reset(int(rng.integers(1 << 31)))
    moments, rams = [], []
    for _ in range(_NUM_STATES):
        for action in rng.integers(0, num_actions, rng.integers(1, _FRAMES_APART)).repeat(4):
            player.play_exactly(int(action))
            if player.is_over or player.is_truncated:
                env.reset(None)
        rams.append(player.ram)
        actions = rng.integers(0, num_actions, _MANY_FRAMES // 4 + 1).repeat(4)
        moments.append((player.saved(), actions))
    return moments, np.stack(rams)


def _of_score(
    player: FramePlayer,
    moments: Sequence[Moment],
    seen: npt.NDArray[np.uint8],
    rng: np.random.Generator,
) -> tuple[int, ...]:
    """Return the bytes of which most changes change the next reward."""
    num_changed = np.zeros(seen.shape[1], np.int64)
    for (saved, actions), ram in zip(moments, seen, strict=True):
        usual = _reward(player, saved, actions, ram)
        for address, bit in enumerate(rng.choice(_DIGITS, len(ram))):
            other = ram.copy()
            other[address] ^= bit
            num_changed[address] += _reward(player, saved, actions, other) != usual
    return tuple(np.flatnonzero(num_changed > len(moments) / 2).tolist())


def _reward(
    player: FramePlayer,
    saved: SavedGame,
    actions: npt.NDArray[np.int64],
    ram: npt.NDArray[np.uint8],
) -> float:
    """Return the reward of one frame."""
    return next(_played(player, saved, actions[:1], ram))[2]


def _unread(
    player: FramePlayer,
    moments: Sequence[Moment],
    seen: npt.NDArray[np.uint8],
    addresses: list[int],
    num_frames: int,
    rng: np.random.Generator,
) -> list[int]:
    """Return those of some bytes that change nothing within so many frames."""
    for (saved, actions), ram in zip(moments, seen, strict=True):
        usual = None
        for address in list(addresses):
            values = np.setdiff1d(seen[:, address], ram[address])
            if not len(values):
                continue
            if usual is None:
                usual = list(_played(player, saved, actions[:num_frames], ram))
            other = ram.copy()
            other[address] = rng.choice(values)
            for before, now in zip(
                usual, _played(player, saved, actions[:num_frames], other), strict=True
            ):
                if _differ(before, now, address):
                    addresses.remove(address)
                    break
    return addresses


_Outcome = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], float, int, bool]


def _played(
    player: FramePlayer,
    saved: SavedGame,
    actions: npt.NDArray[np.int64],
    ram: npt.NDArray[np.uint8],
) -> Iterator[_Outcome]:
    """Yield what each frame leads to."""
    player.restore(saved)
    player.write_ram(ram)
    for action in actions:
        reward = player.play_exactly(int(action))
        yield player.ram, player.screen, reward, player.state.lives, player.is_over


def _differ(before: _Outcome, now: _Outcome, address: int) -> bool:
    other_bytes = np.flatnonzero(before[0] != now[0])
    is_elsewhere = bool((other_bytes != address).any())
    return is_elsewhere or before[2:] != now[2:] or not np.array_equal(before[1], now[1])
