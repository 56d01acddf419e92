"""Collections killed at random moments: `python -m tests.killed_collection --kills 100`.

What each left is compared with the emulator, which plays the same from the same seed and actions.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from atarigan import collect
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.screen import read_frame
from atarigan.data.collection.worker import env_of, seeds_of

ROOT = Path(__file__).parents[1]
FLAGS = ("--env-id", "ALE/Breakout-v5", "--frame-format", "palette", "--frame-size", "native",
         "--num-steps", "1000000", "--num-envs", "1")  # fmt: skip
MAX_STEPS = 150
MAX_LOOKS = 300


@dataclass
class Killed:
    """What one kill left: the steps that there were before it, and those after it."""

    num_before: int
    num_after: int


def begin(path: Path, *flags: str) -> "subprocess.Popen[bytes]":
    """A collection in a session of its own, so that all its processes can be killed at once."""
    command = [sys.executable, "-m", "atarigan.collect", *FLAGS, "--out", str(path), *flags]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_early(path: Path, rng: Random) -> Killed:
    """Begin a collection and kill it while it makes its files."""
    process = begin(path)
    num_looks = rng.randint(0, MAX_LOOKS)
    while num_looks and num_collected(path) == 0:
        num_looks -= path.exists()
        check_alive(process)
    return killed(process, path, 0)


def kill_once(path: Path, rng: Random) -> Killed:
    """Begin a collection or go on with it, and kill it after some more steps."""
    has_begun = (path / "meta.json").exists()
    num_before = FrameBuffer.open(path).num_collected if has_begun else 0
    process = begin(path, *(["--append", "--overwrite-oldest"] if has_begun else []))
    num_steps = rng.randint(0, MAX_STEPS)
    while num_collected(path) <= num_before + num_steps:
        check_alive(process, 0.02)
    return killed(process, path, num_before)


def check_alive(process: "subprocess.Popen[bytes]", timeout_s: float = 0.0) -> None:
    """Raises RuntimeError if a collection ends, by itself, within this time."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout_s)
        raise RuntimeError(f"the collection ended with {process.returncode} before it was killed")


def killed(process: "subprocess.Popen[bytes]", path: Path, num_before: int) -> Killed:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return Killed(num_before, num_collected(path))


def num_collected(path: Path) -> int:
    return FrameBuffer.open(path).num_collected if (path / "meta.json").exists() else 0


def check_steps(path: Path, killed: Killed) -> None:
    """Raises AssertionError unless every step between is what the emulator does: the frame and the
    memory before the action, and the reward and the end of the episode after it.
    """
    if killed.num_after == 0:
        return
    buffer = FrameBuffer.open(path)
    assert buffer.num_writers <= 1
    assert len(buffer) == buffer.num_collected
    rows = np.arange(killed.num_before, killed.num_after)
    stored = {name: buffer.values_at(name, rows) for name in buffer.meta.columns}
    env_seed, _ = seeds_of(0, "writer-000", killed.num_before)
    env = env_of(buffer.meta)
    env.reset(env_seed)
    for row in range(len(rows)):
        check_step(env, buffer, {name: values[row] for name, values in stored.items()})
    env.close()
    if killed.num_before:
        last = np.array([killed.num_before - 1])
        is_over = buffer.values_at("terminations", last) | buffer.values_at("truncations", last)
        assert is_over.all() or killed.num_after == killed.num_before, "the episode goes on"


def check_step(env: AgentSteps, buffer: FrameBuffer, stored: dict[str, np.ndarray]) -> None:
    assert np.array_equal(stored["frames"], read_frame(env.screen, buffer.meta.frame_format))
    assert np.array_equal(stored["state"], env.screen.ram())
    reward, terminated, truncated = env.step(int(stored["actions"]))
    assert stored["rewards"] == reward
    assert stored["terminations"] == terminated
    if terminated or truncated:
        env.reset()


def survived(path: Path, num_kills: int, seed: int = 0) -> list[Killed]:
    """Kill so many collections: one in four while it begins a buffer, which another then fills up,
    the others in mid-run, into one buffer. What each left is replayed.
    """
    rng = Random(seed)
    kills = []
    for number in range(num_kills):
        if number % 4 == 3:
            fresh = path.with_name(f"{path.name}-{number}")
            kills.append(kill_early(fresh, rng))
            check_steps(fresh, kills[-1])
            check_begins(fresh, kills[-1].num_after)
        else:
            kills.append(kill_once(path, rng))
            check_steps(path, kills[-1])
    return kills


def check_begins(path: Path, num_before: int) -> None:
    """Raises AssertionError unless a collection can begin or go on where one was killed."""
    has_begun = (path / "meta.json").exists()
    flags = ["--append"] if has_begun else ["--num-envs", "1"]
    words = ["--num-steps", "3", "--out", str(path), *flags]
    assert collect.main(words) == 0
    assert num_collected(path) == num_before + 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kills = survived(Path(folder) / "buffer", flags.kills, flags.seed)
    num_steps = sum(killed.num_after - killed.num_before for killed in kills)
    num_early = sum(killed.num_after == killed.num_before for killed in kills)
    print(
        f"{len(kills)} of {flags.kills} kills survived, {num_early} of them before a first step; "
        f"{num_steps:,} steps replayed, all as they were stored"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
