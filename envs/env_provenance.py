"""The provenance of an environment's frames, from its specification, emulator and wrappers."""

import inspect
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import ale_py
import gymnasium as gym
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import AtariPreprocessing, MaxAndSkipObservation

from atarigan.data.ale_games import SETTINGS, ale_id
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
_VECTOR_KWARGS = ("num_envs", "vectorization_mode", "vector_kwargs", "wrappers")  # of make_vec


class _Made(NamedTuple):
    """How an environment was made: its Gymnasium id and its arguments."""

    env_id: str
    kwargs: dict[str, Any]


def provenance_of(env: gym.Env[Any, Any]) -> Provenance:
    """Return the provenance of an environment's frames.

    Without a specification, as of ALE's AtariEnv made without `gymnasium.make`, the emulator tells
    the game. Without an emulator, it is unknown.
    """
    base = env.unwrapped
    made = _made_by_gymnasium(base.spec) or _made_with_emulator(base)
    if made is None:
        return Provenance()
    skips = [*_wrapper_skips(env)]
    own_skip = made.kwargs.get("frameskip", 1)  # ALE's; a range of numbers is unknown
    return Provenance(
        env_id=made.env_id,
        env_kwargs=nondefault_kwargs(*made),
        frame_skip=own_skip * math.prod(skips) if isinstance(own_skip, int) else 0,
        num_pooled=_NUM_POOLED if any(skip > 1 for skip in skips) else 1,
    )


def provenance_of_vector(envs: Any) -> Provenance:
    """Return the provenance of the frames of a vector environment, of Gymnasium or
    stable-baselines3. How frames are taken is known only for sub-environments in this process.

    The id of a vector of several games names all of them, and so is that of none of them.
    """
    base = envs.unwrapped
    inner = getattr(base, "envs", None)  # of SyncVectorEnv and DummyVecEnv
    if inner:
        return _joined([provenance_of(each) for each in inner])
    made = _made_by_gymnasium(getattr(base, "spec", None))
    remote = [made] if made else _made_in_other_processes(base)
    return _joined(
        [
            Provenance() if made is None else Provenance(made.env_id, nondefault_kwargs(*made))
            for made in remote
        ]
    )


def remote_classes(envs: Any) -> list[list[str]]:
    """Return the classes of each environment in another process and of its wrappers, the outermost
    first, and then its id or the word "instance"; empty if they are not known.
    """
    ask = getattr(envs, "env_method", None) or getattr(envs, "call", None)
    if ask is None:
        return []
    try:
        texts = ask("__str__")  # "<TimeLimit<OrderEnforcing<AtariEnv<ALE/Pong-v5>>>>"
        return [re.findall(r"[^<> ]+", text) for text in texts]
    except Exception:  # whatever another process or a foreign vector environment raises
        return []


def _joined(provenances: list[Provenance]) -> Provenance:
    """Return the provenance of the first sub-environment, or for several games their names."""
    by_game = {each.game: each.title.rpartition("/")[2] for each in provenances}
    if len(by_game) <= 1:
        return provenances[0] if provenances else Provenance()
    return Provenance(" and ".join(sorted(by_game.values())))  # "Boxing-v5 and Pong-v5"


def _made_by_gymnasium(spec: EnvSpec | None) -> _Made | None:
    if not isinstance(spec, EnvSpec):
        return None
    kwargs = {name: spec.kwargs[name] for name in spec.kwargs if name not in _VECTOR_KWARGS}
    return _Made(spec.id, kwargs)


def _made_with_emulator(base: gym.Env[Any, Any]) -> _Made | None:
    """Ask the emulator of an environment what it plays; None without one."""
    ale = getattr(base, "ale", None)
    if not isinstance(ale, ale_py.ALEInterface) or not ale.getString("rom_file"):
        return None
    made = _made_directly(getattr(base, "_ezpickle_kwargs", {}))  # Gymnasium's record of arguments
    state = ale.cloneState()
    settings = dict(zip(SETTINGS, (state.getCurrentMode(), state.getDifficulty()), strict=True))
    # an own environment with an emulator may step it by any number of frames: 0 is unknown
    kwargs = {"frameskip": None, **(made.kwargs if made else {}), **settings}
    return _Made(ale_id(Path(ale.getString("rom_file")).stem), kwargs)


def _made_directly(arguments: dict[str, Any]) -> _Made | None:
    """Return how ALE's AtariEnv with these arguments is made by `gymnasium.make`.

    Arguments that have their default value are left out, except for the frame skip, and so are
    those that are None, which leaves them to ALE.
    """
    if "game" not in arguments:
        return None
    defaults = inspect.signature(ale_py.AtariEnv).parameters
    kwargs = {
        name: value
        for name, value in arguments.items()
        if name == "frameskip"
        or not (value is None or (name in defaults and defaults[name].default == value))
    }
    return _Made(ale_id(kwargs.pop("game", defaults["game"].default)), kwargs)


def _made_in_other_processes(envs: Any) -> list[_Made | None]:
    """Return how each environment in another process was made.

    A worker process dies if it cannot pickle its answer, such as a function that a wrapper takes as
    an argument. So it is asked for the names of its wrappers first, and for its specification only
    if all of them are known to be safe. Otherwise only the id is known.
    """
    classes = remote_classes(envs)
    if not classes:
        return []
    try:
        if all(names[-2:] == ["AtariEnv", "instance"] for names in classes):
            return [_made_directly(each) for each in envs.get_attr("_ezpickle_kwargs")]
        if all(set(names[:-2]) <= _PLAIN_WRAPPERS for names in classes):
            return [_made_by_gymnasium(spec) for spec in envs.get_attr("spec")]
    except Exception:  # whatever another process or a foreign vector environment raises
        return []
    return [_made_by_gymnasium(gym.registry.get(names[-1])) for names in classes]


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
