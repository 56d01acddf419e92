"""Collection: several processes, an environment each, fill one buffer."""

import contextlib
import math
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from atarigan.cores import num_cores
from atarigan.errors import InputError
from atarigan.frames.collector import (
    STOP_SIGNALS,
    Failure,
    Share,
    Signals,
    Tally,
    run_collector,
)
from atarigan.frames.frame_buffer import FrameBuffer

_LOOK_EVERY_S = 0.1
_MOST_ENVS = 8
_FEWEST_STEPS_PER_ENV = 1000


class CollectorDiedError(RuntimeError):
    """A collecting process was killed, or ended by a defect whose traceback the message holds."""


@dataclass(frozen=True)
class CollectionSummary:
    """What a collection did.

    Attributes:
        num_steps: agent steps stored by it.
        num_episodes: of those, whole episodes.
        mean_return: of these episodes, NaN where there is none.
        elapsed_s: seconds of stepping, the processes' start left out.
    """

    num_steps: int
    num_episodes: int
    mean_return: float
    elapsed_s: float


def default_num_envs(num_steps: int) -> int:
    """A process for each core at hand, while there are enough steps to be worth its start."""
    return max(1, min(num_cores(), _MOST_ENVS, num_steps // _FEWEST_STEPS_PER_ENV))


def collect(
    buffer: FrameBuffer,
    num_steps: int,
    *,
    num_envs: int = 1,
    report: Callable[[int], None] = lambda num_steps: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> CollectionSummary:
    """Play what the buffer's origin says, and add every agent step to the buffer.

    The processes are spawned: a script that calls this needs `if __name__ == "__main__":`.

    Args:
        buffer: made by `new_buffer.create_buffer`, empty or not; going on repeats no episode.
        num_steps: agent steps to add, at least 1, shared out evenly.
        num_envs: processes, at least 1.
        report: told now and then how many steps were added.
        should_stop: asked as often; true ends the collection, and what was stored stays.

    Raises:
        InputError: a number out of range, or an origin that cannot be collected from.
        OSError: the disk is full.
        CollectorDiedError: a process was killed or failed.
    """
    if num_steps < 1 or num_envs < 1:
        raise InputError(
            f"num_steps and num_envs must be at least 1, not {num_steps} and {num_envs}"
        )
    num_before = buffer.num_collected
    shares = [
        Share(buffer.path, index, share, buffer.meta.origin.seed or 0, num_before)
        for index, share in enumerate(_even_shares(num_steps, num_envs))
        if share
    ]
    signals = Signals(len(shares))
    tallies: list[Tally] = []
    failures: list[BaseException] = []
    with _started(shares, signals) as running:
        while running:
            for connection in wait(list(running), _LOOK_EVERY_S):
                assert isinstance(connection, Connection)
                outcome = _outcome(connection, *running.pop(connection))
                if isinstance(outcome, Tally):
                    tallies.append(outcome)
                else:
                    failures.append(outcome)
            if failures or should_stop():
                signals.stop()
            buffer.refresh()
            report(buffer.num_collected - num_before)
    if failures:
        raise failures[0]
    return _summary(tallies)


def _even_shares(num_steps: int, num_envs: int) -> list[int]:
    each, rest = divmod(num_steps, num_envs)
    return [each + (index < rest) for index in range(num_envs)]


_Running = dict[Connection, tuple[Share, SpawnProcess]]


@contextlib.contextmanager
def _started(shares: list[Share], signals: Signals) -> Iterator[_Running]:
    """A process for each share, by the connection its outcome comes through; none outlives this."""
    context = multiprocessing.get_context("spawn")
    running: _Running = {}
    processes: list[SpawnProcess] = []
    try:
        for share in shares:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=run_collector, args=(share, signals, sender))
            with sender, _stop_signals_held_back():
                process.start()
            processes.append(process)
            running[receiver] = (share, process)
        yield running
    finally:
        for process in processes:
            if running:
                process.kill()
            process.join()


@contextlib.contextmanager
def _stop_signals_held_back() -> Iterator[None]:
    """Keep a Ctrl-C from killing a process that has not yet got to ignoring it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its own start would let the signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _outcome(
    connection: Connection, share: Share, process: SpawnProcess
) -> Tally | InputError | OSError | CollectorDiedError:
    who = f"environment {share.index} (seed {share.seeds[0]})"
    try:
        outcome = connection.recv()
    except EOFError:
        process.join()
        code = process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        return CollectorDiedError(f"the process of {who} {how}")
    finally:
        connection.close()
    if isinstance(outcome, Tally):
        return outcome
    assert isinstance(outcome, Failure)
    if isinstance(outcome.reason, str):
        return CollectorDiedError(f"{who} failed:\n{outcome.reason}")
    return outcome.reason


def _summary(tallies: list[Tally]) -> CollectionSummary:
    num_episodes = sum(tally.num_episodes for tally in tallies)
    sum_of_returns = sum(tally.sum_of_returns for tally in tallies)
    return CollectionSummary(
        num_steps=sum(tally.num_steps for tally in tallies),
        num_episodes=num_episodes,
        mean_return=sum_of_returns / num_episodes if num_episodes else math.nan,
        elapsed_s=max(tally.elapsed_s for tally in tallies),
    )
