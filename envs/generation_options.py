"""How a wrapper's observations are generated."""

from dataclasses import dataclass
from typing import Literal, get_args

from atarigan.errors import InputError, did_you_mean
from atarigan.models.latent_stream import Schedule

Mode = Literal["replace", "mix", "info"]


@dataclass(frozen=True)
class GenerationOptions:
    """How observations are generated; the wrappers take these as keyword arguments.

    Attributes:
        mode: "replace" gives generated observations; "mix" gives each frame generated with
            `probability` and real otherwise; "info" leaves the observation and puts the generated
            one in info["generated_observation"].
        probability: of a generated frame in mode "mix", 0 to 1.
        latent: a new one for each "step", one for each "episode", or a "walk" that drifts from step
            to step.
        walk_length: agent steps in which a walk forgets where it was (correlation 1/e), above 0.
        layout: the axes of image observations, as `ImageLayout.axes` has them; None reads them off
            the shape.

    Raises:
        InputError: a value outside these.
    """

    mode: Mode = "replace"
    probability: float = 0.5
    latent: Schedule = "step"
    walk_length: float = 50.0
    layout: str | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("mode", self.mode, get_args(Mode)),
            ("latent", self.latent, get_args(Schedule)),
        ):
            if value not in known:
                hint = did_you_mean(str(value), known)
                raise InputError(f"{name} must be one of the known ones, not {value!r}: {hint}")
        if not 0 <= self.probability <= 1:
            raise InputError(f"probability must be between 0 and 1, not {self.probability}")
        if not self.walk_length > 0:
            raise InputError(f"walk_length must be above 0 agent steps, not {self.walk_length}")
