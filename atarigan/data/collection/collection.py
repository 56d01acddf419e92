"""Collect with several processes, each with one environment, into one buffer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self

from atarigan.config.machine import num_cores
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.ring import Ring, add_ring, is_being_written, ring_folders
from atarigan.data.collection.supervisor import Supervisor
from atarigan.data.collection.worker import Share, Tally
from atarigan.errors import InputError

PATIENCE_S = 300.0
_LOOK_EVERY_S = 0.1
_MAX_ENVS = 8
_MIN_STEPS_PER_ENV = 1000


@dataclass(frozen=True)
class CollectionSummary:
    """Result of a collection.

    Attributes:
        num_steps: agent steps stored.
        num_episodes: episodes finished.
        mean_return: mean return of these episodes; NaN without episodes.
        elapsed_s: seconds of stepping, without starting the processes.
        steps_by_node: as in `Engine`.
    """

    num_steps: int
    num_episodes: int
    mean_return: float
    elapsed_s: float
    steps_by_node: dict[str, int] = field(default_factory=dict)


class Engine(Protocol):
    """Plays the shares of a collection, each in a process of its own; ends all of them on exit.

    Attributes:
        is_at_work: whether a share is being played.
        tallies: progress of each share.
        elapsed_s: seconds of stepping, without starting the processes.
        note: what progress says of the processes; may be empty.
        steps_by_node: steps that each node of a cluster played; empty without a cluster.
    """

    @property
    def note(self) -> str: ...
    @property
    def steps_by_node(self) -> dict[str, int]: ...
    @property
    def is_at_work(self) -> bool: ...
    @property
    def tallies(self) -> list[Tally]: ...
    @property
    def elapsed_s(self) -> float: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def look(self, timeout_s: float) -> list[BaseException]:
        """Wait up to `timeout_s` for a share to end; return the errors of those that failed."""

    def stop(self) -> None:
        """Ask every process to end after its step."""


StartEngine = Callable[[list[Share], float], Engine]


def default_num_envs(num_steps: int, most: int | None = None) -> int:
    """Return one process for each CPU core, but at most 8, and at least 1,000 steps for each.

    `most` takes the place of the number of cores and of the limit of 8.
    """
    most = min(num_cores(), _MAX_ENVS) if most is None else most
    return max(1, min(most, num_steps // _MIN_STEPS_PER_ENV))


def collect(
    buffer: FrameBuffer,
    num_steps: int,
    *,
    num_envs: int = 1,
    overwrite_oldest: bool = False,
    patience_s: float = PATIENCE_S,
    report: Callable[[int, str], None] = lambda num_steps, note: None,
    should_stop: Callable[[], bool] = lambda: False,
    start: StartEngine = Supervisor,
) -> CollectionSummary:
    """Play the environment that the buffer's origin names, and store every agent step.

    Processes are spawned, so a script that calls this needs `if __name__ == "__main__":`.

    Args:
        buffer: created by `new_buffer.create_buffer`. Seeds depend on each process's ring and on
            the number of its steps, so that no two collections into one buffer repeat an episode,
            even at the same time.
        num_steps: agent steps to add, at least 1, divided evenly among the processes.
        num_envs: number of processes, at least 1.
        overwrite_oldest: each process overwrites the oldest steps of its ring when that is full. If
            false, rings are added instead.
        patience_s: seconds without a step after which a process is killed and restarted; 0 waits
            forever. The first step may take at least five minutes.
        report: called about ten times a second with the number of steps added so far, and a note
            on the engine.
        should_stop: called as often; if it returns true, collection ends and stored steps are kept.
        start: returns the engine for shares and `patience_s`. `RayEngine` plays them on the nodes
            of a cluster; the default, in processes of this machine.

    Raises:
        InputError: a number out of range, an origin that cannot be played, or an environment that
            violates its own spaces.
        OSError: the disk is full.
        WorkerDiedError: a process failed, or died repeatedly.
    """
    if num_steps < 1 or num_envs < 1:
        raise InputError(
            f"num_steps and num_envs must be at least 1, not {num_steps} and {num_envs}"
        )
    shares = _shares(buffer, num_steps, min(num_envs, num_steps), overwrite_oldest)
    failures: list[BaseException] = []
    with start(shares, patience_s) as engine:
        while engine.is_at_work:
            failures += engine.look(_LOOK_EVERY_S)
            if failures or should_stop():
                engine.stop()
            buffer.refresh()
            report(sum(tally.num_steps for tally in engine.tallies), engine.note)
    if failures:
        raise failures[0]
    return _summary(engine)


def _shares(
    buffer: FrameBuffer, num_steps: int, num_envs: int, overwrite_oldest: bool
) -> list[Share]:
    """Divide the steps among processes, each with a ring of its own."""
    rooms = free_rings(buffer, num_envs, needs_room=not overwrite_oldest)
    limits = [num_steps if overwrite_oldest else room for room in rooms.values()]
    return [
        Share(
            buffer.path,
            index,
            share,
            buffer.meta.origin.seed or 0,
            ring=ring,
            reserved=frozenset(rooms) - {ring},
            overwrites=overwrite_oldest,
        )
        for index, (ring, share) in enumerate(zip(rooms, divided(num_steps, limits), strict=True))
    ]


def free_rings(buffer: FrameBuffer, num: int, *, needs_room: bool) -> dict[str, int]:
    """Find rings of a buffer that nobody is writing, and create missing ones.

    Args:
        buffer: the buffer.
        num: number of rings, at least 1.
        needs_room: leave out full rings.

    Returns:
        Folder of each ring to the number of steps that can be added before its oldest is
        overwritten.

    Raises:
        InputError: a ring is damaged, or the file system has no locks.
        OSError: the disk is full or not writable.
    """
    columns, capacity = buffer.meta.columns, buffer.meta.capacity
    found: dict[str, int] = {}
    for folder in ring_folders(buffer.path):
        if len(found) == num:
            break
        room = Ring(folder, columns, capacity).room
        if (room or not needs_room) and not is_being_written(folder):
            found[folder.name] = room
    while len(found) < num:
        found[add_ring(buffer.path, columns, capacity).name] = capacity
    return found


def divided(num_steps: int, limits: Sequence[int]) -> list[int]:
    """Divide steps evenly into shares up to their limits, and what exceeds all limits evenly."""
    excess = max(0, num_steps - sum(limits))
    shares, left = [0] * len(limits), num_steps - excess
    by_limit = sorted(range(len(limits)), key=limits.__getitem__)
    for num_done, index in enumerate(by_limit):
        shares[index] = min(limits[index], -(-left // (len(limits) - num_done)))
        left -= shares[index]
    each, rest = divmod(excess, len(limits))
    return [share + each + (index < rest) for index, share in enumerate(shares)]


def _summary(engine: Engine) -> CollectionSummary:
    tallies = engine.tallies
    num_episodes = sum(tally.num_episodes for tally in tallies)
    sum_of_returns = sum(tally.sum_of_returns for tally in tallies)
    return CollectionSummary(
        num_steps=sum(tally.num_steps for tally in tallies),
        num_episodes=num_episodes,
        mean_return=sum_of_returns / num_episodes if num_episodes else math.nan,
        elapsed_s=engine.elapsed_s,
        steps_by_node=dict(engine.steps_by_node),
    )
