"""A pixel policy in stable-baselines3's own format, that learns from labeled states."""

from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import PPO
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, l1_loss

from atarigan.errors import InputError
from atarigan.frames.model_policy import load_model
from atarigan.pixels import Frames

NUM_STACK = 4
SIDE = 84
_NUM_FEATURES = 96
_LARGEST_GRADIENT = 1.0
_FIRST_GAIN = 3.0
_RIDGE = 0.05
_PART = 256
_HEADS_FASTER = 10
_FIT_RATE, _NUM_FIT_STEPS = 0.02, 300
# How PPO would adjust its steps: functions, which it makes anew when it loads a file.
_NOT_SAVED = ("lr_schedule", "clip_range", "clip_range_vf")


class Student:
    """A PPO model with the network of Mnih et al. 2015 (NatureCNN), 96 features wide.

    Observations are the last four gray frames, uint8 (4, 84, 84), oldest first.

    While it learns, its features must also tell places of what moves, which it is told of labeled
    states: what is one pixel large draws its attention sooner that way. They are not asked for, and
    not saved with the model, afterwards.

    Args:
        model: a PPO model of such observations with discrete actions.
        num_places: places that it is told of.
        bf16: compute in bfloat16; weights stay float32.
    """

    def __init__(self, model: PPO, num_places: int, bf16: bool = False) -> None:
        self.model = model
        self._bf16 = bf16
        self._policy = model.policy
        self._places = nn.Linear(_NUM_FEATURES, num_places)
        heads = [*self._policy.action_net.parameters(), *self._places.parameters()]
        body = [*self._policy.features_extractor.parameters()]
        self._optimizer = torch.optim.Adam([{"params": body}, {"params": heads}])

    @classmethod
    def new(cls, num_actions: int, num_places: int, seed: int, bf16: bool = False) -> Self:
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
        extractor: Any = model.policy.features_extractor
        _attend_to_changes(extractor.cnn[0].weight)
        return cls(model, num_places, bf16)

    @classmethod
    def load(cls, file: Path, learner: Path, num_places: int, bf16: bool = False) -> Self:
        """What `save` wrote. Raises InputError where a file is missing or is something else."""
        if not file.is_file():
            raise InputError(f"{file} does not exist")
        student = cls(load_model("PPO", file), num_places, bf16)
        try:
            state = torch.load(learner, weights_only=True)
            student._optimizer.load_state_dict(state["optimizer"])
            student._places.load_state_dict(state["places"])
        except FileNotFoundError:
            raise InputError(f"{learner} does not exist") from None
        except Exception as error:  # whatever a file that is something else leads to
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{learner} is not what a student saved: {reason}") from None
        return student

    def save(self, file: Path, learner: Path) -> None:
        """Write the model, and apart from it what is only needed to go on learning; readers see the
        old files or the new ones.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f"new-{file.name}")
        self.model.save(temporary, exclude=_NOT_SAVED)
        temporary.replace(file)
        temporary = learner.with_name(f"new-{learner.name}")
        state = {
            "optimizer": self._optimizer.state_dict(),
            "places": self._places.state_dict(),
        }
        torch.save(state, temporary)
        temporary.replace(learner)

    def start_from(
        self,
        observations: Frames,
        labels: npt.NDArray[np.int64],
        places: npt.NDArray[np.float32],
        rng: np.random.Generator,
    ) -> None:
        """Set the features to read places off the fresh convolutions, by ridge regression, and fit
        what reads the features. Gradients alone take a hundred times as long to find what is one
        pixel large.

        Args:
            observations: uint8 (N, 4, 84, 84).
            labels: the action that is right in each, (N,).
            places: where things are, in about -2 … 2, (N, num_places).
            rng: draws what features stand for.
        """
        extractor: Any = self._policy.features_extractor
        with torch.no_grad():
            parts = torch.from_numpy(observations).split(_PART)
            inputs = torch.cat([extractor.cnn(part.float() / 255) for part in parts])
            _read_places(extractor.linear[0], inputs, torch.from_numpy(places), rng)
            features = extractor.linear(inputs)
        optimizer = torch.optim.Adam(self._optimizer.param_groups[1]["params"], lr=_FIT_RATE)
        for _ in range(_NUM_FIT_STEPS):
            loss = self._loss(features, torch.from_numpy(labels), torch.from_numpy(places))[0]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    @torch.no_grad()
    def actions(self, observations: Frames) -> npt.NDArray[np.int64]:
        """The likeliest action of each observation, (N,)."""
        with self._precision():
            logits = self._logits(self._features(observations))
        likeliest: npt.NDArray[np.int64] = logits.argmax(1).numpy()
        return likeliest

    def learn(
        self,
        observations: Frames,
        labels: npt.NDArray[np.int64],
        places: npt.NDArray[np.float32],
        learning_rate: float,
    ) -> tuple[float, float]:
        """One step of Adam on the cross-entropy, and on the mean distance of told places.

        Args:
            observations: uint8 (B, 4, 84, 84).
            labels: the action that is right in each, (B,).
            places: where things are, in about -2 … 2, (B, num_places).
            learning_rate: of the features; what reads them takes ten times as large steps.

        Returns:
            the cross-entropy, and the share of labels that were the likeliest action before.
        """
        target = torch.from_numpy(labels)
        with self._precision():
            features = self._features(observations)
        total, loss, logits = self._loss(features.float(), target, torch.from_numpy(places))
        self._optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self._policy.parameters(), _LARGEST_GRADIENT)
        body, heads = self._optimizer.param_groups
        body["lr"], heads["lr"] = learning_rate, _HEADS_FASTER * learning_rate
        self._optimizer.step()
        return loss.item(), float((logits.argmax(1) == target).float().mean())

    def _loss(
        self, features: Tensor, labels: Tensor, places: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of everything, of the actions alone, and their logits."""
        logits = self._logits(features)
        of_actions = cross_entropy(logits, labels)
        return of_actions + l1_loss(self._places(features), places), of_actions, logits

    def _precision(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self._bf16)

    def _features(self, observations: Frames) -> Tensor:
        features: Any = self._policy.extract_features(torch.from_numpy(observations))
        return torch.as_tensor(features)

    def _logits(self, features: Tensor) -> Tensor:
        logits: Tensor = self._policy.action_net(self._policy.mlp_extractor.forward_actor(features))
        return logits


def _read_places(
    layer: nn.Linear, inputs: Tensor, places: Tensor, rng: np.random.Generator
) -> None:
    """Let each output of a layer be a difference of two places, or one of them, beyond a threshold,
    as well as inputs (N, in) tell it. `inputs` are overwritten while it works.
    """
    num_places, num_features = places.shape[1], layer.out_features
    center, middle = inputs.mean(0), places.mean(0)
    inputs -= center
    gram = inputs.T @ inputs
    gram.diagonal().add_(_RIDGE * gram.diagonal().mean())
    readers = torch.linalg.solve(gram, inputs.T @ (places - middle))
    inputs += center
    mixes = torch.zeros(num_places, num_features)
    for mix in mixes.T:
        first, second = rng.permutation(num_places)[:2]
        mix[first], mix[second] = rng.choice([-1.0, 1.0]), rng.choice([-1.0, 0.0, 1.0])
    examples = torch.from_numpy(rng.integers(len(places), size=num_features))
    thresholds = ((places - middle) @ mixes)[examples, torch.arange(num_features)]
    layer.weight.copy_((readers @ mixes).T)
    layer.bias.copy_(-thresholds - layer.weight @ center)


@torch.no_grad()
def _attend_to_changes(kernels: Tensor) -> None:
    """Let fresh kernels (out, 4, 8, 8) answer to what moves, and to edges, not to bright and flat
    parts of a screen: those of the first half sum to 0 over time, the others over space.
    """
    half = len(kernels) // 2
    kernels[:half] -= kernels[:half].mean(1, keepdim=True)
    kernels[half:] -= kernels[half:].mean((2, 3), keepdim=True)
    kernels *= _FIRST_GAIN


class _Spaces(gym.Env[Frames, int]):
    """Says what observations and actions look like, and cannot be played."""

    def __init__(self, num_actions: int) -> None:
        self.observation_space = gym.spaces.Box(0, 255, (NUM_STACK, SIDE, SIDE), np.uint8)
        self.action_space = gym.spaces.Discrete(num_actions)  # type: ignore[assignment]
