"""Where captured frames come from, as the metadata of their buffer say it."""

import json
from dataclasses import replace
from typing import Any

import gymnasium as gym
from gymnasium.vector import VectorEnv
from gymnasium.wrappers import TimeLimit

from atarigan.data.buffer.meta import Origin
from atarigan.data.provenance import Provenance, own_kwargs
from atarigan.errors import InputError

from .game_steps import game_in, wrappers_around_game
from .provenance_of import provenance_of, provenance_of_vec_env, provenance_of_vector

_OF_THE_PICTURE = ("frameskip", "obs_type", "render_mode")  # `collect` leaves them out, too


def origin_of(env: gym.Env[Any, Any]) -> Origin:
    """Return where the frames of an environment come from, as far as it tells."""
    origin = _origin(provenance_of(env))
    spec = env.spec
    if spec is None or origin.env_id is None:
        return origin
    usual = gym.registry.get(spec.id)
    if usual is None or usual.max_episode_steps != spec.max_episode_steps:
        limit = {"max_episode_steps": spec.max_episode_steps}
        origin = replace(origin, env_kwargs=origin.env_kwargs | limit)
    wrappers = [each for each in wrappers_around_game(env) if not isinstance(each, TimeLimit)]
    meanings = getattr(game_in(env).unwrapped, "get_action_meanings", tuple)
    return replace(
        origin,
        action_meanings=tuple(meanings()),
        wrappers=tuple(type(each).__name__ for each in wrappers),
    )


def origin_of_vector(envs: VectorEnv[Any, Any, Any]) -> Origin:
    """Return where the frames of a vector environment come from whose environments are out of
    reach. ALE's AtariVectorEnv skips and pools frames itself; how others take them is unknown.
    """
    origin = _origin(provenance_of_vector(envs))
    spec = envs.unwrapped.spec
    if spec is None or type(envs.unwrapped).__name__ != "AtariVectorEnv":
        return origin
    return replace(
        origin,
        frame_skip=spec.kwargs.get("frameskip", 4),
        max_pool=spec.kwargs.get("maxpool", True),
        wrappers=("AtariVectorEnv",),
    )


def origin_of_vec_env(venv: Any) -> Origin:
    """Return where the frames of a stable-baselines3 VecEnv come from whose environments are out of
    reach. How they take frames is unknown.
    """
    return _origin(provenance_of_vec_env(venv))


def check_same_origin(stored: Origin, found: Origin, path: object) -> None:
    """Check that frames of one origin may follow those that a buffer is for.

    What either of them does not tell is not compared: a frame skip of 0 means that only the id is
    known.

    Raises:
        InputError: the ids, arguments, frame skips or poolings differ.
    """
    if stored.env_id is None or found.env_id is None:
        return
    env_id = stored.env_id.rpartition(":")[2]
    settings: dict[str, tuple[Any, Any]] = {"env_id": (env_id, found.env_id)}
    if stored.frame_skip and found.frame_skip:
        settings |= {
            "env_kwargs": (own_kwargs(env_id, stored.env_kwargs), found.env_kwargs),
            "frame_skip": (stored.frame_skip, found.frame_skip),
            "max_pool": (stored.max_pool, found.max_pool),
        }
    for name, (expected, value) in settings.items():
        if value != expected:
            raise InputError(
                f"{path} is for {name} {expected!r}, so it cannot go on with {value!r}: "
                "capture into another folder"
            )


def _origin(provenance: Provenance) -> Origin:
    env_kwargs = {
        name: json.loads(json.dumps(value))  # as the metadata will be read
        for name, value in provenance.env_kwargs.items()
        if name not in _OF_THE_PICTURE and _is_json(value)
    }
    return Origin(
        env_id=provenance.env_id,
        env_kwargs=env_kwargs,
        frame_skip=provenance.frame_skip,
        max_pool=provenance.num_pooled > 1,
    )


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
