"""Provenance of frames, to compare the game that a generator learned with the one it is used on."""

import dataclasses
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from atarigan.data.ale_games import SETTINGS, default_settings
from atarigan.errors import InputError, one_line, shown
from atarigan.files import typed_json
from atarigan.images.pixels import FrameFormat

if TYPE_CHECKING:
    from atarigan.data.buffer.meta import BufferMeta

_NON_VISUAL_KWARGS = (
    frozenset(  # arguments of environments that do not change what a state looks like
        (
            "continuous",
            "continuous_action_threshold",
            "frameskip",
            "full_action_space",
            "game",
            "max_episode_steps",
            "max_num_frames_per_episode",
            "obs_type",
            "render_mode",
            "repeat_action_probability",
            "sound_obs",
        )
    )
)

_NOTE = "atarigan provenance: "  # JSON follows


@dataclass(frozen=True)
class Provenance:
    """The environment that frames come from, and how they were taken. Every field may be unknown.

    Attributes:
        env_id: Gymnasium id; None means unknown, and then nothing is compared.
        env_kwargs: further arguments of `gymnasium.make`, such as ALE's game mode.
        frame_skip: frames in each agent step; 0 means unknown.
        num_pooled: emulator frames of which a frame is the pixelwise maximum, 1 for none; 0 means
            unknown.
        frame_format: format in which the frames were stored; None means unknown.

    Raises:
        InputError: a number below 0.
    """

    env_id: str | None = None
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    frame_skip: int = 0
    num_pooled: int = 0
    frame_format: FrameFormat | None = None

    def __post_init__(self) -> None:
        for name in ("frame_skip", "num_pooled"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} must be at least 0, not {getattr(self, name)}")

    @classmethod
    def of(cls, meta: "BufferMeta") -> Self:
        """Return the provenance of a buffer's frames."""
        origin = meta.origin
        is_known = origin.frame_skip > 0
        pooled = origin.num_pooled if origin.max_pool else 1
        return cls(
            env_id=origin.env_id,
            env_kwargs=origin.env_kwargs,
            frame_skip=origin.frame_skip,
            num_pooled=pooled if is_known else 0,
            frame_format=meta.frame_format,
        )

    @classmethod
    def from_note(cls, note: str, where: object) -> Self:
        """Read the provenance from a note next to samples; unknown for other notes.

        Raises:
            InputError: the note is damaged.
        """
        if not note.startswith(_NOTE):
            return cls()
        try:
            data = json.loads(note.removeprefix(_NOTE))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where} has a damaged provenance: {one_line(error)}") from None
        return typed_json.from_dict(cls, data, f"the provenance in {where}")

    @property
    def note(self) -> str:
        """The provenance as one line, to be stored next to samples; empty if unknown."""
        return "" if self.env_id is None else _NOTE + _as_json(dataclasses.asdict(self))

    @property
    def game(self) -> str | None:
        """The name of the game in lower case, such as "spaceinvaders"; None if unknown."""
        return None if self.env_id is None else game_of(self.env_id, self.env_kwargs)

    @property
    def title(self) -> str:
        """The id for messages, and the argument that makes it another game."""
        game = self.env_kwargs.get("game")
        return str(self.env_id) if game is None else f"{self.env_id} with game {shown(game)}"

    def differences(self, other: "Provenance") -> Iterator[str]:
        """Yield a description of each setting that differs and is known on both sides."""
        names = self.env_kwargs.keys() | other.env_kwargs.keys()
        for name in sorted(names - _NON_VISUAL_KWARGS):
            ours, theirs = _setting(self, name), _setting(other, name)
            if ours != theirs:
                yield f"{name} {ours}, not {theirs}"
        for name in ("frame_skip", "num_pooled"):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours and theirs and ours != theirs:
                words = {"frame_skip": "frame skip", "num_pooled": "frames pooled"}[name]
                yield f"{words} {ours}, not {theirs}"


def check_same_game(
    trained: Provenance, used: Provenance, where: str, *, reads_state: bool, allow: str | None
) -> None:
    """Compare the game that a generator learned with the one that it is used on.

    For another game, this raises an error if the generator reads states, whose numbers mean
    something else in each game, and warns otherwise. For other settings of the same game, it warns.

    Args:
        trained: of the generator.
        used: of the environment or the buffer.
        where: what it is used on, for messages: "the environment".
        reads_state: whether the generator reads RAM or other states.
        allow: how to allow another game, for the message; None if the user allowed it.

    Raises:
        InputError: another game, the generator reads states, and the user did not allow it.
    """
    if trained.env_id is None or used.env_id is None:
        return
    if trained.game != used.game:
        if allow is None:
            return
        text = f"the generator learned {trained.title}, and {where} is of {used.title}"
        if reads_state:
            raise InputError(f"{text}: {allow} draws one game from the states of another")
        warnings.warn(f"{text}; {allow} silences this", stacklevel=3)
        return
    found = ", ".join(trained.differences(used))
    if found:
        warnings.warn(
            f"the generator learned {trained.title} with other settings than {where}: {found}",
            stacklevel=3,
        )


def game_of(env_id: str, env_kwargs: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Return the game of a Gymnasium id, in lower case: the same for all ids of one of ALE's games;
    for others, the id without its module, namespace and version. The argument "game" of
    `gymnasium.make` takes the place of the game of the id.
    """
    import gymnasium as gym  # not above: configurations are read without it

    name = env_id.rpartition(":")[2]
    spec = gym.registry.get(name)
    game = env_kwargs.get("game", spec.kwargs.get("game") if spec is not None else None)
    if not isinstance(game, str):
        stem = re.sub(r"-v\d+$", "", name.rpartition("/")[2])
        game = re.sub(r"(-ram)?(NoFrameskip|Deterministic)?$", "", stem)
    return game.replace("_", "").lower()


def nondefault_kwargs(env_id: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an environment that differ from those it is registered with, and from
    the mode and the difficulty in which ALE starts its game.
    """
    import gymnasium as gym

    spec = gym.registry.get(env_id.rpartition(":")[2])
    registered = {} if spec is None else spec.kwargs
    return {
        name: value
        for name, value in kwargs.items()
        if _as_json(value) not in _usual_values(game_of(env_id, kwargs), registered, name)
    }


def _usual_values(game: str, registered: dict[str, Any], name: str) -> tuple[str, ...]:
    """Return the values of an argument that change nothing."""
    if name in registered:
        return (_as_json(registered[name]),)
    if name in SETTINGS and (defaults := default_settings(game)):
        return (_as_json(None), _as_json(defaults[name]))
    return ()


def _setting(provenance: Provenance, name: str) -> str:
    value = provenance.env_kwargs.get(name)
    if value is None and name in SETTINGS:
        value = default_settings(provenance.game or "").get(name)
    return _as_json(value)


def _as_json(value: Any) -> str:
    """Return a value as JSON, in which tuples and lists are the same."""
    return json.dumps(value, sort_keys=True, default=str)
