"""NetworkTrainer: fits the two networks of a dream to transitions."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.config.network_dream_config import NetworkDreamConfig
from atarigan.models.network_dreams.network_dynamics import (
    NUM_OUTCOMES,
    NetworkDynamics,
    NetworkTables,
)
from atarigan.models.network_dreams.vector_transitions import Vectors, VectorTransitions

_LEAST_RESIDUAL = 1e-6  # of a standard deviation: float32 rounds away what is smaller
_LEAST_SHARE = 1e-4  # of ends, in the bias that the end's logit begins with
Numbers = npt.NDArray[np.float64]


class NetworkTrainer:
    """Fits a linear model by least squares, and two networks by gradient descent: one to the
    changes that the linear model misses, one to ends and rewards.

    The second reads the next state that the first predicts. The true one is not stored where an
    episode ends, and an end often is a bound that the next state crosses.

    Args:
        data: transitions, of which at least one has a next state.
        low, high: bounds of the next state, float32 (size,).
        config: sizes, learning rate and seed.

    Attributes:
        num_updates: updates so far.
    """

    def __init__(
        self, data: VectorTransitions, low: Vectors, high: Vectors, config: NetworkDreamConfig
    ) -> None:
        self._bounds, self._config = (low, high), config
        states = data.states.astype(np.float64)
        self._means, self._scales = states.mean(0), _nonzero(states.std(0))
        standing, self._low, self._high = (
            (each - self._means) / self._scales for each in (states, low, high)
        )
        features = np.concatenate([standing, data.inputs], 1)
        linear = self._fit_linear(features, (data.next_states - states) / self._scales, data)
        self._rewards = np.array([_moments(data.rewards[data.ends == kind]) for kind in (0, 1)])
        means, deviations = self._rewards[data.ends.astype(int)].T
        self._features, self._linear_next = _tensor(features), _tensor(standing + linear)
        self._has_next, self._ends = torch.from_numpy(data.has_next.copy()), _tensor(data.ends)
        self._reward_targets = _tensor((data.rewards - means) / _nonzero(deviations))
        torch.manual_seed(config.seed)
        hidden, size = config.hidden_size, len(self._means)
        last = nn.Linear(hidden, NUM_OUTCOMES)
        self._change = _network(features.shape[1], hidden, nn.Linear(hidden, size))
        self._outcome = _network(features.shape[1] + size, hidden, last)
        share = min(max(float(data.ends.mean()), _LEAST_SHARE), 1 - _LEAST_SHARE)
        with torch.no_grad():
            last.bias[0] = math.log(share / (1 - share))
        weights = [*self._change.parameters(), *self._outcome.parameters()]
        self._optimizer = torch.optim.Adam(weights, config.learning_rate)
        self._rng = torch.Generator().manual_seed(config.seed)
        self.num_updates = 0

    def _fit_linear(self, features: Numbers, changes: Numbers, data: VectorTransitions) -> Numbers:
        """Fit the linear part, keep what it misses as targets, and return what it predicts."""
        known = data.has_next
        wide = np.concatenate([features, np.ones((len(features), 1))], 1)
        self._linear = np.linalg.lstsq(wide[known], changes[known], rcond=None)[0]
        predicted: Numbers = wide @ self._linear
        missed = changes - predicted
        deviations = missed[known].std(0)
        self._residuals = np.where(deviations > _LEAST_RESIDUAL, deviations, 0.0)
        self._targets = _tensor(missed * (self._residuals > 0) / _nonzero(self._residuals))
        self._residual_scales = _tensor(self._residuals)
        return predicted

    def update(self, progress: float) -> float:
        """Take a batch and update both networks; return the loss.

        Args:
            progress: share of the training that is over, 0 to 1. The learning rate follows half a
                cosine from its beginning to 0 (Loshchilov and Hutter 2017, arXiv:1608.03983,
                equation 5).
        """
        rate = self._config.learning_rate * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        rows = torch.randint(len(self._features), (self._config.batch_size,), generator=self._rng)
        loss = self._loss(rows)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self.num_updates += 1
        return float(loss.detach())

    def _loss(self, rows: Tensor) -> Tensor:
        features = self._features[rows]
        changes = self._change(features)
        has_next = self._has_next[rows].float()
        # Huber's loss: rare impacts, such as that of a foot on the ground, do not outweigh the rest
        errors = functional.smooth_l1_loss(changes, self._targets[rows], reduction="none").mean(1)
        change_loss = (errors * has_next).sum() / has_next.sum().clamp(min=1)
        following = self._linear_next[rows] + self._residual_scales * changes.detach()
        following = following.clamp(_tensor(self._low), _tensor(self._high))
        outcome = self._outcome(torch.cat([features, following], 1))
        ends = self._ends[rows]
        end_loss = functional.binary_cross_entropy_with_logits(outcome[:, 0], ends)
        reward = torch.where(ends > 0, outcome[:, 2], outcome[:, 1])
        reward_loss = functional.smooth_l1_loss(reward, self._reward_targets[rows])
        return change_loss + end_loss + reward_loss

    def dynamics(self) -> NetworkDynamics:
        """Return the networks as they are now."""
        layers = {
            f"{name}_{number}": _weights(network[2 * number])
            for name, network in (("change", self._change), ("outcome", self._outcome))
            for number in range(3)
        }
        tables = NetworkTables(
            means=self._means,
            scales=self._scales,
            low=self._bounds[0],
            high=self._bounds[1],
            linear=self._linear,
            residuals=self._residuals,
            rewards=self._rewards,
            **layers,
        )
        return NetworkDynamics(tables)


def _network(num_from: int, hidden: int, last: nn.Linear) -> nn.Sequential:
    """Return two hidden layers and a last one, whose outputs begin with 0."""
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Linear(num_from, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), last
    )


def _weights(layer: nn.Module) -> npt.NDArray[np.float32]:
    """Return the weights of a linear layer with its bias as the last row, (from + 1, to)."""
    assert isinstance(layer, nn.Linear)
    return torch.cat([layer.weight.detach().T, layer.bias.detach()[None]]).numpy().copy()


def _moments(values: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return mean and standard deviation; 0 for no values."""
    if not len(values):
        return 0.0, 0.0
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))


def _nonzero(scales: Numbers) -> Numbers:
    """Return scales to divide by: 1 in the place of 0."""
    return np.where(scales > 0, scales, 1.0)


def _tensor(array: npt.NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
