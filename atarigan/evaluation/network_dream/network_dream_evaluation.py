"""The evaluation of a dream of vectors: how exact it is on a collection, as a report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atarigan.config.machine import package_versions
from atarigan.data.buffer.episodes import whole_episodes
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.provenance import Provenance, check_same_game
from atarigan.errors import InputError
from atarigan.evaluation.network_dream.vector_exactness import VectorExactness, rollout
from atarigan.images.pixels import Frames
from atarigan.models.network_dreams.network_dream import NetworkDream
from atarigan.models.network_dreams.network_dynamics import NetworkDynamics
from atarigan.models.network_dreams.vector_transitions import VectorTransitions
from atarigan.pictures import charts
from atarigan.pictures.page import Page

_MOST_PANELS = 12
_SHOWN_STEPS = 200


@dataclass(frozen=True, eq=False)
class NetworkDreamEvaluation:
    """The result of evaluating a dream of vectors.

    Attributes:
        name: name of the dream.
        exactness: how exact it is.
        picture: an episode, real and dreamt.
        facts: further facts of the result.
        warning: None.
    """

    name: str
    exactness: VectorExactness
    picture: Frames
    facts: dict[str, Any]
    warning: str | None = None

    @property
    def summary(self) -> str:
        """What was evaluated, in one line."""
        return (
            f"{self.exactness.num_steps:,} steps of {self.exactness.num_episodes:,} episodes of "
            f"{self.facts['data']}"
        )

    def table(self) -> str:
        """Return the figures as aligned text."""
        return self.exactness.table()

    def record(self) -> dict[str, Any]:
        """Return the content of metrics.json."""
        return {"exactness": self.exactness.record(), **self.facts}

    def write_page(self, path: Path) -> None:
        """Write the report as an HTML page."""
        page = Page(f"{self.name}, evaluated", self.summary)
        page.heading("Exactness", "Error of each number of the state, divided by its deviation.")
        page.table(self.exactness.heads(), self.exactness.rows())
        page.picture("An episode", self.picture, self.exactness.outcomes())
        page.write(path)


def evaluate_network_dream(dream: NetworkDream, name: str, data: str) -> NetworkDreamEvaluation:
    """Let a dream predict the whole episodes of a collection that it has not learned.

    Raises:
        InputError: the collection is missing or damaged, or of other states.
    """
    buffer = FrameBuffer.open(data)
    if buffer.meta.state != dream.settings.state:
        raise InputError(
            f"--data must store {dream.settings.state}, as the dream has it, and {data} stores "
            f"{buffer.meta.state or 'no states'}"
        )
    provenance = Provenance.of(buffer.meta)
    check_same_game(dream.settings.provenance, provenance, data, reads_state=True, allow="no flag")
    episodes = [
        VectorTransitions.of_episode(each, dream.actions)
        for each in whole_episodes(buffer).episodes
    ]
    exactness = VectorExactness.of(dream.dynamics, episodes, dream.dynamics.tables.scales)
    facts = {"run": str(dream.folder), "data": data, "versions": package_versions()}
    return NetworkDreamEvaluation(name, exactness, trajectory(dream.dynamics, episodes), facts)


def trajectory(dynamics: NetworkDynamics, episodes: list[VectorTransitions]) -> Frames:
    """Draw the longest of some episodes, and what the dream makes of its first state and its
    actions, RGB uint8 (H, W, 3).
    """
    longest = max(episodes, key=len)
    inputs = longest.inputs[: min(_SHOWN_STEPS, len(longest) - 1)]
    real = longest.states[: len(inputs) + 1]
    dreamt = np.concatenate([real[:1], rollout(dynamics, real[:1], inputs[None])[0]])
    panels = [
        (f"number {number}", real[:, number].astype(float), dreamt[:, number].astype(float))
        for number in range(min(_MOST_PANELS, real.shape[1]))
    ]
    return charts.trajectories(panels, "steps of an unseen episode", ("real", "dreamt"))
