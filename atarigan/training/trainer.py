"""The training loop: one for every source, network, objective and penalty."""

import contextlib
import copy
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from atarigan.cli.stop_request import StopRequest
from atarigan.config.clock import clock_of
from atarigan.config.run_config import RunConfig
from atarigan.data.sources import DataSource
from atarigan.evaluation.metrics.score import Score
from atarigan.models.families import Generator
from atarigan.models.model_config import ModelConfig
from atarigan.training.device_plan import DeviceBatch, DevicePlan
from atarigan.training.process_group import ProcessGroup
from atarigan.training.updates import MovingAverage, Updates

ROLLBACK_SEEDS = 1_000_003
MAX_EXTENSION_ELEMENTS = 1 << 28


class Observer:
    """Looks at a trainer and changes nothing of it. The order of observers does not matter.

    Attributes:
        end_phase: description of the work in `at_end`, if it takes long; else empty.
    """

    end_phase = ""

    def after_critic_update(self, trainer: "Trainer") -> None:
        """Called after every update of the critic."""

    def after_step(self, trainer: "Trainer") -> None:
        """Called after every step that is kept."""

    def after_rollback(self, trainer: "Trainer") -> None:
        """Called after the run has gone back to an earlier state, which the trainer now has."""

    def after_evaluation(self, trainer: "Trainer", scores: dict[str, Score]) -> None:
        """Called when samples have been evaluated."""

    def at_end(self, trainer: "Trainer") -> None:
        """Called once when the run ends or is stopped."""


class Guard(Protocol):
    """Steers a run: may take it back to an earlier state, or end it."""

    def check(self, trainer: "Trainer", *, is_end: bool) -> bool:
        """Look at the trainer after a step, and once more at the run's end.

        Returns:
            Whether the trainer was rolled back. Where `trainer.stop_reason` is set, the run ends.
        """


class Trainer:
    """Trains a generator against a critic on a source.

    Args:
        model: the run's configuration, and the shape of its samples.
        source: the real samples.
        updates: the networks and how they are updated.

    Attributes:
        average: the moving average of the generator.
        num_steps: steps so far, each with `reconstruction_steps`, `critic_steps` and
            `generator_steps` updates.
        num_images: real images used so far, by all processes together.
        elapsed_s: seconds spent in `run` so far, by the clock of the configuration.
        num_rollbacks: how often training went back to an earlier state; each time halves the
            learning rates.
        stop_reason: why a guard ends the run; None lets it go on.
        image_limit: real images after which the run ends; 0 means no limit.
    """

    def __init__(self, model: ModelConfig, source: DataSource, updates: Updates) -> None:
        self.model = model
        self.config: RunConfig = model.run
        self.source = source
        self.updates = updates
        self.average = MovingAverage(updates.generator, self.config.average_half_life)
        self.image_limit = image_limit(self.config, source.num_samples)
        self.num_steps = 0
        self.num_images = 0
        self.elapsed_s = 0.0
        self.num_rollbacks = 0
        self.stop_reason: str | None = None
        self._batches: Iterator[DeviceBatch] | None = None

    @property
    def plan(self) -> DevicePlan:
        """Where and how the run computes."""
        return self.updates.plan

    @property
    def group(self) -> ProcessGroup:
        """The processes that train together."""
        return self.updates.group

    @property
    def averaged_generator(self) -> Generator:
        """The generator that samples."""
        return self.average.generator

    def run(
        self,
        observers: Sequence[Observer],
        stop: StopRequest,
        guard: Guard | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Train until a limit of the configuration is reached, the guard ends the run, or a stop is
        requested. `report` is called with a description of each phase at the end.
        """
        self._follow_first_process()
        now = clock_of(self.config.clock)
        began = now() - self.elapsed_s
        while self._goes_on(stop):
            if self._batches is None:
                self._batches = self.open_batches()
            self.train_step(self._batches, observers)
            self.elapsed_s = self.group.broadcast(now() - began)
            is_rolled_back = guard is not None and guard.check(self, is_end=False)
            for observer in observers:
                (observer.after_rollback if is_rolled_back else observer.after_step)(self)
        if guard is not None and self.stop_reason is None and guard.check(self, is_end=True):
            for observer in observers:
                observer.after_rollback(self)
        for observer in observers:
            if observer.end_phase:
                report(observer.end_phase)
            observer.at_end(self)

    def train_step(
        self, batches: Iterator[DeviceBatch], observers: Sequence[Observer] = ()
    ) -> None:
        """Reconstruct, train the critic, then train the generator against it on the critic's last
        batch.
        """
        config, updates = self.config, self.updates
        self._extend_if_due()
        self._set_learning_rates()
        for _ in range(config.reconstruction_steps):
            updates.update_reconstruction(*next(batches))
        critic_batches = [next(batches) for _ in range(config.critic_steps)]
        first_update = self.num_steps * config.critic_steps
        for number, batch in enumerate(critic_batches, first_update):
            updates.update_critic(*batch, with_penalty=updates.has_penalty(number))
            for observer in observers:
                observer.after_critic_update(self)
        for _ in range(config.generator_steps):
            updates.update_generator(*critic_batches[-1])
        self.num_steps += 1
        self.num_images += self.images_per_step
        self.average.update(updates.generator, self.num_images, self.images_per_step)

    def open_batches(self, batch_size: int | None = None) -> Iterator[DeviceBatch]:
        """Batches of the source from where training stands, on the device.

        Args:
            batch_size: samples in each; None means the configuration's.
        """
        config = self.config
        batches = self.source.batches(
            batch_size or config.batch_size,
            self._seed,
            self.num_steps * (config.critic_steps + config.reconstruction_steps),
            self.group.rank,
            self.group.size,
        )
        return self.plan.on_device(batches)

    @property
    def images_per_step(self) -> int:
        """Real images used in a step, by all processes together."""
        config = self.config
        num_batches = config.critic_steps + config.reconstruction_steps
        return num_batches * config.batch_size * self.group.size

    @property
    def fraction_done(self) -> float:
        """Share of the nearer limit that is used up, from 0; always 0 without limits."""
        config = self.config
        by_images = self.num_images / self.image_limit if self.image_limit else 0.0
        by_time = self.elapsed_s / (60 * config.max_minutes) if config.max_minutes else 0.0
        return max(by_images, by_time)

    @property
    def left_s(self) -> float:
        """Seconds until the nearer limit at the rate so far; infinite without limits."""
        done = self.fraction_done
        return self.elapsed_s * (1 / done - 1) if done else math.inf

    @property
    def is_finished(self) -> bool:
        """Whether a limit is reached; never without limits."""
        return self.fraction_done >= 1

    def use_threads(self, num_threads: int) -> None:
        """Compute with this number of CPU threads; another number rounds differently."""
        torch.set_num_threads(num_threads)
        self.updates.plan = dataclasses.replace(self.plan, num_threads=num_threads)

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides how training goes on: tensors, numbers, containers of them."""
        return {
            **self.updates.state_dict(),
            "averaged_generator": self.averaged_generator.state_dict(),
            "device": self.plan.kind,
            "rng": self.updates.rng.get_state(),
            "layers_rng": self.plan.layers_rng_state(),
            "num_steps": self.num_steps,
            "num_images": self.num_images,
            "elapsed_s": self.elapsed_s,
            "num_rollbacks": self.num_rollbacks,
            "num_threads": self.plan.num_threads,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken. On another kind of device random numbers are new,
        determined by the seed and the number of images, and the number of CPU threads stays.
        """
        self.updates.load_state_dict(state)
        self.averaged_generator.load_state_dict(state["averaged_generator"])
        self.num_steps = state["num_steps"]
        self.num_images = state["num_images"]
        self.elapsed_s = state["elapsed_s"]
        self.num_rollbacks = state["num_rollbacks"]
        self._batches = None
        if self.was_saved_here(state):
            self.updates.rng.set_state(state["rng"])
            self.plan.set_layers_rng_state(state["layers_rng"])
            self.use_threads(state["num_threads"])
        else:
            numbers = np.random.default_rng([self.config.seed, self.num_images])
            seed, layers_seed = (int(each) for each in numbers.integers(1 << 62, size=2))
            self.updates.rng.manual_seed(seed)
            self.plan.seed_layers_rng(layers_seed)

    def was_saved_here(self, state: dict[str, Any]) -> bool:
        """Whether a state was saved on this kind of device, so that its random streams go on. In
        old states, which do not tell, the streams have different sizes.
        """
        if "device" in state:
            return bool(state["device"] == self.plan.kind)
        return bool(state["rng"].shape == self.updates.rng.get_state().shape)

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Undo, on leaving, any training that is done inside."""
        before = copy.deepcopy(self.state_dict())
        try:
            yield
        finally:
            self.load_state_dict(before)

    def roll_back(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, with other random numbers and half the learning rates."""
        num_rollbacks = self.num_rollbacks + 1
        self.load_state_dict(state)
        self.num_rollbacks = num_rollbacks
        self.updates.rng.manual_seed(self._seed)

    @property
    def _seed(self) -> int:
        """The configuration's seed, changed by every rollback."""
        return self.config.seed + ROLLBACK_SEEDS * self.num_rollbacks

    def _set_learning_rates(self) -> None:
        """Let both learning rates fall linearly to their `final_lr` share, and halve them for every
        rollback.
        """
        config = self.config
        share = 1 - (1 - config.final_lr) * min(1.0, self.fraction_done)
        share *= 0.5**self.num_rollbacks
        self.updates.set_learning_rates(config.generator_lr * share, config.critic_lr * share)

    def _extend_if_due(self) -> None:
        """Extend the generator where it asks for that after this share of the training."""
        generator = self.updates.generator
        num_due = sum(each <= self.fraction_done for each in generator.extension_fractions)
        if num_due <= generator.num_extensions:
            return
        most = max(1, MAX_EXTENSION_ELEMENTS // math.prod(self.model.sample.shape))
        num = min(generator.num_for_extension, most)
        batch = next(self.source.batches(num, self._seed + num_due))
        assert batch.condition is not None
        condition = self.plan.condition(batch.condition)
        assert condition is not None
        self.updates.extend(torch.as_tensor(batch.samples).to(self.plan.device), condition)
        self.average.restart(generator)

    def _goes_on(self, stop: StopRequest) -> bool:
        """Whether there is another step, on which all processes agree. Only the first process has a
        guard: where it has rolled back, the others follow.
        """
        if self.group.broadcast(self.num_rollbacks) != self.num_rollbacks:
            self._follow_first_process()
        ends = stop.is_set or self.is_finished or self.stop_reason is not None
        return not self.group.any(ends)

    def _follow_first_process(self) -> None:
        """Take over the state of the first process."""
        if self.group.size == 1:
            return
        state = self.group.broadcast_object(self.state_dict() if self.group.is_first else None)
        if not self.group.is_first:
            self.load_state_dict(state)


def image_limit(config: RunConfig, num_samples: int) -> int:
    """The lower one of the limits in images and in epochs of `num_samples`; 0 means no limit."""
    by_epochs = math.ceil(config.max_epochs * num_samples)
    limits = [limit for limit in (config.max_images, by_epochs) if limit]
    return min(limits, default=0)
