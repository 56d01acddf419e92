"""A policy on pixels that learns from labeled states, as a stable-baselines3 model."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import PPO
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from atarigan.evaluation.policy.motion_profiles import MotionProfiles
from atarigan.files import atomic
from atarigan.images.layout import ImageLayout, layout_of_space
from atarigan.images.pixels import Frames

NUM_STACK, SIDE = 4, 84
_WIDTHS = (96, 128)
_MAX_GRADIENT_NORM = 1.0
_AUXILIARY_WEIGHT = 5.0
# Functions that PPO rebuilds on loading; saving them would pickle code.
_NOT_SAVED = ("lr_schedule", "clip_range", "clip_range_vf")

Features = npt.NDArray[np.float16]


class ClonedPolicy:
    """A PPO model that maps the last four gray frames, uint8 (4, 84, 84), oldest first, to actions
    by `MotionProfiles` and two layers.

    During training, an auxiliary head predicts the quantities behind the teacher's decision, such
    as the position of the ball, so that the layers represent small objects. The head is not saved.

    Args:
        num_actions: number of actions.
        num_targets: number of auxiliary targets.
        seed: seed of the weights.
    """

    def __init__(self, num_actions: int, num_targets: int, seed: int) -> None:
        kwargs = {
            "features_extractor_class": MotionProfiles,
            "features_extractor_kwargs": {"num_changes": 2, "num_bands": 4},
            "net_arch": {"pi": list(_WIDTHS), "vf": []},
            "activation_fn": nn.ReLU,
            "ortho_init": False,
        }
        env = _SpacesOnly(num_actions)
        self.model: Any = PPO("CnnPolicy", env, policy_kwargs=kwargs, seed=seed, device="cpu")
        self._policy: Any = self.model.policy
        self._auxiliary_head = nn.Linear(_WIDTHS[-1], num_targets)
        self._weights = [
            *self._policy.mlp_extractor.policy_net.parameters(),
            *self._policy.action_net.parameters(),
            *self._auxiliary_head.parameters(),
        ]
        self._optimizer = torch.optim.Adam(self._weights)

    @property
    def num_features(self) -> int:
        """Number of features of an observation."""
        return int(self._policy.features_extractor.features_dim)

    @property
    def layout(self) -> ImageLayout:
        """Layout of the observations."""
        layout = layout_of_space(self.model.observation_space)
        assert layout is not None
        return layout

    def fit(self, observations: Frames) -> None:
        """Standardize the features by observations uint8 (N, 4, 84, 84)."""
        self._policy.features_extractor.fit(torch.from_numpy(observations).float() / 255)

    @torch.no_grad()
    def features(self, observations: Frames) -> Features:
        """Compute features float16 (N, num_features) of observations uint8 (N, 4, 84, 84)."""
        features: Features = self._policy.extract_features(torch.from_numpy(observations)).half()
        return np.asarray(features)

    @torch.no_grad()
    def actions(self, features: Features) -> npt.NDArray[np.int64]:
        """Return the most probable action for each row of features, (N,)."""
        most_probable: npt.NDArray[np.int64] = self._forward(features)[0].argmax(1).numpy()
        return most_probable

    def learn(
        self,
        features: Features,
        labels: npt.NDArray[np.int64],
        targets: npt.NDArray[np.float32],
        learning_rate: float,
    ) -> tuple[float, float]:
        """Take one Adam step on cross-entropy + 5 · L1 loss of the auxiliary targets.

        Args:
            features: features of states, (B, num_features).
            labels: the teacher's actions, (B,).
            targets: auxiliary targets in about -2 … 2, (B, num_targets); NaN where unknown.
            learning_rate: learning rate of this step.

        Returns:
            The cross-entropy, and the share of labels that were the most probable action before
            the step.
        """
        logits, predicted = self._forward(features)
        actions, wanted = torch.from_numpy(labels), torch.from_numpy(targets)
        loss = cross_entropy(logits, actions)
        errors = torch.where(wanted.isnan(), 0.0, (predicted - wanted.nan_to_num()).abs())
        self._optimizer.zero_grad()
        (loss + _AUXILIARY_WEIGHT * errors.mean()).backward()
        nn.utils.clip_grad_norm_(self._weights, _MAX_GRADIENT_NORM)
        self._optimizer.param_groups[0]["lr"] = learning_rate
        self._optimizer.step()
        return loss.item(), float((logits.argmax(1) == actions).float().mean())

    def save(self, file: Path) -> None:
        """Write the model atomically."""
        with atomic.new_file(file) as temporary:
            self.model.save(temporary, exclude=_NOT_SAVED)

    def _forward(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return action logits and predicted auxiliary targets."""
        hidden = self._policy.mlp_extractor.forward_actor(torch.from_numpy(features).float())
        return self._policy.action_net(hidden), self._auxiliary_head(hidden)


class _SpacesOnly(gym.Env[Frames, int]):
    """An environment that defines spaces and cannot be stepped, as PPO needs one."""

    def __init__(self, num_actions: int) -> None:
        self.observation_space = gym.spaces.Box(0, 255, (NUM_STACK, SIDE, SIDE), np.uint8)
        self.action_space = gym.spaces.Discrete(num_actions)  # type: ignore[assignment]
