"""The options of the environments of a dream."""

import numbers
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, get_args

import numpy as np

from atarigan.data.collection.agent_steps import MAX_FRAME_SKIP
from atarigan.errors import InputError, did_you_mean, shown

from .vector_api import check_render_mode

ObsType = Literal["pixels", "ram", "both"]
StartKind = Literal["recorded", "drawn"]
_NO_LIMIT = 2**62


class DreamKwargs(TypedDict, total=False):
    """The keyword arguments that both environments have; `DreamOptions` describes them."""

    obs_type: ObsType | None
    stack_num: int
    frameskip: int | None
    repeat_action_probability: float | None
    max_num_frames_per_episode: int
    starts: StartKind
    noop_max: int
    reward_clipping: bool
    episodic_life: bool
    end_if_unseen: bool
    render_mode: str | None
    device: str
    allow_other_game: bool


@dataclass(frozen=True)
class DreamOptions:
    """How a dream is played and shown. Names are those of ALE's environments where these have them.

    Attributes:
        obs_type: "pixels" for drawn frames, "ram" for RAM, "both" for a Dict of both with these
            names; None for pixels where there is a generator, else RAM.
        stack_num: frames in an observation of pixels, at least 1: those of the last agent steps,
            oldest first, and zeros before an episode's first one, as in ALE's AtariVectorEnv.
        frameskip: emulator frames of an agent step, at least 1; None for the dream's own.
        repeat_action_probability: the probability of a sticky action in each emulator frame, from 0
            (off) to 1; None for the dream's own.
        max_num_frames_per_episode: emulator frames after which an episode is truncated, at least 1.
        starts: what episodes begin with: "recorded" for states that real episodes began with,
            "drawn" for states that the generator draws, from all of a game.
        noop_max: an episode begins with a random number of emulator frames without an action, 0
            (off) to this.
        reward_clipping: whether rewards become their sign, -1, 0 or 1. AtariVectorEnv does that
            unless it is told otherwise.
        episodic_life: whether a lost life ends an episode. The next reset begins a new game.
        end_if_unseen: whether an episode is truncated at a state that no real play reaches, which
            `info["is_unseen"]` tells. Nothing is, in a dream of an earlier version.
        render_mode: None or "rgb_array", which needs a generator. `gymnasium.make` takes "human"
            too.
        device: where a generator given by name is loaded, and where tensors of RAM are without a
            generator: "auto", "cpu" or "cuda".
        allow_other_game: whether the generator may have learned another game than the dream.

    Raises:
        InputError: a value is unknown or out of range.
    """

    obs_type: ObsType | None = None
    stack_num: int = 4
    frameskip: int | None = None
    repeat_action_probability: float | None = None
    max_num_frames_per_episode: int = 108_000
    starts: StartKind = "recorded"
    noop_max: int = 0
    reward_clipping: bool = False
    episodic_life: bool = False
    end_if_unseen: bool = False
    render_mode: str | None = None
    device: str = "auto"
    allow_other_game: bool = False

    def __post_init__(self) -> None:
        if self.obs_type is not None:
            _check_name("obs_type", self.obs_type, get_args(ObsType))
        _check_name("starts", self.starts, get_args(StartKind))
        for name in ("end_if_unseen", "reward_clipping", "episodic_life", "allow_other_game"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise InputError(f"{name} must be True or False, not {shown(getattr(self, name))}")
        check_whole("stack_num", self.stack_num, 1)
        if self.frameskip is not None:
            check_whole("frameskip", self.frameskip, 1, MAX_FRAME_SKIP)
        check_whole("max_num_frames_per_episode", self.max_num_frames_per_episode, 1)
        check_whole("noop_max", self.noop_max, 0, self.max_num_frames_per_episode - 1)
        chance = self.repeat_action_probability
        if chance is not None and not (isinstance(chance, numbers.Real) and 0 <= chance <= 1):
            raise InputError(f"repeat_action_probability must be from 0 to 1, not {chance!r}")
        check_render_mode(self.render_mode)


def _check_name(option: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        hint = did_you_mean(str(name), known)
        raise InputError(f"{option} must be a known name, not {name!r}: {hint}")


def check_whole(name: str, value: Any, least: int, most: int = _NO_LIMIT) -> None:
    """Raise InputError if a value is no whole number or out of range, ends included."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or not least <= value <= most:
        bounds = f"of at least {least}" if most == _NO_LIMIT else f"from {least} to {most}"
        raise InputError(f"{name} must be a whole number {bounds}, not {shown(value)}")
