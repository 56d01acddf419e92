"""One process of a collection: plays one environment and writes what happens into a buffer."""

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

from atarigan.errors import InputError
from atarigan.frames.agent_steps import AgentSteps
from atarigan.frames.buffer_meta import BufferMeta
from atarigan.frames.buffer_writer import BufferWriter
from atarigan.frames.frame_buffer import FrameBuffer
from atarigan.frames.policies import EpsilonMixture, Policy, policy_maker
from atarigan.frames.screen import read_frame

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOOK_EVERY_S = 0.02


class Signals:
    """What the processes of a collection tell one another, in memory that they share.

    Args:
        num_envs: how many processes there are besides the one that starts them.
    """

    def __init__(self, num_envs: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.RawValue(ctypes.c_bool, False)
        self._has_writer = context.RawArray(ctypes.c_bool, num_envs)

    @property
    def must_stop(self) -> bool:
        return self._stop.value

    def stop(self) -> None:
        """Ask every process to end after its step."""
        self._stop.value = True

    def took_writer(self, index: int) -> None:
        self._has_writer[index] = True

    def wait_for_writers(self) -> None:
        """Return once every process has a writer of its own, or must stop.

        Until then nobody may give a writer back: a late process would take it over, and its ring
        has no room for two shares.
        """
        while not (all(self._has_writer) or self.must_stop):
            time.sleep(_LOOK_EVERY_S)


@dataclass(frozen=True)
class Share:
    """What one process is to do.

    Attributes:
        path: the buffer, which says what is to be collected.
        index: of the environment, from 0.
        num_steps: agent steps.
        seed: the collection's.
        num_before: steps that were collected before, so that going on repeats no episode.
    """

    path: Path
    index: int
    num_steps: int
    seed: int
    num_before: int

    @property
    def seeds(self) -> tuple[int, int]:
        """Seeds of this environment and of its policy."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self.num_before, self.index))
        env_seed, policy_seed = sequence.generate_state(2)
        return int(env_seed), int(policy_seed)


@dataclass
class Tally:
    """What came of a share: episodes that ended, their returns, seconds spent stepping."""

    num_steps: int = 0
    num_episodes: int = 0
    sum_of_returns: float = 0.0
    elapsed_s: float = 0.0


@dataclass(frozen=True)
class Failure:
    """Why a share was not done: what the user can put right, or a defect's traceback."""

    reason: InputError | OSError | str


def run_collector(share: Share, signals: Signals, connection: Connection) -> None:
    """A process's main function: do the share, then send a `Tally` or a `Failure`.

    It ends soon after it is told to stop or the process that started it is gone.
    """
    for number in STOP_SIGNALS:  # they reach the parent too, which passes them on
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_stop_with_parent, args=(signals,), daemon=True).start()
    cv2.setNumThreads(1)
    outcome: Tally | Failure
    try:
        outcome = collect_share(share, signals)
    except (InputError, OSError) as error:
        outcome = Failure(error)
    except Exception:
        outcome = Failure(traceback.format_exc())
    with contextlib.suppress(BrokenPipeError):
        connection.send(outcome)


def collect_share(share: Share, signals: Signals) -> Tally:
    """Play until the share is done or the process must stop; what was committed stays in any case.

    Raises:
        InputError: the buffer's origin cannot be collected from.
        OSError: the disk is full.
    """
    with FrameBuffer.open(share.path) as buffer, contextlib.closing(env_of(buffer.meta)) as env:
        env_seed, policy_seed = share.seeds
        policy = _policy_of(buffer.meta, env, np.random.default_rng(policy_seed))
        writer = buffer.new_writer()
        signals.took_writer(share.index)
        env.reset(env_seed)
        policy.begin_episode()
        tally = _play(env, policy, writer, buffer.meta, share.num_steps, signals)
        signals.wait_for_writers()
        return tally


def env_of(meta: BufferMeta) -> AgentSteps:
    """The environment that a buffer's frames come from.

    Raises:
        InputError: it is not known, or cannot be made.
    """
    origin = meta.origin
    if origin.env_id is None or origin.frame_skip == 0:
        raise InputError("the buffer does not say which environment and frame skip it comes from")
    return AgentSteps(origin.env_id, origin.frame_skip, origin.max_pool, origin.env_kwargs)


def _policy_of(meta: BufferMeta, env: AgentSteps, rng: np.random.Generator) -> Policy:
    policy = policy_maker(meta.origin.policy or "random", env)(rng)
    if meta.origin.epsilon == 0:
        return policy
    return EpsilonMixture(policy, meta.origin.epsilon, env.action_space, rng)


def _play(
    env: AgentSteps,
    policy: Policy,
    writer: BufferWriter,
    meta: BufferMeta,
    num_steps: int,
    signals: Signals,
) -> Tally:
    """The loop: look, decide, do, write."""
    tally = Tally()
    screen, frame_format, stores_ram = env.screen, meta.frame_format, meta.ram_size > 0
    began = time.monotonic()
    episode_return = 0.0
    while tally.num_steps < num_steps and not signals.must_stop:
        ram = screen.ram() if stores_ram else None
        if meta.stores_frames:
            writer.stage(ram)[:] = read_frame(screen, frame_format)
        else:
            writer.stage_ram(ram)
        action = policy.act(screen)
        reward, terminated, truncated = env.step(action)
        writer.commit(action, reward, terminated, truncated)
        tally.num_steps += 1
        episode_return += reward
        if terminated or truncated:
            tally.num_episodes += 1
            tally.sum_of_returns += episode_return
            episode_return = 0.0
            env.reset()
            policy.begin_episode()
    tally.elapsed_s = time.monotonic() - began
    return tally


def _stop_with_parent(signals: Signals) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    signals.stop()
