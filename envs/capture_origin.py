"""The origin of captured frames, for the metadata of their buffer."""

import json
from dataclasses import replace
from typing import Any

import gymnasium as gym

from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.agent_steps import ALE_OWN_KWARGS
from atarigan.data.provenance import Provenance, nondefault_kwargs
from atarigan.errors import InputError

from .env_provenance import provenance_of, provenance_of_vector, remote_classes
from .game_steps import game_in, vector_wrappers, wrappers_around_game


def origin_of(env: gym.Env[Any, Any]) -> Origin:
    """Return the origin of an environment's frames, as far as it is known."""
    origin = _origin(provenance_of(env))
    spec = env.spec
    usual = None if spec is None else gym.registry.get(spec.id)
    if spec and (usual is None or usual.max_episode_steps != spec.max_episode_steps):
        limit = {"max_episode_steps": spec.max_episode_steps}
        origin = replace(origin, env_kwargs=origin.env_kwargs | limit)
    meanings = getattr(game_in(env).unwrapped, "get_action_meanings", tuple)
    names = [type(each).__name__ for each in wrappers_around_game(env)]
    return replace(origin, action_meanings=tuple(meanings()), wrappers=_listed(names))


def origin_of_vector(envs: Any) -> Origin:
    """Return the origin of the frames of a vector environment, of Gymnasium or stable-baselines3.

    ALE's AtariVectorEnv skips and pools frames itself; for others whose sub-environments are not in
    this process, frame skip and pooling are unknown.
    """
    base, names = envs.unwrapped, vector_wrappers(envs)
    origin = replace(_origin(provenance_of_vector(envs)), wrappers=_listed(names))
    inner = getattr(base, "envs", None)
    if inner:
        first = replace(origin_of(inner[0]), env_id=origin.env_id)
        return replace(first, wrappers=origin.wrappers + first.wrappers)
    if type(base).__name__ != "AtariVectorEnv":
        return replace(origin, wrappers=origin.wrappers + _listed(_remote_wrappers(base)))
    origin = replace(origin, wrappers=(*origin.wrappers, "AtariVectorEnv"))
    if base.spec is None:
        return origin
    return replace(
        origin,
        frame_skip=base.spec.kwargs.get("frameskip", 4),
        max_pool=base.spec.kwargs.get("maxpool", True),
    )


def check_same_origin(stored: Origin, found: Origin, path: object) -> None:
    """Check that frames of one origin may be added to a buffer of another.

    A buffer of unknown origin takes frames of any. Other unknown settings are not compared: a frame
    skip of 0 means that only the id is known.

    Raises:
        InputError: the ids, arguments, frame skips or poolings differ, or the buffer is of a known
            game and that of the frames is unknown.
    """
    if stored.env_id is None:
        return
    if found.env_id is None:
        raise InputError(
            f"{path} is for env_id {stored.env_id!r}, so it cannot go on with an environment whose "
            "spec is None, which does not tell its game: make it with gymnasium.make or "
            "gymnasium.make_vec, or capture into another folder"
        )
    env_id = stored.env_id.rpartition(":")[2]
    settings: dict[str, tuple[Any, Any]] = {"env_id": (env_id, found.env_id)}
    if stored.frame_skip and found.frame_skip:
        settings |= {
            "env_kwargs": (nondefault_kwargs(env_id, stored.env_kwargs), found.env_kwargs),
            "frame_skip": (stored.frame_skip, found.frame_skip),
            "max_pool": (stored.max_pool, found.max_pool),
        }
    for name, (expected, value) in settings.items():
        if value != expected:
            raise InputError(
                f"{path} is for {name} {expected!r}, so it cannot go on with {value!r}: "
                "capture into another folder"
            )


def _remote_wrappers(envs: Any) -> list[str]:
    """Return the wrappers of the first environment in another process, the outermost first."""
    classes = remote_classes(envs)
    if not classes:
        return []
    *wrappers, _, _ = classes[0]
    if "OrderEnforcing" in wrappers:  # `gymnasium.make` puts it around what it made
        return wrappers[: wrappers.index("OrderEnforcing")]
    return wrappers


def _listed(wrappers: list[str]) -> tuple[str, ...]:
    """Return the wrappers to name: a time limit is one of the arguments of the environment."""
    return tuple(name for name in wrappers if name != "TimeLimit")


def _origin(provenance: Provenance) -> Origin:
    env_kwargs = {
        name: json.loads(json.dumps(value))  # as the metadata will be read
        for name, value in provenance.env_kwargs.items()
        if name not in ALE_OWN_KWARGS and _is_json(value)
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
