"""Read from an environment which game it is and how its frames are taken."""

import math
import re
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import VectorEnv
from gymnasium.wrappers import AtariPreprocessing, MaxAndSkipObservation

from atarigan.data.provenance import Provenance, own_kwargs

_NUM_POOLED = 2  # by every wrapper below


def provenance_of(env: gym.Env[Any, Any]) -> Provenance:
    """Return the provenance of an environment's frames; unknown without a specification."""
    spec = env.unwrapped.spec
    if spec is None:
        return Provenance()
    skips = [*_wrapper_skips(env)]
    own_skip = spec.kwargs.get("frameskip", 1)  # ALE's; a range of numbers is unknown
    return Provenance(
        env_id=spec.id,
        env_kwargs=own_kwargs(spec.id, spec.kwargs),
        frame_skip=own_skip * math.prod(skips) if isinstance(own_skip, int) else 0,
        num_pooled=_NUM_POOLED if any(skip > 1 for skip in skips) else 1,
    )


def provenance_of_vector(envs: VectorEnv[Any, Any, Any]) -> Provenance:
    """Return the provenance of a vector environment's frames, as far as it tells."""
    inner = getattr(envs.unwrapped, "envs", None)  # SyncVectorEnv's
    if inner:
        return provenance_of(inner[0])
    return _of_spec(envs.unwrapped.spec or _remote_spec(envs.unwrapped))


def provenance_of_vec_env(venv: Any) -> Provenance:
    """Return the provenance of the frames of a stable-baselines3 VecEnv, as far as it tells."""
    inner = getattr(venv.unwrapped, "envs", None)  # DummyVecEnv's
    return provenance_of(inner[0]) if inner else _of_spec(_remote_spec(venv.unwrapped))


def _of_spec(spec: EnvSpec | None) -> Provenance:
    """Return what a specification tells. How frames are taken depends on unknown wrappers."""
    if spec is None:
        return Provenance()
    kwargs = {name: spec.kwargs[name] for name in spec.kwargs if name not in _VECTOR_KWARGS}
    return Provenance(spec.id, own_kwargs(spec.id, kwargs))


_PLAIN_WRAPPERS = {  # those that take no functions
    "AtariPreprocessing",
    "AtariWrapper",
    "ClipReward",
    "ClipRewardEnv",
    "EpisodicLifeEnv",
    "FireResetEnv",
    "FrameStackObservation",
    "GrayscaleObservation",
    "MaxAndSkipEnv",
    "MaxAndSkipObservation",
    "Monitor",
    "NoopResetEnv",
    "OrderEnforcing",
    "PassiveEnvChecker",
    "RamInfo",
    "RecordEpisodeStatistics",
    "ResizeObservation",
    "TimeLimit",
    "WarpFrame",
}
_VECTOR_KWARGS = ("num_envs", "vectorization_mode")


def _remote_spec(envs: Any) -> EnvSpec | None:
    """Return the specification of the first environment in another process.

    A process ends when it cannot pickle what it is asked for, as the functions that some wrappers
    take. So it is asked for its wrappers first, and of others only the id is known.
    """
    ask = getattr(envs, "env_method", None) or getattr(envs, "call", None)
    if ask is None:
        return None
    try:
        text = str(ask("__str__")[0])  # "<TimeLimit<OrderEnforcing<AtariEnv<ALE/Pong-v5>>>>"
        *wrappers, env_id = re.findall(r"[^<>]+", text)
        if set(wrappers[:-1]) <= _PLAIN_WRAPPERS:
            spec = envs.get_attr("spec")[0]
        else:
            spec = gym.registry.get(env_id)
    except Exception:  # whatever another process or a foreign vector environment raises
        return None
    return spec if isinstance(spec, EnvSpec) else None


def _wrapper_skips(env: gym.Env[Any, Any]) -> list[int]:
    """Return the frame skips of the wrappers around an environment that skip and pool frames."""
    skips = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, AtariPreprocessing):
            skips.append(env.frame_skip)
        elif isinstance(env, MaxAndSkipObservation) or _is_sb3_skip(env):
            skips.append(env._skip)  # type: ignore[attr-defined]  # neither tells it otherwise
        env = env.env
    return skips


def _is_sb3_skip(env: gym.Env[Any, Any]) -> bool:
    """Return whether it is stable-baselines3's MaxAndSkipEnv, which is not imported for this."""
    names = {f"{cls.__module__}.{cls.__name__}" for cls in type(env).__mro__}
    return "stable_baselines3.common.atari_wrappers.MaxAndSkipEnv" in names
