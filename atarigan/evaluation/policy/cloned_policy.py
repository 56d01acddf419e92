"""A pixel policy in stable-baselines3's own format, that learns from labeled states."""

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
_LARGEST_GRADIENT = 1.0
_JUDGED_WEIGHT = 5.0
# How PPO would adjust its steps: functions, which it makes anew when it loads a file.
_NOT_SAVED = ("lr_schedule", "clip_range", "clip_range_vf")

Features = npt.NDArray[np.float16]


class ClonedPolicy:
    """A PPO model that sees the last four gray frames, uint8 (4, 84, 84), oldest first, through
    `MotionProfiles` and two layers.

    While it learns, the same layers must also tell what the teacher judged by, which draws their
    attention to what is small. It is not asked for, and not saved with the model, afterwards.

    Args:
        num_actions: how many there are.
        num_judged: numbers that the teacher judged by.
        seed: of the weights.
    """

    def __init__(self, num_actions: int, num_judged: int, seed: int) -> None:
        kwargs = {
            "features_extractor_class": MotionProfiles,
            "features_extractor_kwargs": {"num_changes": 2, "num_bands": 4},
            "net_arch": {"pi": list(_WIDTHS), "vf": []},
            "activation_fn": nn.ReLU,
            "ortho_init": False,
        }
        env = _Spaces(num_actions)
        self.model = PPO("CnnPolicy", env, policy_kwargs=kwargs, seed=seed, device="cpu")
        self._policy: Any = self.model.policy
        self._judge = nn.Linear(_WIDTHS[-1], num_judged)
        self._weights = [
            *self._policy.mlp_extractor.policy_net.parameters(),
            *self._policy.action_net.parameters(),
            *self._judge.parameters(),
        ]
        self._optimizer = torch.optim.Adam(self._weights)

    @property
    def num_features(self) -> int:
        """Of one observation."""
        return int(self._policy.features_extractor.features_dim)

    @property
    def layout(self) -> ImageLayout:
        """How its observations show frames."""
        layout = layout_of_space(self.model.observation_space)
        assert layout is not None
        return layout

    def fit(self, observations: Frames) -> None:
        """Standardize what it sees by observations uint8 (N, 4, 84, 84)."""
        self._policy.features_extractor.fit(torch.from_numpy(observations).float() / 255)

    @torch.no_grad()
    def features(self, observations: Frames) -> Features:
        """What it learns from: float16 (N, num_features) of uint8 (N, 4, 84, 84)."""
        features: Features = self._policy.extract_features(torch.from_numpy(observations)).half()
        return np.asarray(features)

    @torch.no_grad()
    def actions(self, features: Features) -> npt.NDArray[np.int64]:
        """The likeliest action for each row of features, (N,)."""
        likeliest: npt.NDArray[np.int64] = self._read(features)[0].argmax(1).numpy()
        return likeliest

    def learn(
        self,
        features: Features,
        labels: npt.NDArray[np.int64],
        judged: npt.NDArray[np.float32],
        learning_rate: float,
    ) -> tuple[float, float]:
        """One step of Adam on the cross-entropy and five times the mean distance of what was judged
        by.

        Args:
            features: of states, (B, num_features).
            labels: the action that is right in each, (B,).
            judged: what the teacher judged by, in about -2 … 2, (B, num_judged); not a number where
                there was nothing.
            learning_rate: of this step.

        Returns:
            the cross-entropy, and the share of labels that were the likeliest action before.
        """
        logits, told = self._read(features)
        right, wanted = torch.from_numpy(labels), torch.from_numpy(judged)
        loss = cross_entropy(logits, right)
        far = torch.where(wanted.isnan(), 0.0, (told - wanted.nan_to_num()).abs()).mean()
        self._optimizer.zero_grad()
        (loss + _JUDGED_WEIGHT * far).backward()
        nn.utils.clip_grad_norm_(self._weights, _LARGEST_GRADIENT)
        self._optimizer.param_groups[0]["lr"] = learning_rate
        self._optimizer.step()
        return loss.item(), float((logits.argmax(1) == right).float().mean())

    def save(self, file: Path) -> None:
        """Write the model; readers see the old file or the new one."""
        with atomic.new_file(file) as temporary:
            self.model.save(temporary, exclude=_NOT_SAVED)

    def _read(self, features: Features) -> tuple[Tensor, Tensor]:
        """Logits of actions, and what the teacher would judge by."""
        read = self._policy.mlp_extractor.forward_actor(torch.from_numpy(features).float())
        return self._policy.action_net(read), self._judge(read)


class _Spaces(gym.Env[Frames, int]):
    """Says what observations and actions look like, and cannot be played."""

    def __init__(self, num_actions: int) -> None:
        self.observation_space = gym.spaces.Box(0, 255, (NUM_STACK, SIDE, SIDE), np.uint8)
        self.action_space = gym.spaces.Discrete(num_actions)  # type: ignore[assignment]
