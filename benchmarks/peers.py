"""Other projects' vector environments and buffers, where they are installed (`.[bench]`)."""

import importlib
import itertools
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from atarigan.data.buffer.frame_buffer import FrameBuffer
from benchmarks import breakout
from benchmarks.measurement import Case

_WRITTEN_ID = "env_breakoutatari2600_turbo_native:EnvBreakoutAtari2600TurboNative-v0"
_WRITTEN_GAME = "Breakout-Atari2600-v0"
TORCHRL = "torchrl, memory-mapped TensorDictReplayBuffer"


def installed(name: str) -> Any:
    """A peer's module, or None where it does not import, which is said on stderr."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # a wheel that does not fit this machine fails in its own way
        print(f"without {name}, which does not import here: {error}", file=sys.stderr)
        return None


def vector_cases(num_envs: int) -> list[Case]:
    """Vector environments of 84×84 gray stacks on all cores: ALE's own, and EnvPool's."""
    cases = [breakout.bare_vector_case(num_envs)]
    envpool = installed("envpool")
    if envpool is not None:
        envs = envpool.make("Breakout-v5", "gymnasium", num_envs=num_envs)
        cases.append(_stepping(f"EnvPool, {num_envs} environments", envs, num_envs))
    return cases


def one_thread_cases(num_envs: int) -> list[Case]:
    """Vector environments of 84×84 gray stacks on one core: EnvPool's Pong, and a Breakout that was
    written by hand.
    """
    cases = []
    envpool = installed("envpool")
    if envpool is not None:
        pong = envpool.make("Pong-v5", "gymnasium", num_envs=num_envs, num_threads=1)
        cases.append(_stepping(f"EnvPool, 1 thread, {num_envs} environments", pong, num_envs))
    written = installed("env_breakoutatari2600_turbo_native")
    if written is not None:
        envs = gymnasium.make_vec(_WRITTEN_ID, num_envs, game=_WRITTEN_GAME, num_threads=1)
        name = f"env-breakoutatari2600-turbo-native, 1 thread, {num_envs} environments"
        cases.append(_stepping(name, envs, num_envs))
    return cases


def _stepping(name: str, envs: Any, num_envs: int) -> Case:
    """Steps with actions that all games have; those that end are reset unless they reset
    themselves.
    """
    envs.reset()
    rng = np.random.default_rng(0)
    actions = itertools.cycle(rng.integers(4, size=(256, num_envs)).astype(np.int32))
    waits_for_reset = envs.metadata.get("autoreset_mode") is AutoresetMode.DISABLED

    def step() -> None:
        _, _, terminated, truncated, _ = envs.step(next(actions))
        ends = terminated | truncated
        if waits_for_reset and ends.any():
            envs.reset(options={"reset_mask": ends})

    return Case(name, num_envs, step)


def torchrl_buffer(buffer: FrameBuffer, batch_size: int, num_stack: int, folder: Path) -> Any:
    """torchrl's buffer on disk, as long as ours and full, with stacks; None where it is not
    installed.
    """
    torchrl, tensordict = installed("torchrl.data"), installed("tensordict")
    if torchrl is None or tensordict is None:
        return None
    storage = torchrl.LazyMemmapStorage(len(buffer), scratch_dir=folder)
    replay = torchrl.TensorDictReplayBuffer(storage=storage, batch_size=batch_size)
    batch = buffer.sample_transitions(batch_size, num_stack, seed=0)
    columns = {
        "observation": batch.frames[..., 0],
        "next_observation": batch.next_frames[..., 0],
        "action": batch.actions,
        "reward": batch.rewards,
        "terminated": batch.terminations,
    }
    rows = tensordict.TensorDict(
        {name: np.ascontiguousarray(column) for name, column in columns.items()},
        batch_size=[batch_size],
    )
    for start in range(0, len(buffer), batch_size):
        replay.extend(rows[: min(batch_size, len(buffer) - start)])
    return replay
