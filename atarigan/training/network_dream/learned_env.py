"""What a dream takes over from the environment that a buffer's steps come from."""

from typing import Any, NamedTuple, Self

import gymnasium as gym
import numpy as np

from atarigan.config.condition import CODE, OBSERVATION, RAM
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.collection.agent_steps import find_spec
from atarigan.errors import InputError, one_line
from atarigan.models.dynamics.dream import refuse_module
from atarigan.models.network_dreams.action_inputs import ActionInputs
from atarigan.models.network_dreams.network_dream import NetworkDreamSettings
from atarigan.models.network_dreams.vector_transitions import Vectors

_LIMIT = "max_episode_steps"


class LearnedEnv(NamedTuple):
    """An environment, as far as a dream repeats it.

    Attributes:
        settings: of the dream.
        actions: its actions.
        low, high: bounds of its states, float32 (size,).
    """

    settings: NetworkDreamSettings
    actions: ActionInputs
    low: Vectors
    high: Vectors

    @classmethod
    def of(cls, buffer: FrameBuffer) -> Self:
        """Make the environment once, and look at its spaces.

        Raises:
            InputError: the buffer stores no vectors or does not name its environment, or that
                cannot be made or has other actions than discrete or continuous ones.
        """
        state, origin = buffer.meta.state, buffer.meta.origin
        if state is None or state.kind in (RAM, CODE):
            found = "no states" if state is None else state.title
            raise InputError(
                f"{buffer.path} must store states that are vectors of numbers, such as "
                f"observations, for a dream, not {found}"
            )
        if origin.env_id is None:
            raise InputError(f"{buffer.path} does not say which environment it comes from")
        refuse_module(origin.env_id)  # which would run code that only the buffer names
        kwargs = dict(origin.env_kwargs)
        max_steps = kwargs.pop(_LIMIT, None)
        spec, skip = find_spec(origin.env_id), max(1, origin.frame_skip)
        if max_steps is None and spec.max_episode_steps is not None:
            max_steps = -(-spec.max_episode_steps // skip)
        try:
            env: gym.Env[Any, Any] = gym.make(spec, disable_env_checker=True, **kwargs)
        except (gym.error.Error, ImportError, TypeError, RuntimeError) as error:
            raise InputError(
                f"environment {origin.env_id} cannot be made: {one_line(error)}"
            ) from None
        observations, space = env.observation_space, env.action_space
        env.close()
        actions = ActionInputs.of_space(space)
        high = np.full(state.size, np.inf, np.float32)
        low = -high
        if state.kind == OBSERVATION and isinstance(observations, gym.spaces.Box):
            low, high = (
                each.ravel().astype(np.float32) for each in (observations.low, observations.high)
            )
        settings = NetworkDreamSettings(
            env_id=origin.env_id,
            env_kwargs=dict(origin.env_kwargs),
            state=state,
            num_discrete=actions.num_discrete,
            first_action=actions.first,
            max_steps=max(0, max_steps or 0),
            frame_skip=skip,
        )
        return cls(settings, actions, low, high)
