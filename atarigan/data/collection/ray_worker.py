"""A task of a collection on a Ray cluster: play one share, on any node."""

import contextlib
import faulthandler
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from atarigan.config.extras import imported
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.writer import BufferWriter
from atarigan.data.collection.ray_coordinator import Begun
from atarigan.data.collection.streamed_buffer import ClaimedRing, Rows, StreamedBuffer
from atarigan.data.collection.supervisor import first_patience_s
from atarigan.data.collection.worker import (
    Failure,
    OpenedBuffer,
    Share,
    Signals,
    Tally,
    outcome_of,
)

_REPORT_EVERY_S = 0.5
_STDERR = 2  # its file descriptor


def play_share(
    share: Share, coordinator: Any, token: Path | None, patience_s: float, folder: Path
) -> Failure | None:
    """Play a share, or what another task left of it; return why it failed, or None.

    The steps are written here if this node shares the storage of the buffer, and else sent.

    Args:
        share: what to play.
        coordinator: handle of the `RayCoordinator`.
        token: a file in the buffer's folder; None sends the steps in any case.
        patience_s: seconds without a step after which this process ends, so that Ray starts the
            task again; 0 waits forever.
        folder: of the command, in which the task runs as well if this node has it: files of
            policies are often named from there.
    """
    ray = imported("ray", "ray")
    streams = token is None or not token.exists()
    began = ray.get(coordinator.begin.remote(share.index, _this_node(ray), streams))
    if not isinstance(began, Begun):
        failure: Failure | None = began
        return failure
    signals = Signals(1)
    tally = signals.tally(0)
    _copy(began.tally, tally)
    link = _Link(ray, coordinator, (share.index, began.attempt), tally)
    meta = began.meta

    def opened(path: Path) -> OpenedBuffer:
        return StreamedBuffer(meta, link) if streams else link.open_shared(path)

    with _in_folder(folder), _reporting(link, signals, patience_s):
        outcome = outcome_of(replace(share, index=0, attempt=began.attempt), signals, opened)
    link.report()
    return outcome


class _Link:
    """Calls the coordinator for one task. See `streamed_buffer.Receiver`."""

    def __init__(self, ray: Any, coordinator: Any, who: tuple[int, int], tally: Tally) -> None:
        self._ray = ray
        self._coordinator = coordinator
        self._who = who
        self._tally = tally
        self._unanswered: Any = None

    def report(self) -> bool:
        """Tell the progress; return whether the task must stop."""
        answer = self._coordinator.report.remote(*self._who, self._tally)
        return bool(self._ray.get(answer))

    def open_shared(self, path: Path) -> "_SharedBuffer":
        """Open a buffer on shared storage."""
        buffer = _SharedBuffer.open(path)
        buffer.tell = self.tell
        return buffer

    def tell(self, ring: ClaimedRing) -> None:
        """Tell which ring the task has claimed."""
        self.report()
        self._ray.get(self._coordinator.claimed.remote(*self._who, ring))

    def claim(self) -> ClaimedRing:
        ring: ClaimedRing = self._checked(self._coordinator.claim.remote(*self._who))
        return ring

    def extend(self, rows: Rows) -> None:
        self._wait()
        self._unanswered = self._coordinator.extend.remote(*self._who, rows, self._tally)

    def append_line(self, file_name: str, line: str) -> None:
        self._wait()
        self._unanswered = self._coordinator.append_line.remote(*self._who, file_name, line)

    def release(self) -> None:
        self._wait()
        self._ray.get(self._coordinator.release.remote(*self._who))

    def _wait(self) -> None:
        """Wait for the last call, so that one at most is on its way."""
        answer, self._unanswered = self._unanswered, None
        if answer is not None:
            self._checked(answer)

    def _checked(self, answer: Any) -> Any:
        found = self._ray.get(answer)
        if isinstance(found, Failure):
            raise RuntimeError(found.reason) if isinstance(found.reason, str) else found.reason
        return found


class _SharedBuffer(FrameBuffer):
    """A buffer that tells which rings it claims."""

    tell: Callable[[ClaimedRing], None]

    def new_writer(
        self, name: str | None = None, reserved: Collection[str] = (), *, needs_room: bool = False
    ) -> BufferWriter:
        writer = super().new_writer(name, reserved, needs_room=needs_room)
        folder = self.path / writer.folder_name
        self.tell(ClaimedRing(folder, writer.num_committed, writer.room))
        return writer


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    with contextlib.chdir(folder if folder.is_dir() else Path.cwd()):
        yield


@contextlib.contextmanager
def _reporting(link: _Link, signals: Signals, patience_s: float) -> Iterator[None]:
    """Report the progress now and then; end this process if there is none for too long."""
    is_done = threading.Event()
    thread = threading.Thread(target=_report, args=(link, signals, patience_s, is_done))
    thread.start()
    try:
        yield
    finally:
        is_done.set()
        thread.join()
        faulthandler.cancel_dump_traceback_later()


def _report(link: _Link, signals: Signals, patience_s: float, is_done: threading.Event) -> None:
    tally = signals.tally(0)
    num_steps, limit_s = tally.num_steps, first_patience_s(patience_s)
    _end_process_after(limit_s)
    while not is_done.wait(_REPORT_EVERY_S):
        if tally.num_steps != num_steps:
            num_steps = tally.num_steps
            _end_process_after(patience_s)
        try:
            if link.report():
                signals.stop()
        except Exception:  # the coordinator is gone, and with it the command
            signals.stop()


def _end_process_after(limit_s: float) -> None:
    """End this process in so many seconds, also if a thread holds the interpreter's lock."""
    if limit_s > 0:
        faulthandler.dump_traceback_later(limit_s, exit=True, file=_STDERR)


def living_nodes() -> set[str]:
    """Return what progress calls the nodes that the cluster has."""
    nodes = imported("ray", "ray").nodes()
    return {_name(each["NodeManagerAddress"], each["NodeID"]) for each in nodes if each["Alive"]}


def _this_node(ray: Any) -> str:
    return _name(ray.util.get_node_ip_address(), ray.get_runtime_context().get_node_id())


def _name(address: str, node_id: str) -> str:
    return f"{address}-{node_id[:6]}"


def _copy(source: Tally, target: Tally) -> None:
    for name, *_ in Tally._fields_:
        setattr(target, name, getattr(source, name))
