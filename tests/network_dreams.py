"""Small dreams of vectors, and buffers to learn them from."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from atarigan import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.data.states import StateSpec
from atarigan.models.network_dreams.action_inputs import ActionInputs
from atarigan.models.network_dreams.network_dream import (
    NetworkDream,
    NetworkDreamSettings,
    StateRanges,
)
from atarigan.models.network_dreams.network_dynamics import NetworkDynamics, NetworkTables


def random_tables(size: int, num_inputs: int, hidden: int = 8, seed: int = 0) -> NetworkTables:
    """Networks of random weights, of which some states end."""
    rng = np.random.default_rng(seed)

    def layer(num_from: int, num_to: int) -> np.ndarray:
        return rng.normal(size=(num_from + 1, num_to)).astype(np.float32)

    wide = size + num_inputs
    return NetworkTables(
        means=rng.normal(size=size),
        scales=1 + rng.random(size),
        low=np.full(size, -3, np.float32),
        high=np.full(size, 3, np.float32),
        linear=rng.normal(size=(wide + 1, size)) / 4,
        residuals=np.full(size, 0.3),
        rewards=np.array([[1.0, 0.5], [-2.0, 0.25]]),
        change_0=layer(wide, hidden),
        change_1=layer(hidden, hidden),
        change_2=layer(hidden, size),
        outcome_0=layer(wide + size, hidden),
        outcome_1=layer(hidden, hidden),
        outcome_2=layer(hidden, 3),
    )


def random_dream(space: gym.Space[Any] | None = None, max_steps: int = 12) -> NetworkDream:
    """A dream of random networks, of states of 3 numbers; of 3 discrete actions by default."""
    actions = ActionInputs.of_space(space or gym.spaces.Discrete(3, start=1))
    state = StateSpec.of("observation", 3)
    bound = np.full(3, 4, np.float32)
    ranges = StateRanges(
        starts=np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32),
        space_low=-bound,
        space_high=bound,
        seen_low=-bound / 2,
        seen_high=bound / 2,
    )
    tables = random_tables(3, actions.num_inputs)
    tables.outcome_2[-1, 0] += -3 if actions.num_discrete else 1.5  # some end, some are truncated
    settings = NetworkDreamSettings(
        "Toy-v0", {}, state, actions.num_discrete, actions.first, max_steps
    )
    return NetworkDream(settings, NetworkDynamics(tables), ranges, actions)


def collected(path: Path, env_id: str, num_steps: int, seed: int = 0, **kwargs: Any) -> Path:
    """Random steps of an environment of Gymnasium, without pictures."""
    env = gym.make(env_id, **kwargs)
    space = env.action_space
    is_box = isinstance(space, gym.spaces.Box)
    buffer = FrameBuffer.create(
        path,
        num_steps,
        (8, 8, 1),
        action_dtype="float32" if is_box else "int64",
        action_shape=space.shape if is_box else (),
        state=StateSpec.of("observation", env.observation_space.shape[0]),
        stores_frames=False,
        origin=Origin(env_id=env_id, env_kwargs=kwargs, frame_skip=1),
    )
    space.seed(seed)
    observation, _ = env.reset(seed=seed)
    with buffer:
        for _ in range(num_steps):
            action = space.sample()
            following, reward, terminated, truncated, _ = env.step(action)
            state = observation.astype(np.float32)
            buffer.add(None, action, float(reward), terminated, truncated, state)
            observation = env.reset()[0] if terminated or truncated else following
    return path
