"""A GAN's training loop as one writes it without this package: the peer of the trainer."""

import copy

import torch
from torch import Tensor, nn

from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import Ram
from atarigan.images.pixels import Frames
from atarigan.images.subset import drawn
from atarigan.models.build import build_generator, network_shape
from atarigan.models.device import choose_device
from atarigan.models.families import NETWORKS, Generator
from atarigan.models.model_config import ModelConfig
from atarigan.training.objectives import OBJECTIVES

NUM_FITTED = 512


class EagerLoop:
    """Plain eager PyTorch, with the networks, batch, losses and optimisers of a configuration.

    Frames lie in memory, real and generated samples go through the critic one after the other, and
    nothing is averaged, logged or saved.
    """

    def __init__(self, model: ModelConfig, frames: Frames) -> None:
        config = model.run
        self.config = config
        self.device = choose_device(config.device)
        self.frames = torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()
        self.generator = build_generator(model)
        self.generator.fit(torch.from_numpy(frames[drawn(len(frames), NUM_FITTED)]))
        self.generator.to(self.device)
        family = NETWORKS[config.network]()
        self.critic: nn.Module = family.critic(network_shape(model)).to(self.device)
        self.objective = OBJECTIVES[config.objective]()
        betas = (config.beta1, config.beta2)
        self.generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), config.generator_lr, betas
        )
        self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), config.critic_lr, betas)
        self.num_critic_updates = 0

    def train_step(self) -> None:
        """`critic_steps` updates of the critic, then one of the generator."""
        for _ in range(self.config.critic_steps):
            real = self.real_batch()
            with torch.no_grad():
                fake = self.generator(self.latents())
            loss = self.objective.critic_loss(self.critic(real), self.critic(fake))
            if self.num_critic_updates % self.config.penalty_every == 0:
                weight = self.config.penalty_weight * self.config.penalty_every
                loss = loss + weight * self.penalty(real, fake)
            self.num_critic_updates += 1
            self.critic_optimizer.zero_grad()
            loss.backward()
            self.critic_optimizer.step()
        loss = self.objective.generator_loss(self.critic(self.generator(self.latents())), None)
        self.generator_optimizer.zero_grad()
        loss.backward()
        self.generator_optimizer.step()

    def real_batch(self) -> Tensor:
        chosen = torch.randint(len(self.frames), (self.config.batch_size,))
        return self.frames[chosen].to(self.device).float() / 127.5 - 1

    def latents(self) -> Tensor:
        return torch.randn(self.config.batch_size, self.config.latent_size, device=self.device)

    def penalty(self, real: Tensor, fake: Tensor) -> Tensor:
        """`gradient` or `r1`, as the configuration names it."""
        if self.config.penalty == "r1":
            return self.gradient_norms(real).square().mean() / 2
        alpha = torch.rand(len(real), 1, 1, 1, device=self.device)
        mixed = alpha * fake + (1 - alpha) * real
        return (self.gradient_norms(mixed) - 1).square().mean()

    def gradient_norms(self, samples: Tensor) -> Tensor:
        samples = samples.requires_grad_(True)
        (gradients,) = torch.autograd.grad(self.critic(samples).sum(), samples, create_graph=True)
        norms: Tensor = gradients.flatten(1).norm(dim=1)
        return norms


class EagerReconstruction:
    """The same for updates towards real frames of states, by the generator's own loss.

    Args:
        generator: the one to copy.
        config: batch size, learning rate and device.
        frames: uint8 (N, H, W, C).
        states: of these frames, uint8 (N, bytes).
    """

    def __init__(
        self, generator: Generator, config: RunConfig, frames: Frames, states: Ram
    ) -> None:
        self.config = config
        self.device = choose_device(config.device)
        self.frames = torch.from_numpy(frames).permute(0, 3, 1, 2).contiguous()
        self.states = torch.from_numpy(states)
        self.generator = copy.deepcopy(generator).to(self.device).requires_grad_(True).train()
        betas = (config.beta1, config.beta2)
        self.optimizer = torch.optim.Adam(self.generator.parameters(), config.generator_lr, betas)

    def update(self, batch_size: int) -> None:
        """One update of the generator."""
        chosen = torch.randint(len(self.frames), (batch_size,))
        real = self.frames[chosen].to(self.device).float() / 127.5 - 1
        states = self.states[chosen].to(self.device)
        latents = torch.randn(batch_size, self.config.latent_size, device=self.device)
        loss = self.generator.reconstruction_loss(latents, states, real)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
