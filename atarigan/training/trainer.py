"""The training loop: one for every source, network, objective and penalty."""

import contextlib
import copy
import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from atarigan.cli.stop_request import StopRequest
from atarigan.config.run_config import RunConfig
from atarigan.data.sources import Batch, DataSource
from atarigan.evaluation.metrics.score import Score
from atarigan.models.families import Generator
from atarigan.models.model_config import ModelConfig
from atarigan.training.device_plan import DevicePlan
from atarigan.training.moving_average import MovingAverage
from atarigan.training.objectives import Objective
from atarigan.training.penalties import Penalty
from atarigan.training.process_group import ALONE, ProcessGroup
from atarigan.training.updates import Adversaries

ROLLBACK_SEEDS = 1_000_003


class Observer:
    """Something that looks at a trainer between updates: to draw, to log, to save."""

    def after_critic_update(self, trainer: "Trainer") -> None:
        """Called after every update of the critic."""

    def after_step(self, trainer: "Trainer") -> None:
        """Called after every step, which ends with the generator's updates."""

    def after_evaluation(self, trainer: "Trainer", scores: dict[str, Score]) -> None:
        """Called when samples have been evaluated."""

    def at_end(self, trainer: "Trainer") -> None:
        """Called once when the run ends or is stopped."""


class Trainer(Adversaries):
    """Trains a generator against a critic on a source.

    Attributes:
        num_steps: steps so far, each `reconstruction_steps` and `generator_steps` updates of the
            generator and `critic_steps` of the critic.
        num_images: real images looked at so far, those of all processes together.
        elapsed_s: time spent in `run` so far.
        num_rollbacks: times that training went back to a healthy state; each halves the step sizes.
        stop_reason: why an observer wants the run to end; None lets it go on.
        image_limit: real images after which the run ends; 0 means no limit.
    """

    def __init__(
        self,
        model: ModelConfig,
        source: DataSource,
        generator: Generator,
        critic: nn.Module,
        objective: Objective,
        penalty: Penalty,
        plan: DevicePlan,
        group: ProcessGroup = ALONE,
    ) -> None:
        super().__init__(model, generator, critic, objective, penalty, plan, group)
        self.source = source
        self.average = MovingAverage(self.generator, self.config.average_half_life)
        self.image_limit = image_limit(self.config, source.num_samples)
        self.num_steps = 0
        self.num_images = 0
        self.elapsed_s = 0.0
        self.num_rollbacks = 0
        self.stop_reason: str | None = None
        self._batches: Iterator[Batch] | None = None

    def run(self, observers: Sequence[Observer], stop: StopRequest) -> None:
        """Train until a limit of the configuration is reached or a stop is requested."""
        self._follow_first()
        began = time.monotonic() - self.elapsed_s
        while self._goes_on(stop):
            self.train_step(self._open_batches(), observers)
            self.elapsed_s = self.group.from_first(time.monotonic() - began)
            for observer in observers:
                observer.after_step(self)
        for observer in observers:
            observer.at_end(self)

    def _goes_on(self, stop: StopRequest) -> bool:
        """Whether there is another step, in which processes agree; those that the first one, where
        observers are, has left behind by going back catch up.
        """
        if self.group.from_first(self.num_rollbacks) != self.num_rollbacks:
            self._follow_first()
        ends = stop.is_set or self.is_finished or self.stop_reason is not None
        return not self.group.any(ends)

    def _follow_first(self) -> None:
        """Take the first process's state."""
        if self.group.size == 1:
            return
        state = self.group.shared(self.state_dict() if self.group.is_first else None)
        if not self.group.is_first:
            self.load_state_dict(state)

    def _open_batches(self) -> Iterator[Batch]:
        """The source's batches from where training stands."""
        if self._batches is None:
            config = self.config
            batches = self.source.batches(
                config.batch_size,
                self._seed,
                self.num_steps * (config.critic_steps + config.reconstruction_steps),
                self.group.rank,
                self.group.size,
            )
            self._batches = self.plan.ahead(batches)
        return self._batches

    @property
    def _seed(self) -> int:
        """The configuration's, and after a rollback another."""
        return self.config.seed + ROLLBACK_SEEDS * self.num_rollbacks

    @property
    def fraction_done(self) -> float:
        """How much of the nearer limit is used up, from 0 on; 0 without limits."""
        config = self.config
        by_images = self.num_images / self.image_limit if self.image_limit else 0.0
        by_time = self.elapsed_s / (60 * config.max_minutes) if config.max_minutes else 0.0
        return max(by_images, by_time)

    @property
    def left_s(self) -> float:
        """Seconds until the nearer limit at the rate so far; endless without limits."""
        done = self.fraction_done
        return self.elapsed_s * (1 / done - 1) if done else math.inf

    @property
    def is_finished(self) -> bool:
        """Whether a limit is reached; without limits, never."""
        return self.fraction_done >= 1

    def train_step(self, batches: Iterator[Batch], observers: Sequence[Observer] = ()) -> None:
        """`reconstruction_steps` updates of the generator by what it is told of real samples,
        `critic_steps` of the critic, then `generator_steps` of the generator against it.
        """
        self._set_learning_rates()
        for _ in range(self.config.reconstruction_steps):
            self.update_reconstruction(*self._on_device(next(batches)))
        first = self.num_steps * self.config.critic_steps
        for number in range(first, first + self.config.critic_steps):
            real, condition = self._on_device(next(batches))
            self.update_critic(real, condition, with_penalty=self.has_penalty(number))
            for observer in observers:
                observer.after_critic_update(self)
        for _ in range(self.config.generator_steps):
            self.update_generator(real, condition)
        self.num_steps += 1
        self.num_images += self.images_a_step
        self.average.update(self.generator, self.num_images, self.images_a_step)

    @property
    def images_a_step(self) -> int:
        """Real samples that are looked at in a step, by all processes together."""
        config = self.config
        num_batches = config.critic_steps + config.reconstruction_steps
        return num_batches * config.batch_size * self.group.size

    def _on_device(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        return self.plan.samples(batch.samples), self.plan.condition(batch.condition)

    def _set_learning_rates(self) -> None:
        """Let both step sizes fall linearly, from all of them to `final_lr` of them."""
        config = self.config
        share = 1 - (1 - config.final_lr) * min(1.0, self.fraction_done)
        share *= 0.5**self.num_rollbacks
        self._set_optimizer_rates(config.generator_lr * share, config.critic_lr * share)

    def use_threads(self, num_threads: int) -> None:
        """Compute with so many CPU threads; another number rounds differently."""
        torch.set_num_threads(num_threads)
        self.plan = dataclasses.replace(self.plan, num_threads=num_threads)

    def state_dict(self) -> dict[str, Any]:
        """What decides how training goes on: tensors, numbers and containers of them."""
        return {
            "generator": self.generator.state_dict(),
            "averaged_generator": self.average.averaged.state_dict(),
            "critic": self.critic.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
            "objective": self.objective.state_dict(),
            "rng": self.rng.get_state(),
            "layers_rng": self._layers_rng_state(),
            "num_steps": self.num_steps,
            "num_images": self.num_images,
            "elapsed_s": self.elapsed_s,
            "num_rollbacks": self.num_rollbacks,
            "num_threads": self.plan.num_threads,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.generator.load_state_dict(state["generator"])
        self.average.averaged.load_state_dict(state["averaged_generator"])
        self.critic.load_state_dict(state["critic"])
        self._load_optimizers(state["generator_optimizer"], state["critic_optimizer"])
        self.objective.load_state_dict(state["objective"])
        self.rng.set_state(state["rng"])
        self._set_layers_rng_state(state["layers_rng"])
        self.num_steps = state["num_steps"]
        self.num_images = state["num_images"]
        self.elapsed_s = state["elapsed_s"]
        self.num_rollbacks = state["num_rollbacks"]
        self.losses, self.outputs = {}, None
        self._batches = None
        self.use_threads(state["num_threads"])

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Undo, at its end, whatever training is done inside it."""
        before = copy.deepcopy(self.state_dict())
        try:
            yield
        finally:
            self.load_state_dict(before)

    def roll_back(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, with other random numbers and half the step sizes."""
        num_rollbacks = self.num_rollbacks + 1
        self.load_state_dict(state)
        self.num_rollbacks = num_rollbacks
        self.rng.manual_seed(self._seed)

    def _layers_rng_state(self) -> Tensor:
        """State of the stream that dropout draws from: torch's own, of the device."""
        if self.plan.device.type == "cuda":
            return torch.cuda.get_rng_state(self.plan.device)
        return torch.get_rng_state()

    def _set_layers_rng_state(self, state: Tensor) -> None:
        if self.plan.device.type == "cuda":
            torch.cuda.set_rng_state(state, self.plan.device)
        else:
            torch.set_rng_state(state)


def image_limit(config: RunConfig, num_samples: int) -> int:
    """The lower of the limits in images and in epochs of `num_samples`; 0 means none."""
    by_epochs = math.ceil(config.max_epochs * num_samples)
    limits = [limit for limit in (config.max_images, by_epochs) if limit]
    return min(limits, default=0)
