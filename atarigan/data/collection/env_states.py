"""Which states an environment has to store."""

from atarigan.config.condition import OBSERVATION, RAM, RAM_AND_ACTION, is_state
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.states import StateSpec, found_in, usual_kind, vector_of
from atarigan.errors import InputError


def usual_state(env: AgentSteps) -> str:
    """Return the kind of state that is stored unless another is asked for: RAM, or else a vector
    observation, or else "none".
    """
    if env.screen.ram() is not None:
        return RAM
    return usual_kind(env.env.observation_space, shows_images=env.screen.is_observation)


def state_spec(env: AgentSteps, kind: str, env_id: str) -> StateSpec | None:
    """Describe an environment's states of a kind; None for "none". It may reset the environment.

    Raises:
        InputError: the environment has no such state.
    """
    if not is_state(kind):
        return None
    ram = env.screen.ram()
    if kind == RAM:
        if ram is None:
            raise InputError(f"--condition ram needs an ALE environment, not {env_id}")
        return StateSpec.of(RAM, len(ram))
    if kind == RAM_AND_ACTION:
        raise InputError(
            f"--condition {kind} is for training, on what collect stores with --condition ram"
        )
    if env.is_ale:
        raise InputError(
            f"--condition {kind} needs an environment that is not one of ALE's own, whose state is "
            "--condition ram"
        )
    if env.screen.is_observation and kind == OBSERVATION:
        raise InputError(
            "--condition observation needs observations that are vectors, and those of "
            f"{env_id} are the images that are learned"
        )
    env.reset(seed=0)
    return StateSpec.of(kind, len(vector_of(found_in(kind, *env.moment), kind)))
