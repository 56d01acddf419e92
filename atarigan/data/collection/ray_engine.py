"""Collect on the nodes of a Ray cluster, into one buffer."""

import contextlib
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from atarigan.config.extras import imported
from atarigan.data.collection.ray_coordinator import RayCoordinator, Snapshot
from atarigan.data.collection.ray_worker import living_nodes, play_share
from atarigan.data.collection.supervisor import WorkerDiedError, error_of
from atarigan.data.collection.worker import Failure, Share, Tally
from atarigan.errors import one_line
from atarigan.files import atomic

_LOOK_EVERY_S = 0.5


class RayEngine:
    """Runs a Ray task for each share. Ray chooses the nodes, and starts a task again, somewhere,
    when its process or its node dies.

    The process has to be connected to a cluster (`atarigan.config.ray_cluster.connected`). A task
    takes one CPU, and waits while none is free. It writes into the buffer itself where its node
    sees the buffer's folder at the same path. Elsewhere it sends its steps to an actor on this
    node, which stores them.

    Args:
        shares: one for each task.
        patience_s: seconds without a step after which a process is ended; 0 waits forever. The
            first step may take at least five minutes.
        streams: send the steps of all tasks, also where the storage is shared.
    """

    def __init__(self, shares: list[Share], patience_s: float, *, streams: bool = False) -> None:
        self._ray = imported("ray", "ray")
        self._shares = shares
        self._patience_s = patience_s
        self._streams = streams
        self._running: dict[Any, Share] = {}
        self._stack = contextlib.ExitStack()
        self._looked_s = 0.0
        self._seen = Snapshot([Tally() for _ in shares], set(), 0.0, {}, [])

    def __enter__(self) -> Self:
        ray = self._ray
        here = ray.get_runtime_context().get_node_id()
        strategies = ray.util.scheduling_strategies
        on_this_node = strategies.NodeAffinitySchedulingStrategy(here, soft=False)
        actor = ray.remote(RayCoordinator).options(num_cpus=0, scheduling_strategy=on_this_node)
        task = ray.remote(play_share).options(
            num_cpus=1, max_retries=-1, scheduling_strategy="SPREAD"
        )
        with self._stack as stack:
            token = None if self._streams else stack.enter_context(_token(self._shares[0].path))
            self._coordinator = actor.remote(self._shares, living_nodes)
            stack.callback(self._end)
            for share in self._shares:
                reference = task.remote(
                    share, self._coordinator, token, self._patience_s, Path.cwd()
                )
                self._running[reference] = share
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _end(self) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.get(self._coordinator.close.remote())
        self._ray.kill(self._coordinator)

    @property
    def is_at_work(self) -> bool:
        return bool(self._running)

    @property
    def tallies(self) -> list[Tally]:
        return self._seen.tallies

    @property
    def elapsed_s(self) -> float:
        return self._seen.elapsed_s

    @property
    def steps_by_node(self) -> dict[str, int]:
        return self._seen.steps_by_node

    @property
    def note(self) -> str:
        """On how many nodes tasks have played, and the rates of the slowest and the fastest."""
        rates = [num / max(self.elapsed_s, 1e-9) for num in self.steps_by_node.values()]
        if not rates:
            return ""
        if len(rates) == 1:
            return "1 node"
        return f"{len(rates)} nodes, {min(rates):,.0f} to {max(rates):,.0f}/s each"

    def look(self, timeout_s: float) -> list[BaseException]:
        """Wait up to `timeout_s` for a task to end; return the errors of failed shares."""
        ended, _ = self._ray.wait(list(self._running), timeout=timeout_s)
        if ended or time.monotonic() - self._looked_s > _LOOK_EVERY_S:
            self._take_snapshot()
        errors = [self._error(reference, self._running.pop(reference)) for reference in ended]
        return [error for error in errors if error is not None]

    def stop(self) -> None:
        """Ask every task to end after its step; cancel those that wait for a CPU."""
        self._ray.get(self._coordinator.stop.remote())
        self._take_snapshot()  # those that begin later do nothing
        for reference, share in list(self._running.items()):
            if share.index not in self._seen.begun:
                self._ray.cancel(reference)
                del self._running[reference]

    def _take_snapshot(self) -> None:
        try:
            self._seen = self._ray.get(self._coordinator.snapshot.remote())
        except self._ray.exceptions.RayActorError as error:
            what = "the process that counts all steps died; what was committed is kept"
            raise WorkerDiedError(f"{what}: {one_line(error)}") from error
        self._looked_s = time.monotonic()
        for text in self._seen.warnings:
            warnings.warn(text, stacklevel=2)

    def _error(self, reference: Any, share: Share) -> BaseException | None:
        """Return the error if the share of a task that has ended failed, else None."""
        try:
            failure: Failure | None = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:  # a node without atarigan, for instance
            failure = Failure(str(error))
        return (
            None if failure is None else error_of(failure, share.index, self.tallies[share.index])
        )


@contextlib.contextmanager
def _token(folder: Path) -> Iterator[Path]:
    """Yield a new file, which the nodes that share the folder's storage can see."""
    with tempfile.NamedTemporaryFile(prefix=f"{atomic.PREFIX}ray-", dir=folder) as file:
        yield Path(file.name)
