"""PPO on the RAM of many games at once, with little work besides playing and learning.

The loop is Proximal Policy Optimization (Schulman et al. 2017, arXiv:1707.06347) with Generalized
Advantage Estimation (Schulman et al. 2016, arXiv:1506.02438), written for games that are played in
one call a step: N games play T steps, then the policy learns from the N * T samples. All of it is
tensors on one device.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

_LIMIT = 5.0  # of a normalized feature
_STRIDE = 8  # of steps whose features are counted: those next to one another are alike
_EPSILON = 1e-8


@dataclass(frozen=True)
class PpoSettings:
    """Hyper-parameters, named as in the paper where it names them.

    Attributes:
        horizon: T, steps of each game between two updates.
        num_epochs: how often an update sees each sample.
        num_minibatches: parts of an epoch, a gradient step each.
        learning_rate: of Adam, at the beginning; it falls linearly to 0.
        gamma: discount of a reward one step later.
        gae_lambda: lambda of the advantages.
        clip: epsilon, how far from 1 the ratio of probabilities is rewarded.
        value_weight: c1, weight of the squared error of values.
        entropy_weight: c2, weight of the entropy.
        max_norm: norm that gradients are clipped to.
        hidden: units of each of the two hidden layers.
    """

    horizon: int = 64
    num_epochs: int = 3
    num_minibatches: int = 16
    learning_rate: float = 1e-3
    gamma: float = 0.98
    gae_lambda: float = 0.9
    clip: float = 0.2
    value_weight: float = 0.5
    entropy_weight: float = 0.01
    max_norm: float = 0.5
    hidden: int = 64


class Rollout(NamedTuple):
    """T steps of N games.

    Attributes:
        features: what the policy saw, float32 (T, N, features).
        actions: int64 (T, N).
        log_probs: of the actions when they were drawn, float32 (T, N).
        values: float32 (T, N).
        rewards: -1, 0 or 1, float32 (T, N).
        ends: whether the episode ended with the step, bool (T, N).
        last_values: of the states after the last step, float32 (N,).
    """

    features: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    rewards: Tensor
    ends: Tensor
    last_values: Tensor


class Normalizer(nn.Module):
    """Brings each feature to mean 0 and variance 1 over all samples so far, and clamps it.

    Args:
        num: number of features.
    """

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, num: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num))
        self.register_buffer("variance", torch.ones(num))
        self.register_buffer("count", torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Normalize features, float32 (..., num)."""
        scaled = (features - self.mean) * (self.variance + _EPSILON).rsqrt()
        return scaled.clamp_(-_LIMIT, _LIMIT)

    def observe(self, features: Tensor) -> None:
        """Take samples (B, num) into the statistics (Chan et al. 1979, parallel variance)."""
        variance, mean = torch.var_mean(features, 0, correction=0)
        total = self.count + len(features)
        share, difference = len(features) / total, mean - self.mean
        self.mean += share * difference
        self.variance += share * (variance - self.variance)
        self.variance += share * (1 - share) * difference**2
        self.count.copy_(total)


class Policy(nn.Module):
    """An MLP that reads RAM and its change, and gives logits of actions and a value.

    Args:
        num_bytes: of RAM.
        num_actions: number of actions.
        hidden: units of each of the two hidden layers.
    """

    def __init__(self, num_bytes: int, num_actions: int, hidden: int) -> None:
        super().__init__()
        self.normalizer = Normalizer(2 * num_bytes)
        self.body = nn.Sequential(
            _linear(2 * num_bytes, hidden, gain=2**0.5),
            nn.ReLU(),
            _linear(hidden, hidden, gain=2**0.5),
            nn.ReLU(),
        )
        self.heads = _linear(hidden, num_actions + 1, gain=0.01)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, actions) and values (B,) of features float32 (B, 2 * bytes)."""
        outputs = self.heads(self.body(self.normalizer(features)))
        return outputs[:, :-1], outputs[:, -1]

    @torch.no_grad()
    def act(self, features: Tensor) -> Tensor:
        """Draw actions int64 (B,)."""
        return drawn(self(features)[0])


def _linear(num_inputs: int, num_outputs: int, gain: float) -> nn.Linear:
    """Return a layer with orthogonal weights and no bias at first."""
    layer = nn.Linear(num_inputs, num_outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer


def features_of(rams: Tensor, before: Tensor) -> Tensor:
    """Return RAM and its change since the step before, float32 (B, 2 * bytes), of uint8
    (B, bytes) each.
    """
    now = rams.float()
    return torch.cat([now, now - before.float()], 1)


def drawn(logits: Tensor) -> Tensor:
    """Draw actions int64 (B,) with logits (B, actions): the largest after Gumbel noise."""
    return (logits - torch.empty_like(logits).exponential_().log_()).argmax(1)


def advantages_of(rollout: Rollout, gamma: float, gae_lambda: float) -> Tensor:
    """Return the advantages (T, N) of Generalized Advantage Estimation (equation 16 of the paper),
    from the last step to the first. A truncated episode counts as ended.
    """
    advantages = torch.empty_like(rollout.values)
    following, next_values = torch.zeros_like(rollout.last_values), rollout.last_values
    goes_on = (~rollout.ends).to(rollout.values.dtype)
    for step in reversed(range(len(advantages))):
        values = rollout.values[step]
        delta = rollout.rewards[step] + gamma * goes_on[step] * next_values - values
        following = delta + gamma * gae_lambda * goes_on[step] * following
        advantages[step], next_values = following, values
    return advantages


class Samples(NamedTuple):
    """B samples of a rollout: as in `Rollout`, with one axis, and what is learned.

    Attributes:
        advantages: normalized, float32 (B,).
        returns: targets of values, float32 (B,).
    """

    features: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor


def loss_of(policy: Policy, samples: Samples, settings: PpoSettings) -> Tensor:
    """Return the negative of equation 9 of the paper, with the clipped objective of equation 7."""
    logits, values = policy(samples.features)
    log_probs = log_softmax(logits, 1)
    ratio = (log_probs.gather(1, samples.actions[:, None])[:, 0] - samples.log_probs).exp()
    clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
    objective = torch.minimum(ratio * samples.advantages, clipped * samples.advantages).mean()
    entropy = -(log_probs.exp() * log_probs).sum(1).mean()
    error = (values - samples.returns).square().mean()
    loss: Tensor = settings.value_weight * error - objective - settings.entropy_weight * entropy
    return loss


class Games(Protocol):
    """N games that show RAM, uint8 (N, bytes), as arrays or tensors, and begin a new episode in the
    step that ends one. Vector environments of Gymnasium with `AutoresetMode.SAME_STEP` are such.
    """

    def reset(self, *, seed: int) -> tuple[Any, Any]:
        """Begin an episode in all games; return RAM and infos."""

    def step(self, actions: npt.NDArray[np.int64]) -> tuple[Any, Any, Any, Any, Any]:
        """Play an agent step with actions (N,); return RAM, rewards (N,), whether the episode was
        terminated or truncated (N,), and infos.
        """


class Ppo:
    """Trains a policy in many games.

    Args:
        games: they are played.
        num_actions: of a game.
        settings: hyper-parameters.
        device: where the policy learns.
        seed: of weights, actions and games.

    Attributes:
        policy: what is trained.
    """

    def __init__(
        self,
        games: Games,
        num_actions: int,
        settings: PpoSettings,
        device: torch.device,
        seed: int,
    ) -> None:
        torch.manual_seed(seed)
        self._games, self._settings, self._device = games, settings, device
        self._rams = self._tensor(games.reset(seed=seed)[0])
        self._features = features_of(self._rams, self._rams)
        self.policy = Policy(self._rams.shape[1], num_actions, settings.hidden).to(device)
        self._optimizer = torch.optim.Adam(
            self.policy.parameters(), settings.learning_rate, eps=1e-5, fused=True
        )

    def train(self, num_steps: int) -> Iterator[int]:
        """Play and learn; yield the number of agent steps so far before each update, and at the
        end, when there were at least `num_steps`.
        """
        played = 0
        while played < num_steps:
            yield played
            self._set_learning_rate(1 - played / num_steps)
            rollout = self.collect()
            self.update(rollout)
            played += rollout.rewards.numel()
        yield played

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Play T steps."""
        steps = [self._step() for _ in range(self._settings.horizon)]
        last_values = self.policy(self._features)[1]
        columns = [torch.stack(column) for column in zip(*steps, strict=True)]
        return Rollout._make([*columns, last_values])

    def update(self, rollout: Rollout) -> None:
        """Learn from a rollout."""
        settings = self._settings
        advantages = advantages_of(rollout, settings.gamma, settings.gae_lambda)
        returns = advantages + rollout.values
        advantages = (advantages - advantages.mean()) / (advantages.std() + _EPSILON)
        arrays = (rollout.features, rollout.actions, rollout.log_probs, advantages, returns)
        samples = Samples(*(array.flatten(0, 1) for array in arrays))
        for _ in range(settings.num_epochs):
            order = torch.randperm(len(returns.flatten()), device=self._device)
            for rows in order.chunk(settings.num_minibatches):
                self._descend(Samples(*(array[rows] for array in samples)))
        self.policy.normalizer.observe(rollout.features[::_STRIDE].flatten(0, 1))

    def _descend(self, samples: Samples) -> None:
        loss = loss_of(self.policy, samples, self._settings)
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.policy.parameters(), self._settings.max_norm)
        self._optimizer.step()

    def _step(self) -> tuple[Tensor, ...]:
        """Play a step; return what a `Rollout` has of it."""
        features = self._features
        logits, values = self.policy(features)
        actions = drawn(logits)
        log_probs = log_softmax(logits, 1).gather(1, actions[:, None])[:, 0]
        rams, rewards, terminated, truncated, _ = self._games.step(actions.cpu().numpy())
        rams, ends = self._tensor(rams), self._tensor(terminated | truncated)
        before = torch.where(ends[:, None], rams, self._rams)
        self._rams, self._features = rams, features_of(rams, before)
        clipped = self._tensor(rewards).float().sign()
        return features, actions, log_probs, values, clipped, ends

    def _set_learning_rate(self, share: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = share * self._settings.learning_rate

    def _tensor(self, values: Any) -> Tensor:
        return torch.as_tensor(values, device=self._device)
