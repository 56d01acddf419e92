"""A square that moves on a small screen, where its observation says."""

from typing import Any

import gymnasium as gym
import numpy as np

from atarigan import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.data.states import StateSpec

HEIGHT, WIDTH = 20, 24
ENV_ID = "tests.moving_square:Square-v0"
SPEC = StateSpec.of("observation", 3)


def picture(row: float, column: float, shade: int = 0) -> np.ndarray:
    """A square of 4x4 pixels with soft edges, over a floor of some shade, uint8 (H, W, 3)."""
    rows, columns = np.arange(HEIGHT)[:, None], np.arange(WIDTH)[None, :]
    inside = [np.clip(2.5 - abs(each), 0, 1) for each in (rows - row, columns - column)]
    levels = inside[0] * inside[1] * 200
    levels[-2:] = shade
    return np.repeat(np.round(levels)[:, :, None], 3, axis=2).astype(np.uint8)


class SquareEnv(gym.Env):
    """Observes row and column of the square and a constant; the action moves the square.

    info["spot"] is a dict of the same numbers. A `shade` of the floor, drawn for each episode, is
    nowhere in the state. `spoil` replaces the third number from the third step on.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012
    observation_space = gym.spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = gym.spaces.Discrete(4)
    num_rendered = 0

    def __init__(
        self,
        render_mode: str | None = None,
        length: int = 7,
        has_shade: bool = False,
        spoil: Any = None,
    ) -> None:
        self.render_mode = render_mode
        self._length, self._has_shade, self._spoil = length, has_shade, spoil

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._place = self.np_random.uniform([3, 3], [HEIGHT - 6, WIDTH - 4])
        self._shade = int(self.np_random.integers(60, 250)) if self._has_shade else 0
        self._age = 0
        return self._seen()

    def step(self, action: Any) -> Any:
        move = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])[action] * 1.3
        self._place = np.clip(self._place + move, [3, 3], [HEIGHT - 6, WIDTH - 4])
        self._age += 1
        observation, info = self._seen()
        return observation, 1.0, self._age >= self._length, False, info

    def render(self) -> Any:
        type(self).num_rendered += 1
        return picture(*self._place, self._shade)

    def _seen(self) -> Any:
        observation = np.array([*self._place, 5.0])
        if self._spoil is not None and self._age >= 3:
            observation = self._spoil(observation)
        return observation, {"spot": {"b": self._place[1], "a": self._place[0]}}


def square_env(**kwargs: Any) -> SquareEnv:
    return SquareEnv(**kwargs)


def not_a_number(observation: np.ndarray) -> np.ndarray:
    return np.array([*observation[:2], np.nan])


def longer(observation: np.ndarray) -> np.ndarray:
    return np.array([*observation, 1.0])


def write_squares(path: Any, num: int, *, has_shade: bool = False, seed: int = 0) -> FrameBuffer:
    """A buffer of episodes of 10 steps, of squares anywhere, gray."""
    rng = np.random.default_rng(seed)
    origin = Origin(env_id=ENV_ID, frame_skip=1)
    shape = (HEIGHT, WIDTH, 1)
    with FrameBuffer.create(path, num, shape, state=SPEC, origin=origin) as buffer:
        for number in range(num):
            if number % 10 == 0:
                shade = int(rng.integers(60, 250)) if has_shade else 0
            place = rng.uniform([3, 3], [HEIGHT - 6, WIDTH - 4])
            frame = picture(*place, shade)[:, :, :1]
            state = np.array([*place, 5.0], np.float32)
            buffer.add(frame, terminated=number % 10 == 9, state=state)
    return buffer


gym.register("Square-v0", square_env)
gym.register("Spoiled-v0", square_env, kwargs={"spoil": not_a_number})
gym.register("Longer-v0", square_env, kwargs={"spoil": longer})
