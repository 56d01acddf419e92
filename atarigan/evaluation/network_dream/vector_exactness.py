"""How exact a model of vectors is on episodes that it has not learned."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.cli.text_table import aligned
from atarigan.models.dynamics.dynamics import TransitionModel
from atarigan.models.network_dreams.vector_transitions import VectorTransitions

HORIZONS = (1, 10, 100)
_MOST_ROLLOUTS = 20  # of each episode


@dataclass(frozen=True)
class VectorExactness:
    """What a model predicts for whole episodes.

    Attributes:
        num_episodes, num_steps: of the episodes.
        num_rollouts: roll-outs that are as long as each of `HORIZONS`.
        errors: for each horizon, the root mean square error of each number of the state after so
            many steps under the real actions, relative to its standard deviation; empty if no
            episode is that long.
        num_ends: steps with which an episode terminates.
        end_recall: share of them that the model finds; None without any.
        end_precision: share of the steps that end in the model which do in truth; None without any.
        reward_error: mean absolute error of the reward.
        reward_deviation: standard deviation of the reward.
    """

    num_episodes: int
    num_steps: int
    num_rollouts: tuple[int, ...]
    errors: tuple[tuple[float, ...], ...]
    num_ends: int
    end_recall: float | None
    end_precision: float | None
    reward_error: float
    reward_deviation: float

    @classmethod
    def of(
        cls,
        model: TransitionModel,
        episodes: Sequence[VectorTransitions],
        scales: npt.NDArray[np.float64],
    ) -> "VectorExactness":
        """Let a model predict episodes.

        Args:
            model: of the same sizes.
            episodes: at least one.
            scales: standard deviations of the state's numbers, above 0, (size,).
        """
        steps = VectorTransitions.concatenate(episodes)
        found = model.step(steps.states, steps.inputs)
        hits = int((found.ends & steps.ends).sum())
        num_ends, num_found = int(steps.ends.sum()), int(found.ends.sum())
        misses = [_misses(model, episodes, horizon) for horizon in HORIZONS]
        return cls(
            num_episodes=len(episodes),
            num_steps=len(steps),
            num_rollouts=tuple(map(len, misses)),
            errors=tuple(
                tuple((np.sqrt((each**2).mean(0)) / scales).tolist()) if len(each) else ()
                for each in misses
            ),
            num_ends=num_ends,
            end_recall=hits / num_ends if num_ends else None,
            end_precision=hits / num_found if num_found else None,
            reward_error=float(np.abs(found.rewards.astype(float) - steps.rewards).mean()),
            reward_deviation=float(steps.rewards.std(dtype=np.float64)),
        )

    def record(self) -> dict[str, Any]:
        """Return all figures, for JSON."""
        return asdict(self)

    def table(self) -> str:
        """Return the figures as aligned text."""
        return f"{aligned([self.heads(), *self.rows()], (0,))}\n\n{self.outcomes()}"

    def heads(self) -> tuple[str, ...]:
        """Return the heads of the columns of errors."""
        return ("error / deviation", *(f"{_steps(each)} ahead" for each in HORIZONS))

    def rows(self) -> list[tuple[str, ...]]:
        """Return the errors of each number of the state."""
        size = max(map(len, self.errors))
        columns = [each or (None,) * size for each in self.errors]
        return [
            (f"number {number}", *(_short(column[number]) for column in columns))
            for number in range(size)
        ]

    def outcomes(self) -> str:
        """Return the figures of ends and rewards in one line."""
        ends = (
            f"{self.num_ends:,} ends: recall {_short(self.end_recall)}, "
            f"precision {_short(self.end_precision)}"
        )
        reward = _short(self.reward_error), _short(self.reward_deviation)
        return f"{ends}; reward error {reward[0]} (deviation {reward[1]})"


def rollout(
    model: TransitionModel,
    states: npt.NDArray[np.float32],
    inputs: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Return the states of roll-outs from states (B, size) under inputs (B, T, inputs), float32
    (B, T, size). Ends are ignored.
    """
    found = np.empty((*inputs.shape[:2], states.shape[1]), np.float32)
    for step in range(inputs.shape[1]):
        states = model.step(states, np.ascontiguousarray(inputs[:, step])).states
        found[:, step] = states
    return found


def _misses(
    model: TransitionModel, episodes: Sequence[VectorTransitions], horizon: int
) -> npt.NDArray[np.float64]:
    """Return how far roll-outs of so many steps are from the real states, (rollouts, size)."""
    begins, inputs, ends = [], [], []
    for episode in episodes:
        num = len(episode) - horizon
        chosen = range(max(0, num)) if horizon == 1 else _spread(num)
        for begin in chosen:
            begins.append(episode.states[begin])
            inputs.append(episode.inputs[begin : begin + horizon])
            ends.append(episode.states[begin + horizon])
    if not begins:
        return np.zeros((0, episodes[0].states.shape[1]))
    found = rollout(model, np.stack(begins), np.stack(inputs))[:, -1]
    return np.asarray(found.astype(np.float64) - np.stack(ends))


def _spread(num: int) -> range:
    """Return some of the numbers below `num`, evenly spread."""
    return range(0, max(0, num), max(1, -(-num // _MOST_ROLLOUTS)))


def _steps(num: int) -> str:
    return "1 step" if num == 1 else f"{num} steps"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
