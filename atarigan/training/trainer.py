"""The training loop: one for every source, network, objective and penalty."""

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from atarigan.networks import Generator
from atarigan.objectives import Objective, pull_away
from atarigan.penalties import Penalty
from atarigan.run_config import ModelConfig, RunConfig
from atarigan.sources import Batch, DataSource
from atarigan.stop_request import StopRequest
from atarigan.training.device_plan import DevicePlan
from atarigan.training.latents import draw_latents
from atarigan.training.moving_average import MovingAverage

ROLLBACK_SEEDS = 1_000_003


class Observer:
    """Something that looks at a trainer between updates: to draw, to log, to save."""

    def after_critic_update(self, trainer: "Trainer") -> None:
        """Called after every update of the critic."""

    def after_step(self, trainer: "Trainer") -> None:
        """Called after every step, which ends with the generator's updates."""

    def at_end(self, trainer: "Trainer") -> None:
        """Called once when the run ends or is stopped."""


class Trainer:
    """Trains a generator against a critic.

    Attributes:
        num_steps: steps so far, each `critic_steps` updates of the critic and `generator_steps` of
            the generator.
        num_images: real images shown to the critic so far.
        elapsed_s: time spent in `run` so far.
        num_rollbacks: times that training went back to a healthy state; each halves the step sizes.
        stop_reason: why an observer wants the run to end; None lets it go on.
        image_limit: real images after which the run ends; 0 means no limit.
        losses: the last updates' losses, scalars still on the device; reading one waits for it.
        outputs: the critic's outputs for the last batch of real and of generated samples, each (B,)
            and on the device; None before the first update.
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
    ) -> None:
        self.model = model
        self.config = model.run
        self.source = source
        self.generator = plan.place(generator).train()
        self.critic = plan.place(penalty.prepare(critic)).train()
        self.objective = objective
        self.penalty = penalty
        self.plan = plan
        self.average = MovingAverage(self.generator, self.config.average_half_life)
        betas = (self.config.momentum, self.config.beta2)
        self.generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), self.config.generator_lr, betas, fused=True
        )
        self.critic_optimizer = torch.optim.Adam(
            self.critic.parameters(), self.config.critic_lr, betas, fused=True
        )
        self.rng = torch.Generator(plan.device).manual_seed(self.config.seed)
        self.latent_bank = self._drawn_bank()
        self.image_limit = image_limit(self.config, source.num_samples)
        self.num_steps = 0
        self.num_images = 0
        self.elapsed_s = 0.0
        self.num_rollbacks = 0
        self.stop_reason: str | None = None
        self.losses: dict[str, Tensor] = {}
        self.outputs: tuple[Tensor, Tensor] | None = None
        self._batches: Iterator[Batch] | None = None

    def run(self, observers: Sequence[Observer], stop: StopRequest) -> None:
        """Train until a limit of the configuration is reached or a stop is requested."""
        began = time.monotonic() - self.elapsed_s
        while not (stop.is_set or self.is_finished or self.stop_reason):
            self.train_step(self._open_batches(), observers)
            self.elapsed_s = time.monotonic() - began
            for observer in observers:
                observer.after_step(self)
        for observer in observers:
            observer.at_end(self)

    def _open_batches(self) -> Iterator[Batch]:
        """The source's batches from where training stands."""
        if self._batches is None:
            config = self.config
            self._batches = self.source.batches(
                config.batch_size, self._seed, start=self.num_steps * config.critic_steps
            )
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
    def is_finished(self) -> bool:
        """Whether a limit is reached; without limits, never."""
        return self.fraction_done >= 1

    def train_step(self, batches: Iterator[Batch], observers: Sequence[Observer] = ()) -> None:
        """`critic_steps` updates of the critic, then `generator_steps` of the generator."""
        self._set_learning_rates()
        first = self.num_steps * self.config.critic_steps
        for number in range(first, first + self.config.critic_steps):
            batch = next(batches)
            real, condition = self.plan.samples(batch.samples), self.plan.condition(batch.condition)
            self._update_critic(real, condition, with_penalty=self._has_penalty(number))
            for observer in observers:
                observer.after_critic_update(self)
        for _ in range(self.config.generator_steps):
            self._update_generator(real, condition)
        self.num_steps += 1
        num_new_images = self.config.critic_steps * self.config.batch_size
        self.num_images += num_new_images
        self.average.update(self.generator, self.num_images, num_new_images)

    def _set_learning_rates(self) -> None:
        """Let both step sizes fall linearly, from all of them to `final_lr` of them."""
        config = self.config
        share = 1 - (1 - config.final_lr) * min(1.0, self.fraction_done)
        share *= 0.5**self.num_rollbacks
        self.generator_optimizer.param_groups[0]["lr"] = config.generator_lr * share
        self.critic_optimizer.param_groups[0]["lr"] = config.critic_lr * share

    def _has_penalty(self, critic_update: int) -> bool:
        """Whether the critic's update of that number, counted from the beginning, has a penalty."""
        return self.penalty.has_gradient_term and critic_update % self.config.penalty_every == 0

    def _update_critic(self, real: Tensor, condition: Tensor | None, *, with_penalty: bool) -> None:
        batch_size = len(real)
        with self.plan.autocast():
            with torch.no_grad():
                fake = self.generator(self.draw_latents(batch_size), condition)
            logits = self.judge(torch.cat([real, fake]), condition)
        real_logits, fake_logits = logits.float().split(batch_size)
        loss = self.objective.critic_loss(real_logits, fake_logits)
        total = loss
        if with_penalty:
            judge = partial(self.judge, condition=condition)
            penalty = self.penalty(judge, real, fake.float(), self.rng)
            total = loss + self.config.penalty_weight * self.config.penalty_every * penalty
            self.losses["penalty"] = penalty.detach()
        self.critic_optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.critic_optimizer.step()
        self.penalty.constrain(self.critic)
        self.outputs = (real_logits.detach(), fake_logits.detach())
        self.objective.after_critic_step(*self.outputs)
        self.losses["critic_loss"] = loss.detach()

    def judge(self, samples: Tensor, condition: Tensor | None) -> Tensor:
        """The critic's outputs for samples, whose number may be a multiple of the conditions':
        batches one after the other that are conditioned alike.
        """
        if condition is not None:
            condition = condition.repeat(len(samples) // len(condition), 1)
        logits: Tensor = self.critic(samples, condition)
        return logits

    def _update_generator(self, real: Tensor, condition: Tensor | None) -> None:
        self.critic.requires_grad_(False)
        objective = self.objective
        with self.plan.autocast():
            fake = self.generator(self.draw_latents(len(real)), condition)
            fake_logits = self.judge(fake, condition).float()
            real_logits = None
            if objective.generator_needs_real:
                real_logits = self.judge(real, condition).float()
            codes = self._codes(fake, condition) if objective.pull_away else None
        loss = objective.generator_loss(fake_logits, real_logits)
        if codes is not None:
            loss = loss + objective.pull_away * pull_away(codes)
        self.generator_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.generator_optimizer.step()
        self.critic.requires_grad_(True)
        self.losses["generator_loss"] = loss.detach()

    def _codes(self, samples: Tensor, condition: Tensor | None) -> Tensor:
        """An autoencoder critic's codes of samples."""
        embed: Any = self.critic.embed
        codes: Tensor = embed(samples, condition).float()
        return codes

    def use_threads(self, num_threads: int) -> None:
        """Compute with so many CPU threads; another number rounds differently."""
        torch.set_num_threads(num_threads)
        self.plan = dataclasses.replace(self.plan, num_threads=num_threads)

    def draw_latents(self, num: int) -> Tensor:
        """Latents (num, latent_size) from the run's own random stream, out of the bank if there is
        one.
        """
        if self.latent_bank is not None:
            device = self.rng.device
            size = len(self.latent_bank)
            return self.latent_bank[torch.randint(size, (num,), generator=self.rng, device=device)]
        config = self.config
        return draw_latents(num, config.latent_size, config.latent_prior, self.rng)

    def _drawn_bank(self) -> Tensor | None:
        config = self.config
        if not config.latent_bank:
            return None
        rng = torch.Generator(self.plan.device).manual_seed(config.seed)
        return draw_latents(config.latent_bank, config.latent_size, config.latent_prior, rng)

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
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.critic_optimizer.load_state_dict(state["critic_optimizer"])
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
