"""The updates of a training step: of the critic, of the generator, and by reconstruction."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from atarigan.config.run_config import RunConfig
from atarigan.models.captured_update import CapturedUpdate
from atarigan.models.families import Generator
from atarigan.models.latent_tensors import draw_latents
from atarigan.training.device_plan import DevicePlan
from atarigan.training.double_backward import use_double_backward_layers
from atarigan.training.objectives import Objective, pull_away
from atarigan.training.penalties import Penalty, gradient_norms
from atarigan.training.process_group import SINGLE_PROCESS, ProcessGroup

_EMA_RAMP_UP = 0.1


class Updates:
    """A generator and a critic with their optimizers, and an update of each.

    A batch is computed in `num_parts` parts, whose gradients add up. With several
    processes, each draws the same random numbers and computes its share of the batch; losses are
    taken of the outputs of all, and gradients are summed. Only batch norm sees a process's own
    samples.

    Attributes:
        num_parts: parts that a batch is computed in, from `config.accumulate`.
        losses: the newest critic_loss, generator_loss, penalty and reconstruction_loss: scalars on
            the device. Reading one waits for the device.
        outputs: the critic's outputs for the newest batch of real and of generated samples, each
            (num_processes * B,), on the device; None before the first update.
    """

    def __init__(
        self,
        config: RunConfig,
        generator: Generator,
        critic: nn.Module,
        objective: Objective,
        penalty: Penalty,
        plan: DevicePlan,
        group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self.config = config
        self.num_parts = config.accumulate
        if penalty.has_gradient_term:
            use_double_backward_layers(critic)
        self.generator = plan.place(generator).train()
        self.critic = plan.place(penalty.prepare(critic)).train()
        self.objective = objective
        self.penalty = penalty
        self.plan = plan
        self._autocast = plan.autocast()
        self.group = group
        self.generator_optimizer = self._new_optimizer(self.generator, config.generator_lr)
        self.critic_optimizer = self._new_optimizer(self.critic, config.critic_lr)
        self.rng = torch.Generator(plan.device).manual_seed(config.seed)
        self._latent_bank = self._new_latent_bank()
        self.losses: dict[str, Tensor] = {}
        self.outputs: tuple[Tensor, Tensor] | None = None
        self.capture(plan.is_cuda and group.size == 1)

    def capture(self, is_captured: bool) -> None:
        """Capture updates as CUDA graphs from now on, anew if they are already, or no longer."""
        self._is_captured = is_captured
        self._reconstruction_step = self._step_of(self._reconstruct)
        self._generator_step = self._step_of(self._improve_generator)
        self._critic_steps = [
            self._step_of(partial(self._improve_critic, with_penalty))
            for with_penalty in (False, True)
        ]

    def _step_of(self, update: Callable[..., Any]) -> Callable[..., Any]:
        return CapturedUpdate(update, self.rng) if self._is_captured else update

    def update_critic(self, real: Tensor, condition: Tensor | None, *, with_penalty: bool) -> None:
        """Update the critic once, on real samples (B, …) and as many generated ones."""
        found = self._critic_steps[with_penalty](real, condition)
        self.losses["critic_loss"], real_logits, fake_logits, *penalties = found
        self.outputs = (real_logits, fake_logits)
        if penalties:
            (self.losses["penalty"],) = penalties

    def update_generator(self, real: Tensor, condition: Tensor | None) -> None:
        """Update the generator once against the critic, on as many samples as there are real ones
        (B, …). Some objectives compare the two.
        """
        self.losses["generator_loss"] = self._generator_step(real, condition)

    def update_reconstruction(self, real: Tensor, condition: Tensor | None) -> None:
        """Update the generator once towards the real samples (B, …) of these conditions."""
        self.losses["reconstruction_loss"] = self._reconstruction_step(real, condition)

    def _improve_critic(
        self, with_penalty: bool, real: Tensor, condition: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Update the critic as `update_critic` does. Return the loss, the outputs for real and for
        generated samples, and the penalty if there is one.
        """
        fake = self._generate(len(real), condition)
        points = self._penalty_points(real, fake, condition) if with_penalty else (None, None)
        self.critic_optimizer.zero_grad(set_to_none=True)
        logits, losses, penalties = [], [], []
        for *batch, where, where_condition in self._parts(real, fake, condition, *points):
            real_logits, fake_logits = self._logits_of_both(*batch)
            loss = total = self.objective.critic_loss(real_logits, fake_logits)
            if with_penalty:
                penalty = self._penalty_cost(where, where_condition)
                # Lazy regularization: a penalty every n updates weighs n times as much.
                weight = self.config.penalty_weight * self.config.penalty_every
                total = loss + weight * penalty
                penalties.append(penalty.detach())
            (total / self.num_parts).backward()
            losses.append(loss.detach())
            logits.append((real_logits.detach(), fake_logits.detach()))
        self._step(self.critic, self.critic_optimizer)
        self.penalty.constrain(self.critic)
        real_logits, fake_logits = (_concatenated(list(kind)) for kind in zip(*logits, strict=True))
        self.objective.after_critic_step(real_logits, fake_logits)
        return _mean(losses), real_logits, fake_logits, *([_mean(penalties)] if penalties else [])

    def _improve_generator(self, real: Tensor, condition: Tensor | None) -> Tensor:
        """Update the generator as `update_generator` does. Return the loss."""
        latents = self._own_latents(len(real))
        self.critic.requires_grad_(False)
        self.generator_optimizer.zero_grad(set_to_none=True)
        losses = []
        for part in self._parts(latents, real, condition):
            loss = self._generator_loss(*part)
            (loss * self.config.adversarial_weight / self.num_parts).backward()
            losses.append(loss.detach())
        self._step(self.generator, self.generator_optimizer)
        self.critic.requires_grad_(True)
        return _mean(losses)

    def extend(self, samples: Tensor, condition: Tensor) -> None:
        """Extend the generator by what it does not draw yet of frames uint8 (N, H, W, C) with
        these conditions. Adam forgets its moments, as weights may have other sizes.
        """
        latents = samples.new_zeros(len(samples), self.config.latent_size, dtype=torch.float32)
        self.generator.extend(samples, latents, condition)
        _make_dense(self.generator)
        self.generator_optimizer.state.clear()
        self.capture(self._is_captured)

    def _reconstruct(self, real: Tensor, condition: Tensor | None) -> Tensor:
        """Update the generator as `update_reconstruction` does. Return the loss."""
        latents = self._own_latents(len(real))
        self.generator_optimizer.zero_grad(set_to_none=True)
        losses = []
        for latents_part, real_part, condition_part in self._parts(latents, real, condition):
            with self._autocast:
                loss = self.generator.reconstruction_loss(latents_part, condition_part, real_part)
            (loss / (self.num_parts * self.group.size)).backward()
            losses.append(loss.detach())
        self._step(self.generator, self.generator_optimizer)
        return _mean(losses)

    def _generator_loss(self, latents: Tensor, real: Tensor, condition: Tensor | None) -> Tensor:
        objective, gather = self.objective, self._gather
        real_logits = codes = None
        with self._autocast:
            fake = self.generator(latents, condition)
            fake_logits = gather(self.critic_logits(fake, condition).float())
            if objective.generator_needs_real:
                real_logits = gather(self.critic_logits(real, condition).float())
            if objective.pull_away:
                embed: Any = self.critic.embed
                codes = gather(embed(fake, condition).float())
        loss = objective.generator_loss(fake_logits, real_logits)
        return loss if codes is None else loss + objective.pull_away * pull_away(codes)

    def _logits_of_both(
        self, real: Tensor, fake: Tensor, condition: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The critic's outputs for the real and the generated samples of all processes."""
        with self._autocast:
            logits = self.critic_logits(torch.cat([real, fake]), condition).float()
        real_logits, fake_logits = logits.split(len(real))
        return self._gather(real_logits), self._gather(fake_logits)

    def critic_logits(self, samples: Tensor, condition: Tensor | None) -> Tensor:
        """The critic's outputs (n * B,) for samples (n * B, …): n batches with the same conditions
        (B, …).
        """
        logits: Tensor = self.critic(samples, _repeated(condition, len(samples)))
        return logits

    def has_penalty(self, critic_update: int) -> bool:
        """Whether the critic's update of that number, counted from 0, includes the penalty."""
        return self.penalty.has_gradient_term and critic_update % self.config.penalty_every == 0

    def _penalty_points(
        self, real: Tensor, fake: Tensor, condition: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """This process's share of the points where the critic's gradient is penalized, with their
        conditions.
        """
        share = slice(self.group.rank, None, self.group.size)
        points = self.penalty.points(self._gather(real), self._gather(fake), self.rng)
        if condition is None:
            return points[share], None
        conditions = _repeated(self._gather(condition), len(points))
        assert conditions is not None
        return points[share], conditions[share]

    def _penalty_cost(self, points: Tensor, condition: Tensor | None) -> Tensor:
        """The cost of the critic's gradients at the points of all processes."""
        norms = gradient_norms(partial(self.critic_logits, condition=condition), points)
        return self.penalty.cost(self._gather(norms))

    @torch.no_grad()
    def _generate(self, num: int, condition: Tensor | None) -> Tensor:
        """Generate this process's `num` samples."""
        latents = self._own_latents(num)
        with self._autocast:
            fakes = [self.generator(*part) for part in self._parts(latents, condition)]
        return _concatenated(fakes).float()

    def draw_latents(self, num: int) -> Tensor:
        """Draw latents (num, latent_size) from the run's random stream, or from the latent bank."""
        config, rng = self.config, self.rng
        if self._latent_bank is None:
            return draw_latents(num, config.latent_size, config.latent_prior, rng)
        size = len(self._latent_bank)
        return self._latent_bank[torch.randint(size, (num,), generator=rng, device=rng.device)]

    def _own_latents(self, num: int) -> Tensor:
        """Draw the latents of all processes; return this one's `num`."""
        if self.group.size == 1:
            return self.draw_latents(num)
        return self.draw_latents(num * self.group.size)[self.group.rank * num :][:num]

    def _parts(self, *tensors: Tensor | None) -> Iterator[tuple[Any, ...]]:
        """Split each tensor of a batch into `num_parts` parts; None stays None."""
        num = self.num_parts
        split = [(None,) * num if each is None else each.tensor_split(num) for each in tensors]
        return zip(*split, strict=True)

    def _gather(self, share: Tensor) -> Tensor:
        """The tensors (B, …) of all processes as one (size * B, …)."""
        return share if self.group.size == 1 else self.group.gather(share)

    def _step(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Change a network's weights by its gradients, those of all processes summed."""
        if self.group.size > 1:
            self.group.sum_gradients(network)
        optimizer.step()

    def set_learning_rates(self, generator: float, critic: float) -> None:
        """Set both learning rates, in place where a captured update reads them."""
        for optimizer, rate in (
            (self.generator_optimizer, generator),
            (self.critic_optimizer, critic),
        ):
            for settings in optimizer.param_groups:
                if isinstance(settings["lr"], Tensor):
                    settings["lr"].fill_(rate)
                else:
                    settings["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides how the next updates go, except the random streams: tensors, and
        containers of them.
        """
        return {
            "generator": self.generator.state_dict(),
            "critic": self.critic.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
            "objective": self.objective.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        for name in ("generator_optimizer", "critic_optimizer"):
            optimizer: torch.optim.Adam = getattr(self, name)
            of_this_device = [
                {key: settings[key] for key in ("lr", "capturable")}
                for settings in optimizer.param_groups
            ]
            optimizer.load_state_dict(state[name])
            for settings, kept in zip(optimizer.param_groups, of_this_device, strict=True):
                settings.update(kept)
        self.objective.load_state_dict(state["objective"])
        self.losses, self.outputs = {}, None
        self.capture(self._is_captured)

    def _new_optimizer(self, network: nn.Module, learning_rate: float) -> torch.optim.Adam:
        """Adam. On CUDA the learning rate is a tensor, so that a captured update can read it."""
        _make_dense(network)
        plan, betas = self.plan, (self.config.beta1, self.config.beta2)
        rate = torch.full((), learning_rate, device=plan.device) if plan.is_cuda else learning_rate
        groups: Any = list(network.parameters())
        if isinstance(network, Generator):
            groups = network.parameter_groups()
        return torch.optim.Adam(
            groups,
            rate,
            betas,
            fused=True,
            capturable=plan.is_cuda,
            decoupled_weight_decay=True,
        )

    def _new_latent_bank(self) -> Tensor | None:
        config = self.config
        if not config.latent_bank:
            return None
        rng = torch.Generator().manual_seed(config.seed)  # on the CPU: the same on every device
        bank = draw_latents(config.latent_bank, config.latent_size, config.latent_prior, rng)
        return bank.to(self.plan.device)


def _make_dense(network: nn.Module) -> None:
    """Copy weights that are parts of larger tensors: torch's fused Adam takes the memory of a
    weight for dense, and would change other elements than it should (seen in torch 2.13 on CPUs).
    """
    for weight in network.parameters():
        if weight.untyped_storage().nbytes() > weight.numel() * weight.element_size():
            weight.data = weight.data.clone(memory_format=torch.contiguous_format)


class MovingAverage:
    """An exponential moving average of a generator's weights; its generator is the one that
    samples.

    The half-life is counted in images. It is at most a tenth of the images seen so far, so that the
    first weights are soon forgotten (Karras et al. 2022, arXiv:2206.00364, appendix F.1,
    `ema_rampup`).

    Args:
        generator: the one whose weights are averaged.
        half_life: images after which a past weight counts half; 0 follows the generator without
            averaging.

    Attributes:
        generator: the averaged one.
    """

    def __init__(self, generator: Generator, half_life: int) -> None:
        self.half_life = half_life
        self.generator = copy.deepcopy(generator).requires_grad_(False).eval()

    def restart(self, generator: Generator) -> None:
        """Take over a generator's weights, whose sizes may have changed."""
        self.generator.load_state_dict(generator.state_dict())

    @torch.no_grad()
    def update(self, generator: Generator, num_images: int, num_new_images: int) -> None:
        """Include the generator's weights after `num_images` images in all, `num_new_images` of
        them since the last call.
        """
        half_life = min(self.half_life, _EMA_RAMP_UP * num_images)
        kept = 0.5 ** (num_new_images / half_life) if half_life else 0.0
        torch._foreach_lerp_(
            list(self.generator.parameters()), list(generator.parameters()), 1.0 - kept
        )
        for averaged, live in zip(self.generator.buffers(), generator.buffers(), strict=True):
            averaged.copy_(live)


def _repeated(condition: Tensor | None, num: int) -> Tensor | None:
    """Conditions repeated to `num` rows."""
    if condition is None or len(condition) == num:
        return condition
    return condition.repeat(num // len(condition), *[1] * (condition.ndim - 1))


def _concatenated(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _mean(losses: list[Tensor]) -> Tensor:
    return losses[0] if len(losses) == 1 else torch.stack(losses).mean()
