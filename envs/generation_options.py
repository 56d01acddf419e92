"""The options that all generating wrappers share."""

from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from atarigan.errors import InputError, did_you_mean
from atarigan.models.latent_stream import Schedule

Mode = Literal["replace", "mix", "info"]
Render = Literal["agent", "beside"]


class GenerationKwargs(TypedDict, total=False):
    """The keyword arguments of the generating wrappers; `GenerationOptions` describes them."""

    probability: float
    latent: Schedule
    walk_length: float
    layout: str | None
    render: Render
    allow_other_game: bool


@dataclass(frozen=True)
class GenerationOptions:
    """How a wrapper generates and renders observations.

    Attributes:
        mode: "replace" returns generated observations. "mix" chooses for each frame: generated with
            `probability`, real otherwise. "info" returns the real observation and puts the
            generated one into info["generated_observation"].
        probability: the probability of a generated frame in mode "mix", from 0 to 1.
        latent: "step" draws a new latent for each step, "episode" one for each episode, and "walk"
            lets the latent drift from step to step.
        walk_length: agent steps after which a walk's correlation with its past has fallen to 1/e,
            above 0.
        layout: the axes of image observations, as in `ImageLayout.axes`; None asks the wrappers of
            the environment, as `atarigan.images.env_layout.layout_of_env` describes.
        render: "agent" renders what the agent sees; "beside" renders the environment's own picture
            on the left and the generated one on the right.
        allow_other_game: whether a generator of one game may be used on another. A generator that
            reads RAM then draws its game from RAM that means something else.

    Raises:
        InputError: a value is unknown or out of range.
    """

    mode: Mode = "replace"
    probability: float = 0.5
    latent: Schedule = "step"
    walk_length: float = 50.0
    layout: str | None = None
    render: Render = "agent"
    allow_other_game: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("mode", self.mode, get_args(Mode)),
            ("latent", self.latent, get_args(Schedule)),
            ("render", self.render, get_args(Render)),
        ):
            if value not in known:
                hint = did_you_mean(str(value), known)
                raise InputError(f"{name} must be a known name, not {value!r}: {hint}")
        if not 0 <= self.probability <= 1:
            raise InputError(f"probability must be between 0 and 1, not {self.probability}")
        if not self.walk_length > 0:
            raise InputError(f"walk_length must be above 0 agent steps, not {self.walk_length}")

    def check_render_mode(self, render_mode: str | None) -> None:
        """Raise InputError if `render` does not work in an environment with this render mode."""
        allowed = ("rgb_array",) if self.render == "beside" else ("rgb_array", None)
        if render_mode in allowed:
            return
        hints = {
            "human": "; to watch it, put HumanRendering of gymnasium.wrappers or "
            "gymnasium.wrappers.vector outside",
            "rgb_array_list": "; put gymnasium.wrappers.RenderCollection outside",
        }
        raise InputError(
            f"generated observations need render_mode {' or '.join(map(repr, allowed))} with "
            f"render={self.render!r}, not {render_mode!r}{hints.get(str(render_mode), '')}"
        )
