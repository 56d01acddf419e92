"""The actor of a collection on a Ray cluster: it counts all steps, and stores those that are sent.

It runs on the node of the command. Tasks call its methods one after the other.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import BufferMeta
from atarigan.data.buffer.ring import Ring, claim_ring
from atarigan.data.buffer.writer import BufferWriter
from atarigan.data.collection.streamed_buffer import ClaimedRing, Rows
from atarigan.data.collection.supervisor import (
    ENOUGH_STEPS,
    MAX_DEATHS,
    called,
)
from atarigan.data.collection.worker import Failure, Share, Tally
from atarigan.errors import InputError

_REPLACED = Failure("another task has taken its place")


@dataclass(frozen=True)
class Begun:
    """What a task needs to play a share, or what is left of it.

    Attributes:
        meta: of the buffer.
        attempt: number of tasks that died while working on the share.
        tally: its progress so far.
    """

    meta: BufferMeta
    attempt: int
    tally: Tally


@dataclass(frozen=True)
class Snapshot:
    """The progress of a collection.

    Attributes:
        tallies: of each share.
        begun: indices of shares that a task has begun.
        elapsed_s: seconds of stepping.
        steps_by_node: steps that each node played.
        warnings: what happened since the last snapshot.
    """

    tallies: list[Tally]
    begun: set[int]
    elapsed_s: float
    steps_by_node: dict[str, int]
    warnings: list[str]


@dataclass
class _Played:
    """A share, and the task that plays it.

    Attributes:
        attempt: number of the task; -1 before the first.
        died_on: nodes of tasks in a row that died before it with little progress.
        first_step: steps of the share that were done when the task began.
        node: where it runs.
        streams: whether it sends its steps.
        claimed: ring that it writes, on shared storage.
        claimed_at: steps of the share that were done when it claimed the ring.
        ring, writer: what is sent goes there.
    """

    share: Share
    tally: Tally = field(default_factory=Tally)
    attempt: int = -1
    died_on: list[str] = field(default_factory=list)
    first_step: int = 0
    node: str = ""
    streams: bool = False
    claimed: ClaimedRing | None = None
    claimed_at: int = 0
    ring: Ring | None = None
    writer: BufferWriter | None = None


class RayCoordinator:
    """Counts the steps of all shares. A task that is not the newest of its share is told to stop.

    A method returns a `Failure` where the task has to fail: when three in a row have died with
    little progress, on nodes that go on. Nodes that are lost are not the fault of a share.

    Args:
        shares: what is to be played.
        living_nodes: returns the names of the nodes that the cluster has.
    """

    def __init__(self, shares: list[Share], living_nodes: Callable[[], set[str]]) -> None:
        self._living_nodes = living_nodes
        self._path = shares[0].path
        self._meta = FrameBuffer.open(self._path).meta
        self._played = [_Played(share) for share in shares]
        self._must_stop = False
        self._began_s: float | None = None
        self._stepped_s = 0.0
        self._steps_by_node: dict[str, int] = {}
        self._warnings: list[str] = []

    def begin(self, index: int, node: str, streams: bool) -> Begun | Failure | None:
        """Begin a share, or what the task before left of it; None if there is nothing to do."""
        played = self._played[index]
        if self._must_stop:
            return None
        if played.attempt >= 0 and (failure := self._replace(played)):
            return failure
        played.attempt += 1
        played.first_step = played.tally.num_steps
        played.node, played.streams, played.claimed = node, streams, None
        return Begun(self._meta, played.attempt, played.tally)

    def claimed(self, index: int, attempt: int, ring: ClaimedRing) -> None:
        """Note which ring a task on shared storage has claimed."""
        played = self._played[index]
        if attempt == played.attempt:
            played.claimed, played.claimed_at = ring, played.tally.num_steps

    def report(self, index: int, attempt: int, tally: Tally) -> bool:
        """Take the progress of a task; return whether it must stop."""
        played = self._played[index]
        if attempt != played.attempt:
            return True
        if not played.streams:
            self._count(played, tally)
        return self._must_stop

    def claim(self, index: int, attempt: int) -> ClaimedRing | Failure:
        """Claim a ring for the steps that a task sends."""
        played = self._played[index]
        if attempt != played.attempt:
            return _REPLACED
        share, columns = played.share, self._meta.columns
        try:
            played.ring = claim_ring(
                self._path,
                columns,
                self._meta.capacity,
                share.ring,
                share.reserved,
                needs_room=not share.overwrites,
            )
            played.writer = BufferWriter(played.ring)
        except (InputError, OSError) as error:
            return Failure(error)
        return ClaimedRing(played.ring.folder, played.ring.num_committed, played.ring.room)

    def extend(self, index: int, attempt: int, rows: Rows, tally: Tally) -> Failure | None:
        """Store steps that a task sent, and its progress with them."""
        played = self._played[index]
        if attempt != played.attempt or played.ring is None:
            return _REPLACED
        try:
            played.ring.extend(rows)
        except OSError as error:
            return Failure(error)
        self._count(played, tally)
        return None

    def append_line(self, index: int, attempt: int, file_name: str, line: str) -> Failure | None:
        """Append a line to a file of the ring that a task claimed."""
        played = self._played[index]
        if attempt != played.attempt or played.ring is None:
            return _REPLACED
        try:
            played.ring.append_line(file_name, line)
        except OSError as error:
            return Failure(error)
        return None

    def release(self, index: int, attempt: int) -> None:
        """End the episode of a task, and release its ring."""
        if attempt == self._played[index].attempt:
            self._release(self._played[index])

    def stop(self) -> None:
        """Let all tasks end after the step that they take."""
        self._must_stop = True

    def snapshot(self) -> Snapshot:
        """Return the progress, and forget the warnings."""
        warnings, self._warnings = self._warnings, []
        return Snapshot(
            [played.tally for played in self._played],
            {played.share.index for played in self._played if played.attempt >= 0},
            0.0 if self._began_s is None else self._stepped_s - self._began_s,
            dict(self._steps_by_node),
            warnings,
        )

    def close(self) -> None:
        """Flush and release all rings."""
        for played in self._played:
            self._release(played)

    def _replace(self, played: _Played) -> Failure | None:
        """Prepare a share for another task, because its task died."""
        self._release(played)
        if (claimed := played.claimed) is not None:  # it may have stored more than it told
            ring = Ring(claimed.folder, self._meta.columns, self._meta.capacity)
            num_more = ring.num_committed - claimed.num_committed
            self._count(played, _with_steps(played.tally, played.claimed_at + num_more))
        num_steps = played.tally.num_steps
        if num_steps - played.first_step >= ENOUGH_STEPS:
            played.died_on.clear()
        played.died_on.append(played.node)
        living = self._living_nodes()
        if sum(node in living for node in played.died_on) >= MAX_DEATHS:
            return Failure(f"its task died on node {played.node}, {MAX_DEATHS} times in a row")
        who = called(played.share.index, played.tally)
        self._warnings.append(
            f"the task of {who} on node {played.node} died after {num_steps} steps; another task "
            "continues, and the episode is truncated"
        )
        return None

    def _count(self, played: _Played, tally: Tally) -> None:
        num_more = tally.num_steps - played.tally.num_steps
        played.tally = tally
        if num_more <= 0:
            return
        self._stepped_s = time.monotonic()
        if self._began_s is None:
            self._began_s = self._stepped_s - tally.elapsed_s
        taken = self._steps_by_node.get(played.node, 0)
        self._steps_by_node[played.node] = taken + num_more

    def _release(self, played: _Played) -> None:
        if played.writer is not None:
            played.writer.close()
            played.writer = played.ring = None


def _with_steps(tally: Tally, num_steps: int) -> Tally:
    """Return a tally with another number of steps, if that is larger."""
    num_steps = max(num_steps, tally.num_steps)
    return Tally(
        tally.env_seed, num_steps, tally.num_episodes, tally.sum_of_returns, tally.elapsed_s
    )
