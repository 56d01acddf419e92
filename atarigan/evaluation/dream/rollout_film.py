"""A film of a roll-out: a dream next to the real game under the same actions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.dream.step_exactness import play_steps
from atarigan.evaluation.dream.unseen_steps import UnseenSteps
from atarigan.images.pixels import Frames
from atarigan.models.dream_frames import frames_of
from atarigan.models.dynamics.controls import joysticks_of
from atarigan.models.dynamics.dream import Dream
from atarigan.models.frame_generator import FrameGenerator
from atarigan.pictures import grids
from atarigan.pictures.animations import save_animation

_MOST_STEPS = 200
_PICTURES_PER_S = 15


@dataclass(frozen=True, eq=False)
class RolloutFilm:
    """The beginning of an episode, in the real game and in a dream.

    Attributes:
        real: RAM after each agent step, uint8 (T, bytes).
        dreamt: the same in the dream.
        joysticks: of the frames before, uint8 (T,).
        num_exact: agent steps before the first one that is not exact; T if all are.
        generator: draws both.
    """

    real: npt.NDArray[np.uint8]
    dreamt: npt.NDArray[np.uint8]
    joysticks: npt.NDArray[np.uint8]
    num_exact: int
    generator: FrameGenerator

    @classmethod
    def of(cls, dream: Dream, unseen: UnseenSteps, generator: FrameGenerator) -> "RolloutFilm":
        """Roll a dream out from the first episode's begin, for at most 200 agent steps."""
        num = min(_MOST_STEPS, int(unseen.episode_begins[1]))
        state, states, is_exact = unseen.frames.states[:1], [], []
        for step in range(num):
            state, exact = play_steps(
                dream.dynamics, unseen, np.array([step]), state, dream.settings.unread
            )
            states.append(state[0])
            is_exact.append(bool(exact[0]))
        num_exact = is_exact.index(False) if False in is_exact else num
        last = unseen.begins[1 : num + 1] - 1
        joysticks = joysticks_of(unseen.frames.inputs[last])
        return cls(
            unseen.frames.next_states[last], np.stack(states), joysticks, num_exact, generator
        )

    def write(self, path: Path) -> None:
        """Write the film as .mp4 or .gif."""
        save_animation(path, self.pictures(), _PICTURES_PER_S)

    def pictures(self) -> Iterator[Frames]:
        """Yield RGB pictures uint8 (H, W, 3): real on the left, the dream on the right."""
        to_rgb = self.generator.frame_format.to_rgb
        both = [
            to_rgb(frames_of(self.generator, rams, self.joysticks))
            for rams in (self.real, self.dreamt)
        ]
        scale = grids.scale_for(both[0].shape[1], both[0].shape[2], target=252)
        for number, frames in enumerate(zip(*both, strict=True)):
            title = "dream" if number < self.num_exact else "dream: differs"
            left, right = (grids.enlarged(frame, scale) for frame in frames)
            yield grids.side_by_side(left, right, ("real", title))
