"""Small stand-ins for generators, environments and policies."""

import os
import signal
from pathlib import Path
from typing import Any, Literal

import ale_py
import gymnasium as gym
import numpy as np
from gymnasium.wrappers import FlattenObservation

from atarigan.images.pixels import FrameFormat


class FakeGenerator:
    """A FrameGenerator whose frames show their latents as a horizontal ramp, a vertical ramp and a
    level.

    A frame does not depend on the rest of the batch. `batch_sizes` records the size of each
    `decode`.
    """

    latent_size = 3
    reads_ram = False

    def __init__(
        self,
        frame_format: FrameFormat | None = None,
        latent_distribution: Literal["normal", "uniform"] = "normal",
    ) -> None:
        self.frame_format = frame_format or FrameFormat("gray", 84, 84)
        self.latent_distribution = latent_distribution
        self.batch_sizes: list[int] = []

    def latents(self, num: int, seed: int | np.random.Generator | None = None) -> np.ndarray:
        rng = np.random.default_rng(seed)
        size = (num, self.latent_size)
        if self.latent_distribution == "normal":
            return rng.standard_normal(size, dtype=np.float32)
        return rng.random(size, dtype=np.float32) * 2 - 1

    def decode(self, latents: np.ndarray) -> np.ndarray:
        self.batch_sizes.append(len(latents))
        height, width, num_channels = self.frame_format.shape
        down = np.linspace(0, 1, height)[:, None, None]
        across = np.linspace(0, 1, width)[None, :, None]
        shift = np.arange(num_channels) * 0.1
        frames = [a * down + b * across + c + shift for a, b, c in latents]
        levels = np.asarray(frames).reshape(len(latents), height, width, num_channels)
        return (np.tanh(levels / 2) * 127 + 128).astype(np.uint8)


class StateGenerator(FakeGenerator):
    """A FakeGenerator that reads RAM and shows it in the first pixels of its frames.

    `states` records the RAM of each `decode`.
    """

    reads_ram = True

    def __init__(self, frame_format: FrameFormat | None = None) -> None:
        super().__init__(frame_format)
        self.states: list[np.ndarray] = []

    def decode(self, latents: np.ndarray, ram: np.ndarray | None = None) -> np.ndarray:
        assert ram is not None
        assert ram.dtype == np.uint8
        frames = super().decode(latents)
        self.states.append(ram)
        frames.reshape(len(frames), -1)[:, : ram.shape[1]] = ram
        return frames


class CountingEnv(gym.Env):
    """An environment that fills its observation with a number and adds 1 to it at each step.

    An episode lasts `length` steps. Its first number is drawn from the environment's random
    generator and is below 100. The reward is the sum of the action.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012

    def __init__(
        self,
        space: gym.Space[Any] | None = None,
        length: int = 5,
        render_mode: str | None = None,
        truncates: bool = False,
        action_space: gym.Space[Any] | None = None,
    ) -> None:
        self.observation_space = space or gym.spaces.Box(0, 255, (16, 12), np.uint8)
        self.action_space = action_space or gym.spaces.Discrete(4)
        self.render_mode = render_mode
        self.num_steps = 0
        self._length = length
        self._truncates = truncates

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.number = int(self.np_random.integers(100))
        self._age = 0
        return self._observation(), {}

    def step(self, action: Any) -> Any:
        self.num_steps += 1
        self.number += 1
        self._age += 1
        is_over = self._age >= self._length
        ends = (False, is_over) if self._truncates else (is_over, False)
        return self._observation(), float(np.sum(action)), *ends, {}

    def render(self) -> Any:
        return np.full((20, 30, 3), self.number, np.uint8)

    def _observation(self) -> Any:
        return np.full(self.observation_space.shape, self.number, self.observation_space.dtype)


class TripleEnv(CountingEnv):
    """A CountingEnv that observes its last three numbers, as three gray frames (3, 16, 12)."""

    def __init__(self) -> None:
        super().__init__(gym.spaces.Box(0, 255, (3, 16, 12), np.uint8))

    def _observation(self) -> Any:
        numbers = np.maximum(self.number - np.arange(3)[::-1], 0).astype(np.uint8)
        return np.broadcast_to(numbers[:, None, None], (3, 16, 12)).copy()


class ConsoleEnv(CountingEnv):
    """A CountingEnv with RAM, which holds the number and the age of the episode."""

    number = 0
    _age = 0

    @property
    def ale(self) -> Any:
        return self

    def getRAM(self) -> np.ndarray:  # noqa: N802
        ram = np.zeros(128, np.uint8)
        ram[:2] = self.number, self._age
        return ram


class StillEnv(CountingEnv):
    """An endless CountingEnv that always shows the same."""

    def __init__(self) -> None:
        super().__init__(length=10**12)

    def step(self, action: Any) -> Any:
        self.number -= 1
        return super().step(action)


class UnseenEnv(CountingEnv):
    """A CountingEnv without images: its observation is one number, and it does not render."""

    metadata = {"render_modes": []}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__(gym.spaces.Box(0, 1000, (1,), np.float32))


class MisbehavingEnv(CountingEnv):
    """A CountingEnv that misbehaves from its step number `at` on.

    `trouble` is "dies", "hangs", "shrinks" (returns a smaller image), "nan" or "infinite"
    (rewards). If `once` names a file, it misbehaves only until that file exists, and creates it.
    """

    def __init__(self, trouble: str, at: int = 7, once: str | None = None, **kwargs: Any) -> None:
        super().__init__(length=5, **kwargs)
        self._trouble, self._at = trouble, at
        self._once = None if once is None else Path(once)

    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)
        if self.num_steps < self._at or (self._once is not None and self._once.exists()):
            return observation, reward, *rest
        if self._once is not None:
            self._once.touch()
        if self._trouble == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._trouble == "hangs":
            signal.pause()
        if self._trouble == "shrinks":
            observation = observation[1:]
        return observation, {"nan": np.nan, "infinite": np.inf}.get(self._trouble, reward), *rest


class RenamedActionsEnv(gym.ActionWrapper):
    """Breakout with two actions: 0 goes to the left and 1 to the right."""

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.action_space = gym.spaces.Discrete(2)

    def action(self, action: int) -> int:
        return 3 - action


def inverted_breakout(**kwargs: Any) -> gym.Env:
    """Breakout whose colors a wrapper inverts."""
    env = gym.make("ALE/Breakout-v5", **kwargs)
    return gym.wrappers.TransformObservation(env, lambda frame: 255 - frame, None)


class Inverted(gym.ObservationWrapper):
    """Inverts images; an additional wrapper of a registration."""

    def observation(self, observation: np.ndarray) -> np.ndarray:
        return 255 - observation


def flat_env(**options: Any) -> gym.Env:
    return FlattenObservation(CountingEnv(gym.spaces.Box(0, 255, (40, 30), np.uint8), **options))


gym.register_envs(ale_py)
gym.register("InvertedBreakout-v0", inverted_breakout)
gym.register(
    "FurtherWrappedBreakout-v0",
    "ale_py.env:AtariEnv",
    kwargs={"game": "breakout", "frameskip": 4},
    additional_wrappers=(
        gym.envs.registration.WrapperSpec("Inverted", "tests.fakes:Inverted", {}),
    ),
)
gym.register(
    "TwoActions-v0",
    lambda **kwargs: RenamedActionsEnv(gym.make("ALE/Breakout-v5", **kwargs)),
)
gym.register(
    "ShortPong-v0",
    "ale_py.env:AtariEnv",
    kwargs={"game": "pong", "frameskip": 4},
    max_episode_steps=30,
)
# Other processes make these environments by an id such as "tests.fakes:Counting-v0".
gym.register("Counting-v0", CountingEnv)
gym.register("Still-v0", StillEnv)
gym.register("Triple-v0", TripleEnv)
gym.register("Unseen-v0", UnseenEnv)
gym.register("Flat-v0", flat_env)
gym.register("Misbehaving-v0", MisbehavingEnv)
gym.register("Endless-v0", CountingEnv, kwargs={"length": 10**12})
gym.register(
    "Rendering-v0", CountingEnv, kwargs={"space": gym.spaces.Box(0, 1000, (1,), np.float32)}
)
gym.register(
    "Steering-v0", CountingEnv, kwargs={"action_space": gym.spaces.Box(-1, 1, (3,), np.float32)}
)
gym.register(
    "ManySwitches-v0", CountingEnv, kwargs={"action_space": gym.spaces.MultiDiscrete([3, 2])}
)
gym.register(
    "NamedActions-v0",
    CountingEnv,
    kwargs={"action_space": gym.spaces.Dict(a=gym.spaces.Discrete(2))},
)


def brightness_policy(frame: Any, ram: Any, action_space: Any, rng: np.random.Generator) -> int:
    """Choose the action by the brightness of the frame's first pixel."""
    return int(frame[0, 0, 0]) % 4


def silent_paddle(frame: Any, ram: Any, action_space: Any, rng: np.random.Generator) -> int:
    """Never launch the ball of Breakout."""
    return 0


def silent_policy(frame: Any, ram: Any, action_space: Any, rng: np.random.Generator) -> None:
    """Return None, which is not an action."""


def outside_policy(frame: Any, ram: Any, action_space: Any, rng: np.random.Generator) -> int:
    """Return an action outside the action space once in a while."""
    return 7 if rng.random() < 0.05 else 0


def failing_policy(frame: Any, ram: Any, action_space: Any, rng: np.random.Generator) -> int:
    """Raise once in a while, like a policy with a bug."""
    return 1 // int(rng.random() > 0.05)


def dying_policy(frame: Any, ram: Any, action_space: Any, rng: np.random.Generator) -> int:
    """Kill its own process once in a while."""
    if rng.random() < 0.05:
        os.kill(os.getpid(), signal.SIGKILL)
    return 0


def noise_frames(num, sample_shape):
    """Return frames of independent pixels for samples (C, H, W), a tensor uint8 (num, H, W, C)."""
    import torch  # not above: collecting processes import this module, and torch takes seconds

    channels, height, width = sample_shape
    return torch.randint(256, (num, height, width, channels), dtype=torch.uint8)


def untrained_policy(num_actions):
    """Return an untrained PPO model of stable-baselines3 for observations uint8 (4, 84, 84)."""
    return policy_for((4, 84, 84), gym.spaces.Discrete(num_actions))


def policy_for(shape, actions, algorithm=None, dtype=np.uint8, **options):
    """Return an untrained model, PPO by default, for image observations of a shape."""
    from stable_baselines3 import PPO

    class Spaces(gym.Env):
        observation_space = gym.spaces.Box(0, 255 if dtype == np.uint8 else 1, shape, dtype)
        action_space = actions

    sizes = {"features_extractor_kwargs": {"features_dim": 32}}
    if algorithm is None:
        algorithm, options = PPO, {"n_steps": 128, **options}
    return algorithm("CnnPolicy", Spaces(), policy_kwargs=sizes, seed=0, device="cpu", **options)
