"""The updates of a step, compared with the same written by hand; and what they must not ignore."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from atarigan.config.run_config import RunConfig
from atarigan.data.sources.image_set import ImageSet
from atarigan.training.build import build_trainer

CONFIG = RunConfig(
    source="mnist",
    network="dcgan",
    condition="class",
    objective="non_saturating",
    penalty="gradient",
    penalty_weight=3.0,
    penalty_every=2,
    critic_steps=3,
    generator_steps=2,
    reconstruction_steps=2,
    adversarial_weight=0.25,
    generator_width=4,
    critic_width=4,
    latent_size=3,
    batch_size=8,
    generator_lr=2e-3,
    critic_lr=1e-3,
    final_lr=0.5,
    beta1=0.5,
    average_half_life=300,
    max_images=4000,
    device="cpu",
)


def two_classes(config):
    """64 images of 8×8: a bright upper half for class 0, a bright lower half for class 1."""
    labels = np.arange(64) % 2
    images = np.full((64, 8, 8, 1), 40, np.uint8)
    images[labels == 0, :4] = 200
    images[labels == 1, 4:] = 200
    return ImageSet(images, config, labels, num_classes=2)


@pytest.fixture
def trainer():
    return build_trainer(CONFIG, source=two_classes(CONFIG))


def steps_by_hand(trainer, num_steps):
    """The weights of generator, critic and averaged generator after steps as the papers have them:
    Goodfellow et al. 2014 with the non-saturating loss, Gulrajani et al. 2017, eq. 3.
    """
    config = trainer.config
    generator, critic = (
        copy.deepcopy(n) for n in (trainer.updates.generator, trainer.updates.critic)
    )
    averaged = copy.deepcopy(generator).eval()
    for network in (generator, critic):
        network.train()
    betas = (config.beta1, config.beta2)
    adam_g = torch.optim.Adam(generator.parameters(), config.generator_lr, betas)
    adam_c = torch.optim.Adam(critic.parameters(), config.critic_lr, betas)
    rng = torch.Generator().manual_seed(config.seed)
    batches = trainer.open_batches()

    def latents():
        return torch.randn(config.batch_size, config.latent_size, generator=rng)

    num_images = 0
    for step in range(num_steps):
        share = 1 - (1 - config.final_lr) * num_images / config.max_images
        adam_g.param_groups[0]["lr"] = config.generator_lr * share
        adam_c.param_groups[0]["lr"] = config.critic_lr * share
        for _ in range(config.reconstruction_steps):
            real, condition = next(batches)
            adam_g.zero_grad()
            (generator(latents(), condition) - real).abs().mean().backward()
            adam_g.step()
        for number in range(step * config.critic_steps, (step + 1) * config.critic_steps):
            real, condition = next(batches)
            with torch.no_grad():
                fake = generator(latents(), condition)
            has_penalty = number % config.penalty_every == 0
            if has_penalty:
                mix = torch.rand(len(real), 1, 1, 1, generator=rng)
                points = (real + mix * (fake - real)).requires_grad_()
            loss = (
                softplus(-critic(real, condition)).mean() + softplus(critic(fake, condition)).mean()
            )
            if has_penalty:
                total = critic(points, condition).sum()
                (gradient,) = torch.autograd.grad(total, points, create_graph=True)
                cost = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
                loss = loss + config.penalty_weight * config.penalty_every * cost
            adam_c.zero_grad()
            loss.backward()
            adam_c.step()
        for _ in range(config.generator_steps):
            adam_g.zero_grad()
            loss = softplus(-critic(generator(latents(), condition), condition)).mean()
            (config.adversarial_weight * loss).backward()
            adam_g.step()
        new = config.batch_size * (config.critic_steps + config.reconstruction_steps)
        num_images += new
        kept = 0.5 ** (new / min(config.average_half_life, 0.1 * num_images))
        with torch.no_grad():
            for average, live in zip(averaged.parameters(), generator.parameters(), strict=True):
                average.lerp_(live, 1 - kept)
    return generator, critic, averaged


def test_steps_are_those_written_by_hand(trainer):
    expected = steps_by_hand(trainer, num_steps=3)
    before = copy.deepcopy(trainer.updates.generator)
    batches = trainer.open_batches()
    for _ in range(3):
        trainer.train_step(batches)
    found = (trainer.updates.generator, trainer.updates.critic, trainer.averaged_generator)
    for ours, theirs in zip(found, expected, strict=True):
        for (name, weight), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(weight, other, rtol=1e-3, atol=2e-5, msg=name)
    pairs = zip(before.parameters(), expected[0].parameters(), strict=True)
    changes = [(a - b).abs().max() for a, b in pairs]
    assert max(changes) > 1e-3


class OtherClass(nn.Module):
    """Draws perfect images of the class that was not asked for."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, latents, condition):
        images = torch.full((len(latents), 1, 8, 8), -1.0)
        is_first = condition[:, 0].bool()
        images[is_first, :, 4:] = 0.5
        images[~is_first, :, :4] = 0.5
        return self.scale * images


def test_weights_that_are_parts_of_larger_tensors_are_trained_alike():
    """torch's fused Adam would change other elements than it should."""
    trainers = [build_trainer(CONFIG, source=two_classes(CONFIG)) for _ in range(2)]
    updates = trainers[1].updates
    for weight in updates.generator.parameters():
        weight.data = nn.functional.pad(weight.data, (1, 0))[..., 1:]
    assert not all(weight.is_contiguous() for weight in updates.generator.parameters())
    updates.generator_optimizer = updates._new_optimizer(updates.generator, CONFIG.generator_lr)
    for each in trainers:
        each.train_step(each.open_batches())
    one, other = (each.updates.generator.state_dict() for each in trainers)
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=1e-6, rtol=1e-4)


def test_a_critic_uses_its_condition(trainer):
    """Fakes are right images with the wrong label: only the condition tells them from real ones."""
    updates, batches = trainer.updates, trainer.open_batches()
    updates.generator = OtherClass()
    for _ in range(60):
        updates.update_critic(*next(batches), with_penalty=False)
    assert updates.outputs is not None
    real_logits, fake_logits = updates.outputs
    assert real_logits.min() > fake_logits.max()


def test_a_batch_with_the_wrong_conditions_gives_another_loss(trainer):
    real, condition = next(trainer.open_batches())
    losses = []
    for conditions in (condition, condition.flip(1)):
        other = copy.deepcopy(trainer.updates)
        other.update_reconstruction(real, conditions)
        losses.append(other.losses["reconstruction_loss"])
    assert losses[0] != losses[1]
