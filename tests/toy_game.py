"""A small game with everything that matters: a ball that bounces, and a paddle that is steered."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from atarigan import FrameBuffer

SIZE = 24
BALL, PADDLE = 200, 120  # gray levels


class ToyGame(gym.Env[np.ndarray, np.int64]):
    """Keep the ball from falling: observations uint8 (24, 24, 1), actions left, stay, right.

    The reward is 1 where the paddle meets the ball; the episode ends where it misses.

    Attributes:
        ram: the state, uint8 (3,): the ball's row and column, the paddle's column.
    """

    observation_space = gym.spaces.Box(0, 255, (SIZE, SIZE, 1), np.uint8)
    action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        columns = self.np_random.integers(1, SIZE - 6, 2)
        self.ram = np.array([2, *columns], np.uint8)
        self.speed = np.array([1, self.np_random.choice([-2, -1, 1, 2])])
        return self.frame(), {}

    def step(self, action: np.int64) -> Any:
        row, column, paddle = self.ram.astype(int)
        paddle = np.clip(paddle + 2 * (action - 1), 0, SIZE - 6)
        if not 0 < column + self.speed[1] < SIZE - 2:
            self.speed[1] *= -1
        is_hit = row + 2 == SIZE - 2 and self.speed[0] > 0 and paddle - 2 < column < paddle + 6
        if is_hit or row == 0:
            self.speed[0] *= -1
        row, column = np.array([row, column]) + self.speed
        self.ram = np.array([row, column, paddle], np.uint8)
        return self.frame(), float(is_hit), bool(row + 2 == SIZE), False, {}

    def frame(self) -> np.ndarray:
        row, column, paddle = self.ram
        frame = np.zeros((SIZE, SIZE, 1), np.uint8)
        frame[SIZE - 2 :, paddle : paddle + 6] = PADDLE
        frame[row : row + 2, column : column + 2] = BALL
        return frame


def play(path: Path, num_steps: int, seed: int) -> FrameBuffer:
    """A new buffer of frames and states of random play."""
    env = ToyGame()
    env.action_space.seed(seed)
    frame, _ = env.reset(seed=seed)
    with FrameBuffer.create(path, num_steps, (SIZE, SIZE, 1), ram_size=3) as buffer:
        for _ in range(num_steps):
            ram, action = env.ram, env.action_space.sample()
            next_frame, reward, terminated, _, _ = env.step(action)
            buffer.add(frame, action, reward, terminated, ram=ram)
            frame = env.reset()[0] if terminated else next_frame
    return FrameBuffer.open(path)
