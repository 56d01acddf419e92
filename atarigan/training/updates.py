"""A generator and a critic, and how each is updated against the other."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from atarigan.models.families import Generator
from atarigan.models.latent_tensors import draw_latents
from atarigan.models.model_config import ModelConfig
from atarigan.training.device_plan import DevicePlan
from atarigan.training.double_backward import take_the_direct_way
from atarigan.training.objectives import Objective, pull_away
from atarigan.training.penalties import Penalty, gradient_norms
from atarigan.training.process_group import ProcessGroup
from atarigan.training.recorded_update import RecordedUpdate, Update


class Adversaries:
    """Two networks with their optimizers, and the mathematics of an update of either.

    Several processes compute what one would with all of their batches as one: each draws the same
    random numbers and takes its share, losses are taken of all outputs, and gradients are summed.
    Batch norm alone sees a process's own samples.

    Attributes:
        losses: the last updates' losses, scalars still on the device; reading one waits for it.
        outputs: the critic's outputs for the last batch of real and of generated samples, each
            (num_processes * B,) and on the device; None before the first update.
    """

    def __init__(
        self,
        model: ModelConfig,
        generator: Generator,
        critic: nn.Module,
        objective: Objective,
        penalty: Penalty,
        plan: DevicePlan,
        group: ProcessGroup,
    ) -> None:
        self.model = model
        self.config = model.run
        if penalty.has_gradient_term:
            take_the_direct_way(critic)
        self.generator = plan.place(generator).train()
        self.critic = plan.place(penalty.prepare(critic)).train()
        self.objective = objective
        self.penalty = penalty
        self.plan = plan
        self.group = group
        self.generator_optimizer = self._optimizer(self.generator, self.config.generator_lr)
        self.critic_optimizer = self._optimizer(self.critic, self.config.critic_lr)
        self.rng = torch.Generator(plan.device).manual_seed(self.config.seed)
        self.latent_bank = self._drawn_bank()
        self.losses: dict[str, Tensor] = {}
        self.outputs: tuple[Tensor, Tensor] | None = None
        self._reconstruct = self._new_reconstruction()

    def _new_reconstruction(self) -> Update:
        """The update by reconstruction; one process on CUDA records it."""
        is_recorded = self.plan.device.type == "cuda" and self.group.size == 1
        return (
            RecordedUpdate(self._reconstruction_step) if is_recorded else self._reconstruction_step
        )

    def _optimizer(self, network: nn.Module, step_size: float) -> torch.optim.Adam:
        betas = (self.config.momentum, self.config.beta2)
        is_cuda = self.plan.device.type == "cuda"
        lr = torch.full((), step_size, device=self.plan.device) if is_cuda else step_size
        return torch.optim.Adam(network.parameters(), lr, betas, fused=True, capturable=is_cuda)

    def _set_optimizer_rates(self, generator: float, critic: float) -> None:
        """Those of both optimizers, on CUDA where recorded updates read them."""
        for optimizer, step_size in (
            (self.generator_optimizer, generator),
            (self.critic_optimizer, critic),
        ):
            settings = optimizer.param_groups[0]
            if isinstance(settings["lr"], Tensor):
                settings["lr"].fill_(step_size)
            else:
                settings["lr"] = step_size

    def _load_optimizers(self, generator: dict[str, Any], critic: dict[str, Any]) -> None:
        """Take their states, but keep what belongs to the device."""
        for optimizer, state in (
            (self.generator_optimizer, generator),
            (self.critic_optimizer, critic),
        ):
            settings = optimizer.param_groups[0]
            kept = {name: settings[name] for name in ("lr", "capturable")}
            optimizer.load_state_dict(state)
            optimizer.param_groups[0].update(kept)
        self._reconstruct = self._new_reconstruction()

    def has_penalty(self, critic_update: int) -> bool:
        """Whether the critic's update of that number, counted from the beginning, has a penalty."""
        return self.penalty.has_gradient_term and critic_update % self.config.penalty_every == 0

    def update_critic(self, real: Tensor, condition: Tensor | None, *, with_penalty: bool) -> None:
        """One step of the critic on a batch of real samples (B, …) and as many generated ones."""
        fake = self._generated(len(real), condition)
        points = self._points(real, fake, condition) if with_penalty else (None, None)
        self.critic_optimizer.zero_grad(set_to_none=True)
        found, losses, penalties = [], [], []
        for real_part, fake_part, conditions, *where in self._in_parts(
            real, fake, condition, *points
        ):
            outputs = self._outputs(real_part, fake_part, conditions)
            total = loss = self.objective.critic_loss(*outputs)
            if with_penalty:
                penalty = self._penalty(*where)
                weight = self.config.penalty_weight * self.config.penalty_every
                total = loss + weight * penalty
                penalties.append(penalty.detach())
            (total / self.config.accumulate).backward()
            losses.append(loss.detach())
            found.append([each.detach() for each in outputs])
        self.group.sum_gradients(self.critic)
        self.critic_optimizer.step()
        self.penalty.constrain(self.critic)
        real_logits, fake_logits = (_joined(list(kind)) for kind in zip(*found, strict=True))
        self.outputs = (real_logits, fake_logits)
        self.objective.after_critic_step(real_logits, fake_logits)
        self.losses["critic_loss"] = _mean(losses)
        if penalties:
            self.losses["penalty"] = _mean(penalties)

    def update_reconstruction(self, real: Tensor, condition: Tensor | None) -> None:
        """One step of the generator towards the real samples (B, …) that had these conditions."""
        latents = self._own_latents(len(real))
        self.losses["reconstruction_loss"] = self._reconstruct(latents, real, condition)

    def _reconstruction_step(
        self, latents: Tensor, real: Tensor, condition: Tensor | None
    ) -> Tensor:
        """The same with given latents; returns the loss."""
        self.generator_optimizer.zero_grad(set_to_none=True)
        losses = []
        for latents_part, real_part, conditions in self._in_parts(latents, real, condition):
            with self.plan.autocast():
                loss = self.generator.reconstruction_loss(latents_part, conditions, real_part)
            (loss / (self.config.accumulate * self.group.size)).backward()
            losses.append(loss.detach())
        self.group.sum_gradients(self.generator)
        self.generator_optimizer.step()
        return _mean(losses)

    def update_generator(self, real: Tensor, condition: Tensor | None) -> None:
        """One step of the generator on as many samples as there are real ones (B, …), which some
        objectives compare them with.
        """
        self.critic.requires_grad_(False)
        self.generator_optimizer.zero_grad(set_to_none=True)
        losses = []
        latents = self._own_latents(len(real))
        for parts in self._in_parts(latents, real, condition):
            loss = self._generator_loss(*parts)
            (loss * self.config.adversarial_weight / self.config.accumulate).backward()
            losses.append(loss.detach())
        self.group.sum_gradients(self.generator)
        self.generator_optimizer.step()
        self.critic.requires_grad_(True)
        self.losses["generator_loss"] = _mean(losses)

    def _generator_loss(self, latents: Tensor, real: Tensor, condition: Tensor | None) -> Tensor:
        objective, whole = self.objective, self.group.whole
        real_logits = codes = None
        with self.plan.autocast():
            fake = self.generator(latents, condition)
            fake_logits = whole(self.judge(fake, condition).float())
            if objective.generator_needs_real:
                real_logits = whole(self.judge(real, condition).float())
            if objective.pull_away:
                embed: Any = self.critic.embed
                codes = whole(embed(fake, condition).float())
        loss = objective.generator_loss(fake_logits, real_logits)
        return loss if codes is None else loss + objective.pull_away * pull_away(codes)

    @torch.no_grad()
    def _generated(self, num: int, condition: Tensor | None) -> Tensor:
        """As many generated samples as are this process's share."""
        latents = self._own_latents(num)
        with self.plan.autocast():
            fakes = [self.generator(*parts) for parts in self._in_parts(latents, condition)]
        return _joined(fakes).float()

    def _outputs(
        self, real: Tensor, fake: Tensor, condition: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The critic's outputs for all processes' real and generated samples."""
        with self.plan.autocast():
            logits = self.judge(torch.cat([real, fake]), condition).float()
        real_logits, fake_logits = logits.split(len(real))
        return self.group.whole(real_logits), self.group.whole(fake_logits)

    def _points(
        self, real: Tensor, fake: Tensor, condition: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """This process's share of the penalty's points, and their conditions."""
        whole, rank, size = self.group.whole, self.group.rank, self.group.size
        points = self.penalty.points(whole(real), whole(fake), self.rng)
        if condition is None:
            return points[rank::size], None
        conditions = _repeated(whole(condition), len(points))
        return points[rank::size], conditions[rank::size]

    def _penalty(self, points: Tensor, condition: Tensor | None) -> Tensor:
        """The cost of the critic's gradients at all processes' points."""
        norms = gradient_norms(partial(self.judge, condition=condition), points)
        return self.penalty.cost(self.group.whole(norms))

    def judge(self, samples: Tensor, condition: Tensor | None) -> Tensor:
        """The critic's outputs for samples, whose number may be a multiple of the conditions':
        batches one after the other that are conditioned alike.
        """
        if condition is not None:
            condition = _repeated(condition, len(samples))
        logits: Tensor = self.critic(samples, condition)
        return logits

    def _in_parts(self, *tensors: Tensor | None) -> Iterator[tuple[Any, ...]]:
        """The parts that a batch is computed in, `config.accumulate` of them."""
        num = self.config.accumulate
        split = [(None,) * num if each is None else each.tensor_split(num) for each in tensors]
        return zip(*split, strict=True)

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

    def _own_latents(self, num: int) -> Tensor:
        """This process's of the latents that all draw."""
        return self.draw_latents(num * self.group.size)[self.group.rank * num :][:num]

    def _drawn_bank(self) -> Tensor | None:
        config = self.config
        if not config.latent_bank:
            return None
        rng = torch.Generator(self.plan.device).manual_seed(config.seed)
        return draw_latents(config.latent_bank, config.latent_size, config.latent_prior, rng)


def _repeated(condition: Tensor, num: int) -> Tensor:
    """Conditions as often as `num` samples need them."""
    return condition if len(condition) == num else condition.repeat(num // len(condition), 1)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _mean(losses: list[Tensor]) -> Tensor:
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()
