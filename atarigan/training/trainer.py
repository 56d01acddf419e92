"""The training loop: one for every source, network, objective and penalty."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from atarigan.networks import Generator
from atarigan.objectives import Objective, pull_away
from atarigan.penalties import Penalty
from atarigan.run_config import ModelConfig
from atarigan.sources import Batch, DataSource
from atarigan.stop_request import StopRequest
from atarigan.training.device_plan import DevicePlan
from atarigan.training.latents import draw_latents
from atarigan.training.moving_average import MovingAverage


class Observer(Protocol):
    """Something that looks at a trainer between steps: to draw, to log, to save."""

    def after_step(self, trainer: "Trainer") -> None:
        """Called after every generator update."""

    def at_end(self, trainer: "Trainer") -> None:
        """Called once when the run ends or is stopped."""


class Trainer:
    """Trains a generator against a critic.

    Attributes:
        num_steps: generator updates so far.
        num_images: real images shown to the critic so far.
        elapsed_s: time spent in `run` so far.
        losses: the last step's losses and outputs, scalars still on the device; reading one waits
            for it.
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
        self.num_steps = 0
        self.num_images = 0
        self.elapsed_s = 0.0
        self.losses: dict[str, Tensor] = {}

    def run(self, observers: Sequence[Observer], stop: StopRequest) -> None:
        """Train until a limit of the configuration is reached or a stop is requested."""
        config = self.config
        batches = self.source.batches(
            config.batch_size, config.seed, start=self.num_steps * config.critic_steps
        )
        began = time.monotonic() - self.elapsed_s
        while not (stop.is_set or self.is_finished):
            self.train_step(batches)
            self.elapsed_s = time.monotonic() - began
            for observer in observers:
                observer.after_step(self)
        for observer in observers:
            observer.at_end(self)

    @property
    def fraction_done(self) -> float:
        """How much of the nearer limit is used up, from 0 on; 0 without limits."""
        config = self.config
        by_images = self.num_images / config.max_images if config.max_images else 0.0
        by_time = self.elapsed_s / (60 * config.max_minutes) if config.max_minutes else 0.0
        return max(by_images, by_time)

    @property
    def is_finished(self) -> bool:
        """Whether a limit is reached; without limits, never."""
        return self.fraction_done >= 1

    def train_step(self, batches: Iterator[Batch]) -> None:
        """`critic_steps` updates of the critic, then one of the generator."""
        self._set_learning_rates()
        first = self.num_steps * self.config.critic_steps
        for number in range(first, first + self.config.critic_steps):
            real = self.plan.samples(next(batches).samples)
            self._update_critic(real, with_penalty=self._has_penalty(number))
        self._update_generator(real)
        self.num_steps += 1
        num_new_images = self.config.critic_steps * self.config.batch_size
        self.num_images += num_new_images
        self.average.update(self.generator, self.num_images, num_new_images)

    def _set_learning_rates(self) -> None:
        """Let both step sizes fall linearly, from all of them to `final_lr` of them."""
        config = self.config
        share = 1 - (1 - config.final_lr) * min(1.0, self.fraction_done)
        self.generator_optimizer.param_groups[0]["lr"] = config.generator_lr * share
        self.critic_optimizer.param_groups[0]["lr"] = config.critic_lr * share

    def _has_penalty(self, critic_update: int) -> bool:
        """Whether the critic's update of that number, counted from the beginning, has a penalty."""
        return self.penalty.has_gradient_term and critic_update % self.config.penalty_every == 0

    def _update_critic(self, real: Tensor, *, with_penalty: bool) -> None:
        batch_size = len(real)
        with self.plan.autocast():
            with torch.no_grad():
                fake = self.generator(self.draw_latents(batch_size))
            logits = self.critic(torch.cat([real, fake]))
        real_logits, fake_logits = logits.float().split(batch_size)
        loss = self.objective.critic_loss(real_logits, fake_logits)
        total = loss
        if with_penalty:
            penalty = self.penalty(self.critic, real, fake.float(), self.rng)
            total = loss + self.config.penalty_weight * self.config.penalty_every * penalty
            self.losses["penalty"] = penalty.detach()
        self.critic_optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.critic_optimizer.step()
        self.penalty.constrain(self.critic)
        self.objective.after_critic_step(real_logits.detach(), fake_logits.detach())
        self.losses |= {
            "critic_loss": loss.detach(),
            "real_logits": real_logits.detach().mean(),
            "fake_logits": fake_logits.detach().mean(),
        }

    def _update_generator(self, real: Tensor) -> None:
        self.critic.requires_grad_(False)
        objective = self.objective
        with self.plan.autocast():
            fake = self.generator(self.draw_latents(len(real)))
            fake_logits = self.critic(fake).float()
            real_logits = self.critic(real).float() if objective.generator_needs_real else None
            codes = self._codes(fake) if objective.pull_away else None
        loss = objective.generator_loss(fake_logits, real_logits)
        if codes is not None:
            loss = loss + objective.pull_away * pull_away(codes)
        self.generator_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.generator_optimizer.step()
        self.critic.requires_grad_(True)
        self.losses["generator_loss"] = loss.detach()

    def _codes(self, samples: Tensor) -> Tensor:
        """An autoencoder critic's codes of samples."""
        embed: Any = self.critic.embed
        codes: Tensor = embed(samples).float()
        return codes

    def use_threads(self, num_threads: int) -> None:
        """Compute with so many CPU threads; another number rounds differently."""
        torch.set_num_threads(num_threads)
        self.plan = dataclasses.replace(self.plan, num_threads=num_threads)

    def draw_latents(self, num: int) -> Tensor:
        """Latents (num, latent_size) from the run's own random stream."""
        config = self.config
        return draw_latents(num, config.latent_size, config.latent_prior, self.rng)

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
            "num_steps": self.num_steps,
            "num_images": self.num_images,
            "elapsed_s": self.elapsed_s,
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
        self.num_steps = state["num_steps"]
        self.num_images = state["num_images"]
        self.elapsed_s = state["elapsed_s"]
        self.losses = {}
        self.use_threads(state["num_threads"])
