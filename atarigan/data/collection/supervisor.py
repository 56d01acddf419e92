"""Start and watch the processes of a collection; restart one that dies or hangs."""

import contextlib
import multiprocessing
import signal
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Self

from atarigan.data.collection.worker import (
    STOP_SIGNALS,
    Failure,
    Share,
    Signals,
    Tally,
    run_worker,
)
from atarigan.errors import InputError

MAX_DEATHS = 3
ENOUGH_STEPS = 1000  # between two deaths, so that they do not count together
_LONGEST_LOOK_S = 1.0
_START_S = 300.0


class WorkerDiedError(RuntimeError):
    """A collecting process died repeatedly, or failed with the traceback in the message."""


@dataclass
class _Worker:
    """A running process.

    Attributes:
        num_deaths: processes in a row that died before it with little progress.
        first_step: steps of the share that were done when it started.
        num_steps: steps of the share that were done when it last made progress.
        quiet_s: seconds since then.
    """

    share: Share
    process: SpawnProcess
    num_deaths: int
    first_step: int
    num_steps: int
    quiet_s: float = 0.0


class Supervisor:
    """Run one process for each share; join all of them on exit.

    A process that takes no step for `patience_s` seconds is killed. In place of a process that was
    killed or died, another one is started with a new seed, and a warning is given. It continues in
    the same ring, and the interrupted episode is marked truncated. A share fails after
    `MAX_DEATHS` deaths in a row with little progress between them.

    Args:
        shares: one for each process.
        patience_s: 0 waits forever. A process's first step may take at least five minutes.
    """

    note = ""

    def __init__(self, shares: list[Share], patience_s: float) -> None:
        self._shares = shares
        self._signals = Signals(len(shares))
        self._patience_s = patience_s
        self._running: dict[Connection, _Worker] = {}
        self._processes: list[SpawnProcess] = []
        self._looked_s = time.monotonic()

    def __enter__(self) -> Self:
        try:
            for share in self._shares:
                self._start(share)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def _end(self) -> None:
        for process in self._processes:
            if self._running:
                process.kill()
            process.join()

    @property
    def is_at_work(self) -> bool:
        return bool(self._running)

    @property
    def steps_by_node(self) -> dict[str, int]:
        """Nothing: there is one machine."""
        return {}

    @property
    def tallies(self) -> list[Tally]:
        """The progress of each share."""
        return [self._signals.tally(share.index) for share in self._shares]

    @property
    def elapsed_s(self) -> float:
        """Seconds of stepping, without starting the processes."""
        return max(tally.elapsed_s for tally in self.tallies)

    def stop(self) -> None:
        """Ask every process to end after its step."""
        self._signals.stop()

    def look(self, timeout_s: float) -> list[BaseException]:
        """Wait up to `timeout_s` for a process to end; return the errors of failed shares."""
        failures = []
        for connection in wait(list(self._running), timeout_s):
            assert isinstance(connection, Connection)
            failure = self._outcome(connection, self._running.pop(connection))
            if failure is not None:
                failures.append(failure)
        self._kill_hung()
        return failures

    def _start(self, share: Share, num_deaths: int = 0) -> None:
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=run_worker, args=(share, self._signals, sender))
        with sender, _stop_signals_held_back():
            process.start()
        self._processes.append(process)
        num_steps = self._signals.tally(share.index).num_steps
        self._running[receiver] = _Worker(share, process, num_deaths, num_steps, num_steps)

    def _kill_hung(self) -> None:
        """Kill hung processes. Time in which this process was stopped (Ctrl-Z) does not count."""
        now_s = time.monotonic()
        passed_s, self._looked_s = min(now_s - self._looked_s, _LONGEST_LOOK_S), now_s
        for worker in self._running.values():
            num_steps = self._signals.tally(worker.share.index).num_steps
            is_done = num_steps >= worker.share.num_steps
            is_quiet = num_steps == worker.num_steps and not is_done
            worker.num_steps = num_steps
            worker.quiet_s = worker.quiet_s + passed_s if is_quiet else 0.0
            if self._is_hung(worker):
                worker.process.kill()  # the next call of `look` handles its death

    def _is_hung(self, worker: _Worker) -> bool:
        """Return whether a process took no step for too long. The first may take longer."""
        has_stepped = worker.num_steps > worker.first_step
        patience_s = self._patience_s if has_stepped else first_patience_s(self._patience_s)
        return self._patience_s > 0 and worker.quiet_s >= patience_s

    def _outcome(self, connection: Connection, worker: _Worker) -> BaseException | None:
        """Return the error if the share of a process that has ended failed, else None."""
        tally = self._signals.tally(worker.share.index)
        try:
            outcome = connection.recv()
        except EOFError:
            return self._died(worker, tally)
        finally:
            connection.close()
        return None if outcome is None else error_of(outcome, worker.share.index, tally)

    def _died(self, worker: _Worker, tally: Tally) -> WorkerDiedError | None:
        worker.process.join()
        num_steps = tally.num_steps
        code = worker.process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        if self._is_hung(worker):
            how = f"took no step for {worker.quiet_s:.0f} s"
        what = f"the process of {called(worker.share.index, tally)} {how} after {num_steps} steps"
        got_far = num_steps - worker.first_step >= ENOUGH_STEPS
        num_deaths = 1 if got_far else worker.num_deaths + 1
        if num_deaths >= MAX_DEATHS or self._signals.must_stop:
            return WorkerDiedError(what)
        warnings.warn(
            f"{what}; a new process continues, and the episode is truncated", stacklevel=2
        )
        self._start(replace(worker.share, attempt=worker.share.attempt + 1), num_deaths)
        return None


def called(index: int, tally: Tally) -> str:
    """Return what messages call an environment."""
    return f"environment {index} (seed {tally.env_seed})"


def error_of(failure: Failure, index: int, tally: Tally) -> BaseException:
    """Return the error that the failure of a share raises."""
    who, reason = called(index, tally), failure.reason
    if isinstance(reason, str):
        return WorkerDiedError(f"{who} failed after {tally.num_steps} steps:\n{reason}")
    if tally.num_steps and isinstance(reason, InputError):
        return InputError(f"{who}, after {tally.num_steps} steps: {reason}")
    return reason


def first_patience_s(patience_s: float) -> float:
    """Return how many seconds the first step of a process may take; 0 waits forever."""
    return max(patience_s, _START_S) if patience_s else 0.0


@contextlib.contextmanager
def _stop_signals_held_back() -> Iterator[None]:
    """Block Ctrl-C until a new process ignores it, as it would kill the process before that."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it later would unblock the signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
