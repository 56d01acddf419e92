"""Worker process of a collection: play one environment and write its steps into a buffer."""

import contextlib
import ctypes
import multiprocessing
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import BufferMeta
from atarigan.data.buffer.writer import BufferWriter
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.policies import EpsilonMixture, Policy, policy_maker
from atarigan.data.collection.screen import read_frame
from atarigan.errors import InputError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
LONGEST_EPISODE = 108_000  # agent steps; ALE has the same limit in emulator frames
_LOOK_EVERY_S = 0.02
_NO_WRITER = -1


class Tally(ctypes.Structure):
    """Progress of a share, in memory shared with the supervisor: agent steps, finished episodes,
    the sum of their returns, and seconds spent stepping.
    """

    num_steps: int
    num_episodes: int
    sum_of_returns: float
    elapsed_s: float
    _fields_ = [
        ("num_steps", ctypes.c_int64),
        ("num_episodes", ctypes.c_int64),
        ("sum_of_returns", ctypes.c_double),
        ("elapsed_s", ctypes.c_double),
    ]


class Signals:
    """Shared memory through which the processes of a collection communicate.

    Args:
        num_envs: number of worker processes.
    """

    def __init__(self, num_envs: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.RawValue(ctypes.c_bool, False)
        self._writers = context.RawArray(ctypes.c_int, [_NO_WRITER] * num_envs)
        self._tallies = context.RawArray(Tally, num_envs)

    @property
    def must_stop(self) -> bool:
        return self._stop.value

    def stop(self) -> None:
        """Ask every process to end after its step."""
        self._stop.value = True

    def tally(self, index: int) -> Tally:
        """Return the progress of an environment. Only its own process writes to it."""
        tally: Tally = self._tallies[index]
        return tally

    def took_writer(self, index: int, folder_name: str) -> None:
        self._writers[index] = int(folder_name.rpartition("-")[2])

    def writer_of(self, index: int) -> str | None:
        """Return the folder of an environment's writer, or None before it has one."""
        number = self._writers[index]
        return None if number == _NO_WRITER else f"writer-{number:03d}"

    def writers_of_others(self, index: int) -> set[str]:
        """Return the folders of the other environments' writers. They stay reserved between the
        death of a process and its restart.
        """
        others = (self.writer_of(other) for other in range(len(self._writers)) if other != index)
        return {name for name in others if name is not None}

    def wait_for_writers(self) -> None:
        """Wait until every process has its own writer, or must stop.

        Before that, no writer may be released: a process that starts late would claim it, and a
        ring has room for one share only.
        """
        while _NO_WRITER in self._writers[:] and not self.must_stop:
            time.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True)
class Share:
    """The part of a collection that one process does.

    Attributes:
        path: folder of the buffer; its metadata says what to collect.
        index: of the environment, from 0.
        num_steps: agent steps to collect.
        seed: of the collection.
        num_before: steps in the buffer at the start. It changes the seeds, so that a continued
            collection repeats no episode.
        attempt: number of processes that died while working on this share.
    """

    path: Path
    index: int
    num_steps: int
    seed: int
    num_before: int
    attempt: int = 0

    @property
    def seeds(self) -> tuple[int, int]:
        """Return the seeds of this environment and of its policy."""
        place = (self.num_before, self.index)
        key = (*place, self.attempt) if self.attempt else place
        sequence = np.random.SeedSequence(self.seed, spawn_key=key)
        env_seed, policy_seed = sequence.generate_state(2)
        return int(env_seed), int(policy_seed)


@dataclass(frozen=True)
class Failure:
    """Why a share failed: an error that the user can fix, or the traceback of a bug."""

    reason: InputError | OSError | str


def run_worker(share: Share, signals: Signals, connection: Connection) -> None:
    """Main function of a worker process: collect the share, then send None or a `Failure`.

    It ends soon after it is told to stop or its parent process dies.
    """
    for number in STOP_SIGNALS:  # the parent gets them too, and sets the stop flag
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_stop_with_parent, args=(signals,), daemon=True).start()
    cv2.setNumThreads(1)
    outcome: Failure | None = None
    try:
        collect_share(share, signals)
    except (InputError, OSError) as error:
        outcome = Failure(error)
    except Exception:
        outcome = Failure(traceback.format_exc())
    with contextlib.suppress(BrokenPipeError):
        connection.send(outcome)


def collect_share(share: Share, signals: Signals) -> Tally:
    """Play until the share is done or the process must stop.

    Committed steps stay in the buffer in any case. If a process died while working on the share,
    this one takes over its writer.

    Raises:
        InputError: the buffer's origin cannot be collected from, or the environment misbehaves.
        OSError: the disk is full.
    """
    with FrameBuffer.open(share.path) as buffer, contextlib.closing(env_of(buffer.meta)) as env:
        env_seed, policy_seed = share.seeds
        policy = _policy_of(buffer.meta, env, np.random.default_rng(policy_seed))
        taken = signals.writers_of_others(share.index)
        writer = buffer.new_writer(signals.writer_of(share.index), reserved=taken)
        signals.took_writer(share.index, writer.folder_name)
        env.reset(env_seed)
        policy.begin_episode()
        tally = signals.tally(share.index)
        _play(env, policy, writer, buffer.meta, share.num_steps, signals, tally)
        signals.wait_for_writers()
        return tally


def env_of(meta: BufferMeta) -> AgentSteps:
    """Make the environment that a buffer's frames come from.

    Raises:
        InputError: the buffer does not name it, or it cannot be made.
    """
    origin = meta.origin
    if origin.env_id is None or origin.frame_skip == 0:
        raise InputError("the buffer does not say which environment and frame skip it comes from")
    return AgentSteps(origin.env_id, origin.frame_skip, origin.max_pool, origin.env_kwargs)


def _policy_of(meta: BufferMeta, env: AgentSteps, rng: np.random.Generator) -> Policy:
    policy = policy_maker(meta.origin.policy or "random", env)(rng)
    if meta.origin.epsilon == 0:
        return policy
    return EpsilonMixture(
        policy, meta.origin.epsilon, env.action_space, rng, varies=meta.origin.vary_epsilon
    )


def _play(
    env: AgentSteps,
    policy: Policy,
    writer: BufferWriter,
    meta: BufferMeta,
    num_steps: int,
    signals: Signals,
    tally: Tally,
) -> None:
    """Observe, act and write in a loop until the tally has `num_steps`."""
    screen, frame_format, stores_ram = env.screen, meta.frame_format, meta.ram_size > 0
    began = time.monotonic() - tally.elapsed_s
    episode_return, episode_length = 0.0, 0
    while tally.num_steps < num_steps and not signals.must_stop:
        ram = screen.ram() if stores_ram else None
        if meta.stores_frames:
            writer.stage(ram)[:] = read_frame(screen, frame_format)
        else:
            writer.stage_ram(ram)
        action = policy.act(screen)
        reward, terminated, truncated = env.step(action)
        episode_return, episode_length = episode_return + reward, episode_length + 1
        truncated = truncated or (episode_length >= LONGEST_EPISODE and not terminated)
        writer.commit(action, reward, terminated, truncated)
        tally.num_steps += 1
        tally.elapsed_s = time.monotonic() - began
        if terminated or truncated:
            tally.num_episodes += 1
            tally.sum_of_returns += episode_return
            episode_return, episode_length = 0.0, 0
            env.reset()
            policy.begin_episode()


def _stop_with_parent(signals: Signals) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    signals.stop()
