"""A pixel policy in stable-baselines3's own format, that learns from labeled states."""

from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import PPO
from torch import Tensor

from atarigan.frames.model_policy import load_model
from atarigan.pixels import Frames

NUM_STACK = 4
SIDE = 84
_NUM_FEATURES = 96
_LARGEST_GRADIENT = 1.0
# How PPO would adjust its steps: functions, which it makes anew when it loads a file.
_NOT_SAVED = ("lr_schedule", "clip_range", "clip_range_vf")


class Student:
    """A PPO model with the network of Mnih et al. 2015 (NatureCNN), 96 features wide.

    Observations are the last four gray frames, uint8 (4, 84, 84), oldest first.

    Args:
        model: a PPO model of such observations with discrete actions.
        bf16: compute in bfloat16; weights stay float32.
    """

    def __init__(self, model: PPO, bf16: bool = False) -> None:
        self.model = model
        self._bf16 = bf16
        self._policy = model.policy
        self._optimizer = torch.optim.Adam(self._policy.parameters())

    @classmethod
    def new(cls, num_actions: int, seed: int, bf16: bool = False) -> Self:
        """One that knows nothing yet."""
        kwargs = {"features_extractor_kwargs": {"features_dim": _NUM_FEATURES}}
        model = PPO(
            "CnnPolicy",
            _Spaces(num_actions),
            n_steps=128,
            batch_size=128,
            policy_kwargs=kwargs,
            seed=seed,
            device="cpu",
        )
        return cls(model, bf16)

    @classmethod
    def load(cls, file: Path, optimizer: Path, bf16: bool = False) -> Self:
        """What `save` wrote. Raises InputError where a file is missing or is something else."""
        student = cls(load_model("PPO", file), bf16)
        state = torch.load(optimizer, weights_only=True)
        student._optimizer.load_state_dict(state)
        return student

    def save(self, file: Path, optimizer: Path | None = None) -> None:
        """Write the model, and beside it what the optimizer has gathered, if that is wanted; readers
        see the old files or the new ones.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f"new-{file.name}")
        self.model.save(temporary, exclude=_NOT_SAVED)
        temporary.replace(file)
        if optimizer is not None:
            temporary = optimizer.with_name(f"new-{optimizer.name}")
            torch.save(self._optimizer.state_dict(), temporary)
            temporary.replace(optimizer)

    @torch.no_grad()
    def actions(self, observations: Frames) -> npt.NDArray[np.int64]:
        """The likeliest action of each observation, (N,)."""
        likeliest: npt.NDArray[np.int64] = self._logits(observations).argmax(1).numpy()
        return likeliest

    def learn(
        self, observations: Frames, labels: npt.NDArray[np.int64], learning_rate: float
    ) -> tuple[float, float]:
        """One step of Adam on the cross-entropy; returns it, and the share of labels that were the
        likeliest action before the step.
        """
        logits, target = self._logits(observations), torch.from_numpy(labels)
        loss = torch.nn.functional.cross_entropy(logits, target)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._policy.parameters(), _LARGEST_GRADIENT)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        return loss.item(), float((logits.argmax(1) == target).float().mean())

    def _logits(self, observations: Frames) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            distribution: Any = self._policy.get_distribution(torch.from_numpy(observations))
        logits: Tensor = distribution.distribution.logits.float()
        return logits


class _Spaces(gym.Env[Frames, int]):
    """Says what observations and actions look like, and cannot be played."""

    def __init__(self, num_actions: int) -> None:
        self.observation_space = gym.spaces.Box(0, 255, (NUM_STACK, SIDE, SIDE), np.uint8)
        self.action_space = gym.spaces.Discrete(num_actions)  # type: ignore[assignment]
