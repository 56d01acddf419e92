"""Every network family fits samples of any shape."""

import numpy as np
import pytest
import torch

from atarigan.errors import InputError
from atarigan.networks import NETWORKS, NetworkShape
from atarigan.networks.codebook import CodebookGenerator, StraightThroughChoice, frequent_values
from atarigan.networks.ladder import halvings
from atarigan.pixels import floats_to_frames, frames_to_floats

IMAGE_SHAPES = [(1, 84, 84), (3, 210, 160), (3, 250, 160), (1, 5, 7), (2, 33, 1), (3, 64, 64)]


@pytest.mark.parametrize("family", list(NETWORKS))
@pytest.mark.parametrize("shape", IMAGE_SHAPES, ids=str)
def test_any_image_shape(family, shape):
    described = NetworkShape(shape, latent_size=8, generator_width=4, critic_width=4)
    family = NETWORKS[family]()
    generator, critic = family.generator(described), family.critic(described)
    latents = torch.randn(2, 8)
    if shape[0] <= 3:
        generator.start_from(torch.rand(4, *shape) * 2 - 1)
    samples = generator(latents)
    assert samples.shape == (2, *shape)
    assert samples.min() >= -1
    assert samples.max() <= 1
    logits = critic(samples)
    assert logits.shape == (2,)
    logits.sum().backward()
    for network in (generator, critic):
        assert any(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("family", list(NETWORKS))
def test_bfloat16(family):
    described = NetworkShape((1, 20, 24), latent_size=8, generator_width=4, critic_width=4)
    family = NETWORKS[family]()
    generator, critic = family.generator(described), family.critic(described)
    generator.start_from(torch.rand(4, 1, 20, 24) * 2 - 1)
    with torch.autocast("cpu", torch.bfloat16):
        logits = critic(generator(torch.randn(2, 8)))
    logits.float().sum().backward()
    for network in (generator, critic):
        assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("family", [name for name in NETWORKS if name != "mlp"])
def test_points_are_refused_by_name(family):
    with pytest.raises(InputError, match=rf"{family}.*\(C, H, W\).*\(2,\)"):
        NETWORKS[family]().generator(NetworkShape((2,), 8))


def test_mlp_makes_points():
    family = NETWORKS["mlp"]()
    shape = NetworkShape((2,), 3)
    assert family.critic(shape)(family.generator(shape)(torch.randn(5, 3))).shape == (5,)


@pytest.mark.parametrize("family", list(NETWORKS))
def test_a_critic_treats_every_sample_by_itself(family):
    critic = NETWORKS[family]().critic(NetworkShape((1, 20, 24), 8, critic_width=4))
    samples = torch.randn(4, 1, 20, 24)
    torch.testing.assert_close(critic(samples)[:2], critic(samples[:2]))


def test_ladder_ends_small_and_halves_rounding_up():
    assert halvings(84, 84) == [(84, 84), (42, 42), (21, 21), (11, 11), (6, 6), (3, 3)]
    assert halvings(1, 9) == [(1, 9), (1, 5)]


def codebook_for(frames):
    shape = frames.shape[1:]
    image_shape = (shape[2], *shape[:2])
    described = NetworkShape(image_shape, latent_size=4, generator_width=16)
    generator = CodebookGenerator(described, image_shape, num_values=3, rank=2)
    generator.start_from(frames_to_floats(torch.from_numpy(frames)))
    return generator


def test_codebook_shows_only_values_that_occurred_at_the_pixel():
    rng = np.random.default_rng(0)
    frames = rng.choice([0, 80, 200], size=(50, 6, 5, 3)).astype(np.uint8)
    frames[:, 0] = 17  # never changes
    generator = codebook_for(frames)
    torch.nn.init.normal_(generator.bias, std=5.0)
    shown = floats_to_frames(generator(torch.randn(40, 4))).numpy()
    assert (shown[:, 0] == 17).all()
    for row, column in np.ndindex(6, 5):
        occurred = {tuple(color) for color in frames[:, row, column]}
        assert {tuple(color) for color in shown[:, row, column]} <= occurred
    assert len(np.unique(shown[:, 1:])) == 3


def test_frequent_values_counts():
    frames = np.zeros((10, 1, 2, 1), np.uint8)
    frames[:3, 0, 0] = 9
    frames[:6, 0, 1] = 5
    values, frequencies = frequent_values(frames_to_floats(torch.from_numpy(frames)), 3)
    assert floats_to_frames(values)[:, 0, :, 0].tolist() == [[0, 5], [9, 0], [0, 5]]
    torch.testing.assert_close(frequencies[:, 0], torch.tensor([[0.7, 0.6], [0.3, 0.4], [0, 0]]))


def test_straight_through_gradient_is_that_of_the_soft_mixture():
    logits = torch.randn(2, 4, 3, 5, dtype=torch.float64, requires_grad=True)
    values = torch.randn(4, 3, 3, 5, dtype=torch.float64)
    upstream = torch.randn(2, 3, 3, 5, dtype=torch.float64)
    image = StraightThroughChoice.apply(logits, values)
    chosen = torch.nn.functional.one_hot(logits.argmax(1), 4).double()
    torch.testing.assert_close(image, torch.einsum("bhwk,kchw->bchw", chosen, values))
    (straight,) = torch.autograd.grad(image, logits, upstream)
    soft = torch.einsum("bkhw,kchw->bchw", logits.softmax(1), values)
    (expected,) = torch.autograd.grad(soft, logits, upstream)
    torch.testing.assert_close(straight, expected)
