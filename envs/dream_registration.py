"""The environment atarigan/Dream-v0: a learned environment, of whichever family its model is."""

from pathlib import Path
from typing import Any

import gymnasium as gym

from atarigan.models import model_source
from atarigan.models.dynamics.dream import Dream
from atarigan.models.network_dreams.network_dream import NetworkDream

from .games_vector_env import GamesVectorEnv

AnyDream = Dream | NetworkDream | str | Path | None


def make_dream(model: AnyDream = None, generator: Any = None, **options: Any) -> gym.Env[Any, Any]:
    """Make atarigan/Dream-v0; the entry point for `gymnasium.make`.

    Args:
        model: a dream, its folder, the name of one that comes with the package, or
            "hf://USER/NAME".
        generator: draws its states; None takes the dream's own.
        options: of `NetworkDreamEnv` for a dream of vectors, else of `DreamEnv`.

    Raises:
        InputError: as for these two.
    """
    if _is_of_network(model):
        from .network_dream_env import NetworkDreamEnv

        return NetworkDreamEnv(model, generator, **options)  # type: ignore[arg-type]
    from .dream_env import DreamEnv

    return DreamEnv(model, generator, **options)  # type: ignore[arg-type]


def make_dream_vec(
    model: AnyDream = None, num_envs: int = 1, generator: Any = None, **options: Any
) -> GamesVectorEnv[Any]:
    """Make a vector of atarigan/Dream-v0; the entry point for `gymnasium.make_vec`.

    Args:
        model, generator: as for `make_dream`.
        num_envs: the number of sub-environments.
        options: of `NetworkDreamVectorEnv` for a dream of vectors, else of `DreamVectorEnv`.

    Raises:
        InputError: as for these two.
    """
    if _is_of_network(model):
        from .network_dream_vector_env import NetworkDreamVectorEnv

        return NetworkDreamVectorEnv(model, num_envs, generator, **options)  # type: ignore[arg-type]
    from .dream_vector_env import DreamVectorEnv

    return DreamVectorEnv(model, num_envs, generator, **options)  # type: ignore[arg-type]


def _is_of_network(model: Any) -> bool:
    if isinstance(model, (str, Path)):
        return model_source.is_network_dream(model)
    return isinstance(model, NetworkDream)


# gymnasium.make reads the render modes here, and adds HumanRendering for "human"
setattr(make_dream, "metadata", {"render_modes": ["rgb_array"], "render_fps": 30})  # noqa: B010
