"""The game that everything is measured on: as frames, a buffer, a generator, environments."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import torch
from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import SyncVectorEnv, VectorEnv
from gymnasium.wrappers import AtariPreprocessing

from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.collection.screen import AleScreen, read_frame
from atarigan.data.sample_spec import SampleSpec
from atarigan.images.pixels import FrameFormat
from atarigan.models.build import build_generator
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.model_config import ModelConfig
from benchmarks.emulator import FRAME_SKIP, Emulator
from benchmarks.measurement import Case

GRAY = FrameFormat("gray", 84, 84)
NATIVE = FrameFormat("rgb", 210, 160)
RAM_SIZE = 128
STATE_RECIPE = "atari"
_NUM_PLAYED = 500


def play(num_steps: int) -> list[dict[str, Any]]:
    """Agent steps of a random game, as `FrameBuffer.add` takes them: 84×84 gray frames and RAM."""
    emulator = Emulator(seed=0)
    screen = AleScreen(emulator.ale)
    steps = []
    for _ in range(num_steps):
        frame, ram = read_frame(screen, GRAY), emulator.ale.getRAM()
        action, reward, terminated = emulator.act()
        steps.append(
            {
                "frame": frame,
                "ram": ram,
                "action": action,
                "reward": reward,
                "terminated": terminated,
            }
        )
    return steps


def fill_buffer(path: Path, num_steps: int, *, stores_frames: bool = True) -> FrameBuffer:
    """A new buffer with that many agent steps.

    A short game is stored again and again: how fast bytes move does not depend on what they are.
    """
    steps = play(min(num_steps, _NUM_PLAYED))
    if not stores_frames:
        steps = [{**step, "frame": None} for step in steps]
    buffer = FrameBuffer.create(
        path, num_steps, GRAY.shape, ram_size=RAM_SIZE, stores_frames=stores_frames
    )
    for number in range(num_steps):
        buffer.add(**steps[number % len(steps)])
    buffer.close()
    return buffer


def untrained_generator(network: str, device: str) -> FrameGenerator:
    """A generator of that family, begun from real frames and not trained: as fast as a trained
    one.
    """
    spec = SampleSpec((1, GRAY.height, GRAY.width), GRAY)
    model = ModelConfig(RunConfig(network=network), spec)
    generator = build_generator(model)
    frames = np.stack([step["frame"] for step in play(64)])
    generator.fit(torch.from_numpy(frames))
    return FrameGenerator(model, generator, torch.device(device))


def state_generator(device: str) -> FrameGenerator:
    """The one that comes with atarigan, of the recipe atari: it reads memory."""
    return FrameGenerator.load("breakout", device)


def native_generator(device: str) -> FrameGenerator:
    """One of native RGB frames that reads RAM, fitted to played frames and not trained."""
    emulator = Emulator(seed=0)
    screen = AleScreen(emulator.ale)
    frames, rams = [], []
    for _ in range(64):
        frames.append(read_frame(screen, NATIVE))
        rams.append(emulator.ale.getRAM())
        emulator.act()
    spec = SampleSpec((3, NATIVE.height, NATIVE.width), NATIVE, (RAM_SIZE,))
    model = ModelConfig(RunConfig(network="profiles", condition="ram", latent_size=4), spec)
    generator = build_generator(model)
    states = torch.from_numpy(np.stack(rams))
    generator.fit_states(states)
    generator.fit(torch.from_numpy(np.stack(frames)), states)
    return FrameGenerator(model, generator, torch.device(device))


def bare_env() -> gym.Env[Any, Any]:
    """One environment with 84×84 gray observations. ALE skips frames, because the shipped generator
    learned single ones and `AtariPreprocessing` would pool two.
    """
    gym.register_envs(ale_py)
    return AtariPreprocessing(gym.make("ALE/Breakout-v5", frameskip=FRAME_SKIP), frame_skip=1)


def stepping(env: gym.Env[Any, Any]) -> Callable[[], None]:
    """A call that steps an environment with a random action."""
    env.reset(seed=0)
    env.action_space.seed(0)

    def step() -> None:
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()

    return step


def sync_vector(num_envs: int) -> SyncVectorEnv:
    """As many of them, one after another in this process."""
    return SyncVectorEnv([bare_env] * num_envs)


def vector_env(num_envs: int) -> AtariVectorEnv:
    """ALE's own vector environment: 84×84 gray, stacks of four."""
    return AtariVectorEnv("breakout", num_envs)


def bare_vector_case(num_envs: int) -> Case:
    """What ALE's vector environment makes on all cores."""
    name = f"AtariVectorEnv, {num_envs} environments"
    return Case(name, num_envs, vector_stepping(vector_env(num_envs)))


def vector_stepping(envs: VectorEnv[Any, Any, Any]) -> Callable[[], None]:
    """A call that steps every environment of a vector with random actions."""
    envs.reset(seed=0)
    envs.action_space.seed(0)
    actions = itertools.cycle([envs.action_space.sample() for _ in range(256)])

    def step() -> None:
        envs.step(next(actions))

    return step
