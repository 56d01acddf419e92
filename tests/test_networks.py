"""Every network family fits samples of any shape."""

import numpy as np
import pytest
import torch

from atarigan.errors import InputError
from atarigan.images.pixels import floats_to_frames
from atarigan.models.families import NETWORKS, NetworkShape
from atarigan.models.families.codebook import CodebookGenerator, StraightThroughChoice
from atarigan.models.families.mlp import MlpFamily
from atarigan.models.families.network import downsampled_sizes
from atarigan.models.families.profiles import ProfilesGenerator
from tests.fakes import noise_frames

IMAGE_SHAPES = [
    (1, 84, 84),
    (3, 35, 24),
    (1, 5, 7),
    (2, 33, 1),
    (3, 64, 64),
    pytest.param((3, 210, 160), marks=pytest.mark.slow),
    pytest.param((3, 250, 160), marks=pytest.mark.slow),
]


def small(family, shape, condition_size=0):
    """A description of the family's networks with few channels."""
    layers = {
        "atari_wgan": {"generator_layers": (8, 6, 5, 4, 9), "critic_layers": (16, 16, 16, 32)},
        "mlp_norm": {"generator_layers": (8, 9), "critic_layers": (9, 8)},
    }
    return NetworkShape(
        shape, 8, condition_size, generator_width=4, critic_width=4, **layers.get(family, {})
    )


@pytest.mark.parametrize("family", list(NETWORKS))
@pytest.mark.parametrize("shape", IMAGE_SHAPES, ids=str)
def test_any_image_shape(family, shape):
    described = small(family, shape)
    family = NETWORKS[family]()
    generator, critic = family.generator(described), family.critic(described)
    latents = torch.randn(2, 8)
    if shape[0] <= 3:
        generator.fit(noise_frames(4, shape))
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
    described = small(family, (1, 20, 24))
    family = NETWORKS[family]()
    generator, critic = family.generator(described), family.critic(described)
    generator.fit(noise_frames(4, (1, 20, 24)))
    with torch.autocast("cpu", torch.bfloat16):
        logits = critic(generator(torch.randn(2, 8)))
    logits.float().sum().backward()
    for network in (generator, critic):
        assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("family", [n for n in NETWORKS if not issubclass(NETWORKS[n], MlpFamily)])
def test_points_are_refused_by_name(family):
    with pytest.raises(InputError, match=rf"{family}.*\(C, H, W\).*\(2,\)"):
        NETWORKS[family]().generator(NetworkShape((2,), 8))


def test_mlp_makes_points():
    family = NETWORKS["mlp"]()
    shape = NetworkShape((2,), 3)
    assert family.critic(shape)(family.generator(shape)(torch.randn(5, 3))).shape == (5,)


@pytest.mark.parametrize("family", list(NETWORKS))
def test_a_critics_output_does_not_depend_on_the_batch(family):
    if NETWORKS[family].critic_mixes_samples:
        pytest.skip("declares that it does")
    critic = NETWORKS[family]().critic(small(family, (1, 20, 24))).eval()
    samples = torch.randn(4, 1, 20, 24)
    torch.testing.assert_close(critic(samples)[:2], critic(samples[:2]))


def test_downsampled_sizes_halve_rounding_up_and_end_small():
    assert downsampled_sizes(84, 84) == [(84, 84), (42, 42), (21, 21), (11, 11), (6, 6), (3, 3)]
    assert downsampled_sizes(1, 9) == [(1, 9), (1, 5)]


def codebook_for(frames):
    shape = frames.shape[1:]
    image_shape = (shape[2], *shape[:2])
    described = NetworkShape(image_shape, latent_size=4, generator_width=16)
    generator = CodebookGenerator(described, image_shape, num_values=3, rank=2)
    generator.fit(torch.from_numpy(frames))
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


def test_straight_through_gradient_is_that_of_the_expected_value():
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


@pytest.mark.parametrize("family", list(NETWORKS))
def test_conditions_change_the_outputs_of_both_networks(family):
    described = small(family, (1, 12, 20), condition_size=3)
    family = NETWORKS[family]()
    generator, critic = family.generator(described).eval(), family.critic(described).eval()
    generator.fit(noise_frames(64, (1, 12, 20)))
    latents = torch.randn(1, 8).expand(3, 8)
    samples = generator(latents, torch.eye(3))
    assert not torch.equal(samples[0], samples[1])
    same = samples[:1].expand(3, -1, -1, -1)
    assert len(critic(same, torch.eye(3)).unique()) == 3


@pytest.mark.parametrize(
    ("family", "shape", "settings", "generator", "critic"),
    [
        # Sizes and counts from the published descriptions, worked out by hand.
        ("mlp", (2,), {"latent_size": 1}, 200 + 10_100 + 202, 300 + 10_100 + 101),
        ("mlp_sigmoid", (2,), {"latent_size": 1}, 200 + 10_100 + 202, 300 + 10_100 + 101),
        (
            "mlp_norm", (1, 28, 28), {"latent_size": 100},
            (100 * 128 + 128 * 256 + 256 * 512 + 512 * 1024) + 3 * (128 + 256 + 512 + 1024)
            + 1024 * 784 + 784,
            784 * 512 + 512 + 512 * 256 + 256 + 256 * 128 + 128 + 128 + 1,
        ),
        (
            "atari_wgan", (3, 210, 160), {"latent_size": 100},
            16 * (100 * 512 + 512 * 256 + 256 * 128 + 128 * 64) + 3 * (512 + 256 + 128 + 64)
            + 65_536 * 1012 + 1012 + 1012 * 100_800 + 100_800,
            3 * 32 * 64 + 32 + 32 * 64 * 16 + 64 + 64 * 64 * 9 + 64 + 22_528 * 1012 + 1012 + 1013,
        ),
        (
            "joined_autoencoder", (3, 64, 64), {"latent_size": 256},
            257 * 1024 + 1025 * 8192 + 16 * (128 * 64 + 64 * 16 + 16 * 5) + 64 + 16 + 5
            + 25 * 5 * 3 + 3,
            16 * (3 * 48 + 48 * 64 + 64 * 16) + 48 + 64 + 16 + 1025 * 1280
            + 25 * (20 * 64 + 64 * 32 + 32 * 3) + 64 + 32 + 3,
        ),
    ],
)  # fmt: skip
def test_published_networks_have_their_published_sizes(family, shape, settings, generator, critic):
    with torch.device("meta"):
        described = NetworkShape(shape, **settings)
        networks = NETWORKS[family]().generator(described), NETWORKS[family]().critic(described)
    counts = [sum(weight.numel() for weight in network.parameters()) for network in networks]
    assert counts == [generator, critic]


def test_a_wrong_number_of_listed_layers_is_refused():
    described = NetworkShape((1, 40, 40), 8, generator_layers=(4, 4))
    with pytest.raises(InputError, match=r"--generator-layers must be 5 sizes here, not \[4, 4\]"):
        NETWORKS["atari_wgan"]().generator(described)


def test_layer_lists_and_slopes_shape_the_networks():
    shape = NetworkShape((2,), 3, generator_layers=(5, 7), critic_layers=(6,), leaky_slope=0.3)
    family = NETWORKS["mlp"]()
    sizes = [
        [layer.out_features for layer in network.modules() if isinstance(layer, torch.nn.Linear)]
        for network in (family.generator(shape), family.critic(shape))
    ]
    assert sizes == [[5, 7, 2], [6, 1]]
    leaky = [m for m in family.critic(shape).modules() if isinstance(m, torch.nn.LeakyReLU)]
    assert {layer.negative_slope for layer in leaky} == {0.3}


def test_profiles_are_a_background_and_products_of_rows_and_columns():
    shape = NetworkShape((1, 6, 5), latent_size=2, condition_size=3)
    generator = ProfilesGenerator(shape, (1, 6, 5), rank=4).double()
    generator.fit(noise_frames(30, (1, 6, 5)))
    inputs = torch.randn(3, 5, dtype=torch.float64)
    rows = generator.row_profiles(inputs)
    columns = generator.column_profiles(inputs)
    expected = generator.background + torch.einsum("bir,brj->bij", rows, columns) / 2
    torch.testing.assert_close(generator.positions(inputs).double(), expected, rtol=1e-6, atol=1e-6)


def test_profiles_start_without_an_influence_of_latents_where_there_is_a_condition():
    shape = NetworkShape((1, 6, 5), latent_size=2, condition_size=3)
    generator = ProfilesGenerator(shape, (1, 6, 5))
    condition = torch.randn(4, 3)
    first, second = (
        generator.positions(torch.cat([torch.randn(4, 2), condition], 1)) for _ in "ab"
    )
    assert torch.equal(first, second)
    alone = ProfilesGenerator(NetworkShape((1, 6, 5), latent_size=2), (1, 6, 5))
    assert not torch.equal(alone.positions(torch.randn(1, 2)), alone.positions(torch.randn(1, 2)))
