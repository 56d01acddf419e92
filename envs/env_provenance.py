"""The provenance of an environment's frames, from its specification and wrappers."""

import math
import re
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import AtariPreprocessing, MaxAndSkipObservation

from atarigan.data.provenance import Provenance, nondefault_kwargs

_NUM_POOLED = 2  # by every wrapper that skips frames
_PLAIN_WRAPPERS = {  # their arguments can be pickled
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


def provenance_of(env: gym.Env[Any, Any]) -> Provenance:
    """Return the provenance of an environment's frames; unknown without a specification."""
    spec = env.unwrapped.spec
    if spec is None:
        return Provenance()
    skips = [*_wrapper_skips(env)]
    own_skip = spec.kwargs.get("frameskip", 1)  # ALE's; a range of numbers is unknown
    return Provenance(
        env_id=spec.id,
        env_kwargs=nondefault_kwargs(spec.id, spec.kwargs),
        frame_skip=own_skip * math.prod(skips) if isinstance(own_skip, int) else 0,
        num_pooled=_NUM_POOLED if any(skip > 1 for skip in skips) else 1,
    )


def provenance_of_vector(envs: Any) -> Provenance:
    """Return the provenance of the frames of a vector environment, of Gymnasium or
    stable-baselines3. How frames are taken is known only for sub-environments in this process.
    """
    base = envs.unwrapped
    inner = getattr(base, "envs", None)  # of SyncVectorEnv and DummyVecEnv
    if inner:
        return provenance_of(inner[0])
    spec = getattr(base, "spec", None) or _remote_spec(base)
    if spec is None:
        return Provenance()
    kwargs = {name: spec.kwargs[name] for name in spec.kwargs if name not in _VECTOR_KWARGS}
    return Provenance(spec.id, nondefault_kwargs(spec.id, kwargs))


def _remote_spec(envs: Any) -> EnvSpec | None:
    """Return the specification of the first environment in another process.

    A worker process dies if it cannot pickle its answer, such as a function that a wrapper takes as
    an argument. So it is asked for the names of its wrappers first, and for its specification only
    if all of them are known to be safe. Otherwise only the id is known.
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
            skips.append(env._skip)  # type: ignore[attr-defined]  # they have no public attribute
        env = env.env
    return skips


def _is_sb3_skip(env: gym.Env[Any, Any]) -> bool:
    """Return whether it is stable-baselines3's MaxAndSkipEnv, which is not imported for this."""
    names = {f"{cls.__module__}.{cls.__name__}" for cls in type(env).__mro__}
    return "stable_baselines3.common.atari_wrappers.MaxAndSkipEnv" in names
