"""Other projects' vector environments and buffers, where they are installed (`.[bench]`)."""

import importlib
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from atarigan.data.buffer.frame_buffer import FrameBuffer
from benchmarks import breakout
from benchmarks.measurement import Case

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
        envs.reset()
        rng = np.random.default_rng(0)
        actions = itertools.cycle(rng.integers(4, size=(256, num_envs)).astype(np.int32))
        name = f"EnvPool, {num_envs} environments"
        cases.append(Case(name, num_envs, lambda: envs.step(next(actions))))
    return cases


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
