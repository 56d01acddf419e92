"""Worker process of a collection: play one environment and write its steps into a buffer."""

import contextlib
import ctypes
import multiprocessing
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol, Self

import cv2
import numpy as np

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import BufferMeta
from atarigan.data.buffer.ring import ring_number
from atarigan.data.buffer.writer import BufferWriter
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.policies import EpsilonMixture, policy_maker
from atarigan.data.collection.policy import Policy
from atarigan.data.collection.screen import read_frame
from atarigan.errors import InputError
from atarigan.images.layout import LayoutGuessWarning

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
LONGEST_EPISODE = 108_000  # agent steps; ALE has the same limit in emulator frames


class Tally(ctypes.Structure):
    """Progress of a share, in memory shared with the supervisor: the environment's seed (0 before
    it has one), agent steps, finished episodes, the sum of their returns, and seconds spent
    stepping.
    """

    env_seed: int
    num_steps: int
    num_episodes: int
    sum_of_returns: float
    elapsed_s: float
    _fields_ = [
        ("env_seed", ctypes.c_int64),
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


@dataclass(frozen=True)
class Share:
    """The part of a collection that one process does.

    Attributes:
        path: folder of the buffer; its metadata says what to collect.
        index: of the environment, from 0.
        num_steps: agent steps to collect.
        seed: of the collection.
        ring: folder of the ring to write into; None means any that is free. If another process
            takes it first, or it is full, another ring takes its place.
        reserved: folders of the rings of the other processes.
        overwrites: overwrite the oldest steps of a full ring, instead of claiming another one.
        attempt: number of processes that died while working on this share.
    """

    path: Path
    index: int
    num_steps: int
    seed: int
    ring: str | None = None
    reserved: frozenset[str] = frozenset()
    overwrites: bool = False
    attempt: int = 0


class OpenedBuffer(Protocol):
    """What a worker needs of a buffer; see `FrameBuffer`. Writers are closed on exit."""

    meta: BufferMeta

    def new_writer(
        self, name: str | None = None, reserved: Collection[str] = (), *, needs_room: bool = False
    ) -> BufferWriter: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


def seeds_of(seed: int, ring: str, first_step: int, attempt: int = 0) -> tuple[int, int]:
    """Return the seeds of an environment and of its policy, 32 bits each.

    Rings of a buffer have different numbers, also those of processes that start together, and the
    number of steps in a ring grows. So no two parts of a buffer have the same seeds.

    Args:
        seed: of the collection.
        ring: folder of the ring.
        first_step: steps that were ever committed to the ring.
        attempt: number of processes that died while working on the share.
    """
    key: tuple[int, ...] = (first_step, ring_number(ring))
    if first_step or attempt:  # a new ring keeps the seeds that earlier releases gave it
        key = (*key, attempt)
    env_seed, policy_seed = np.random.SeedSequence(seed, spawn_key=key).generate_state(2)
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
    outcome = outcome_of(share, signals)
    with contextlib.suppress(BrokenPipeError):
        connection.send(outcome)


def outcome_of(
    share: Share, signals: Signals, opened: Callable[[Path], OpenedBuffer] = FrameBuffer.open
) -> Failure | None:
    """Collect the share in a process of its own; return why it failed, or None."""
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore", LayoutGuessWarning)  # the command has printed it
    try:
        collect_share(share, signals, opened)
    except (InputError, OSError) as error:
        return Failure(error)
    except Exception:
        return Failure(traceback.format_exc())
    return None


def collect_share(
    share: Share, signals: Signals, opened: Callable[[Path], OpenedBuffer] = FrameBuffer.open
) -> Tally:
    """Play until the share is done or the process must stop.

    Committed steps stay in the buffer in any case. When a ring is full, the next one begins with an
    episode of its own. `opened` opens the buffer at a path.

    Raises:
        InputError: the buffer's origin cannot be collected from, or the environment misbehaves.
        OSError: the disk is full.
    """
    tally = signals.tally(share.index)
    with opened(share.path) as buffer, contextlib.closing(env_of(buffer.meta)) as env:
        while tally.num_steps < share.num_steps and not signals.must_stop:
            writer = buffer.new_writer(share.ring, share.reserved, needs_room=not share.overwrites)
            num_left = share.num_steps - tally.num_steps
            num_now = num_left if share.overwrites else min(num_left, writer.room)
            _play(env, writer, buffer.meta, share, tally.num_steps + num_now, signals)
            writer.close()
    return tally


def env_of(meta: BufferMeta) -> AgentSteps:
    """Make the environment that a buffer's frames come from.

    Raises:
        InputError: the buffer does not name it, or it cannot be made.
    """
    origin = meta.origin
    if origin.env_id is None or origin.frame_skip == 0:
        raise InputError("the buffer does not say which environment and frame skip it comes from")
    if origin.wrappers:
        raise InputError(
            "the buffer was captured through wrappers that collection does not make: "
            f"{', '.join(origin.wrappers)}"
        )
    return AgentSteps.of(origin)


def _policy_of(meta: BufferMeta, env: AgentSteps, rng: np.random.Generator) -> Policy:
    origin = meta.origin
    name = origin.policy or "random"
    policy = policy_maker(name, env, origin.policy_preprocessing, origin.policy_layout)(rng)
    if meta.origin.epsilon == 0:
        return policy
    return EpsilonMixture(
        policy, meta.origin.epsilon, env.action_space, rng, varies=meta.origin.vary_epsilon
    )


def _play(
    env: AgentSteps,
    writer: BufferWriter,
    meta: BufferMeta,
    share: Share,
    num_steps: int,
    signals: Signals,
) -> None:
    """Observe, act and write in a loop until the share's tally has `num_steps`."""
    seeds = seeds_of(share.seed, writer.folder_name, writer.num_committed, share.attempt)
    policy = _policy_of(meta, env, np.random.default_rng(seeds[1]))
    tally = signals.tally(share.index)
    tally.env_seed = seeds[0]
    writer.record_seeds(*seeds)
    env.reset(seeds[0])
    policy.begin_episode()
    screen, frame_format = env.screen, meta.frame_format
    began = time.monotonic() - tally.elapsed_s
    episode_return, episode_length = 0.0, 0
    while tally.num_steps < num_steps and not signals.must_stop:
        state = env.state(meta.state) if meta.state is not None else None
        if meta.stores_frames:
            writer.stage(state)[:] = read_frame(screen, frame_format)
        else:
            writer.stage_state(state)
        action = policy.act(screen)
        emulator = env.frame_player.state._asdict() if env.frame_player is not None else {}
        reward, terminated, truncated = env.step(action)
        if env.frame_player is not None:
            emulator["persisted"] = env.frame_player.num_persisted
        episode_return, episode_length = episode_return + reward, episode_length + 1
        truncated = truncated or (episode_length >= LONGEST_EPISODE and not terminated)
        writer.commit(action, reward, terminated, truncated, **emulator)
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
