"""The latents that environments ask for."""

from typing import Any, Literal

import numpy as np
import pytest
import torch

from atarigan.envs.observation_stream import seed_from
from atarigan.envs.vector_api import seeds_of_reset
from atarigan.errors import InputError
from atarigan.models.latent_stream import LatentStream
from atarigan.models.latent_tensors import NoiseStreams
from tests.fakes import FakeGenerator


def latents_of(stream: LatentStream, num: int) -> np.ndarray:
    return np.array([stream.begin()] + [stream.advance() for _ in range(num - 1)])


def seeded(
    schedule: Any, seed: int = 0, walk_length: float = 10, distribution: Any = "normal"
) -> LatentStream:
    stream = LatentStream(FakeGenerator(latent_distribution=distribution), schedule, walk_length)
    stream.seed(seed)
    return stream


def test_step_draws_a_new_latent_and_episode_keeps_it() -> None:
    steps = latents_of(seeded("step"), 5)
    assert len(np.unique(steps, axis=0)) == 5
    stream = seeded("episode")
    first, second = latents_of(stream, 5), latents_of(stream, 5)
    assert len(np.unique(first, axis=0)) == len(np.unique(second, axis=0)) == 1
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_a_walk_keeps_the_distribution_and_forgets_at_its_length(
    distribution: Literal["normal", "uniform"],
) -> None:
    walk = latents_of(seeded("walk", walk_length=10, distribution=distribution), 20_000)
    if distribution == "normal":
        np.testing.assert_allclose(walk.mean(), 0, atol=0.1)
        np.testing.assert_allclose(walk.var(), 1, atol=0.1)
    else:
        assert np.abs(walk).max() <= 1
        shares, _ = np.histogram(walk, bins=10, range=(-1, 1))
        np.testing.assert_allclose(shares / walk.size, 0.1, atol=0.015)
    correlation = np.corrcoef(walk[:-10].ravel(), walk[10:].ravel())[0, 1]
    np.testing.assert_allclose(correlation, np.exp(-1), atol=0.05)
    # smooth: a step moves a tenth as far (squared) as an independent draw would
    moved = np.square(np.diff(walk, axis=0)).mean() / (2 * walk.var())
    assert moved < 0.15


@pytest.mark.parametrize("schedule", ["step", "episode", "walk"])
def test_a_seed_determines_all_latents(schedule: str) -> None:
    stream = seeded(schedule, 3)
    once = np.concatenate([latents_of(stream, 4), latents_of(stream, 4)])
    stream.seed(3)
    again = np.concatenate([latents_of(stream, 4), latents_of(stream, 4)])
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, latents_of(seeded(schedule, 4), 8))


def test_chances_do_not_change_the_latents() -> None:
    plain, asked = seeded("step"), seeded("step")
    chances = [asked.chance(0.25) for _ in range(2000)]
    assert 0.2 < np.mean(chances) < 0.3
    np.testing.assert_array_equal(plain.begin(), asked.begin())


def test_seed_from_does_not_advance_the_generator() -> None:
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert seed_from(rng) == seed_from(rng)
    assert rng.bit_generator.state == before


def test_seeds_of_a_reset() -> None:
    all_envs, some = np.arange(3), np.array([0, 2])
    assert seeds_of_reset(None, 3, all_envs) == [None] * 3
    assert seeds_of_reset(7, 3, all_envs) == [7, 8, 9]
    assert seeds_of_reset(7, 3, some) == [7, 9]
    assert seeds_of_reset([4, None, 6], 3, some) == [4, 6]
    assert seeds_of_reset(np.array([4, -1]), 3, some) == [4, None]
    with pytest.raises(InputError, match="a seed for each of 3 sub-environments, not 1 seeds"):
        seeds_of_reset([4], 3, some)


def noise(seeds: list[int], num_draws: int, size: int = 5) -> np.ndarray:
    """Return draws (num_draws, streams, size)."""
    streams = NoiseStreams(len(seeds), size, torch.device("cpu"))
    streams.seed(range(len(seeds)), seeds)
    return np.array([streams.draw().numpy() for _ in range(num_draws)])


def test_noise_depends_on_a_streams_own_seed_alone() -> None:
    together = noise([7, 8, 2**80], 6)
    np.testing.assert_array_equal(together[:, 1:2], noise([8], 6))
    np.testing.assert_array_equal(together[:, ::-1], noise([2**80, 8, 7], 6))
    np.testing.assert_array_equal(together[..., :2], noise([7, 8, 2**80], 6, size=2))


def test_noise_of_some_streams_does_not_move_the_others() -> None:
    streams = NoiseStreams(2, 5, torch.device("cpu"))
    streams.seed([0, 1], [7, 8])
    alone = streams.draw(torch.tensor([1]))
    together = streams.draw()
    expected = noise([7, 8], 2)
    np.testing.assert_array_equal(alone[0], expected[0, 1])
    np.testing.assert_array_equal(together, [expected[0, 0], expected[1, 1]])


def test_noise_is_standard_normal_and_independent() -> None:
    drawn = noise(list(range(20)), 2000)
    assert np.abs(drawn).max() < 5.5
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        np.testing.assert_allclose((drawn**power).mean(), moment, atol=0.1)
    rows = drawn.reshape(2000, -1)
    correlations = np.corrcoef(rows.T) - np.eye(100)
    assert np.abs(correlations).max() < 0.12  # 5 standard deviations of 4,950 pairs
    assert np.abs((rows[1:] * rows[:-1]).mean(axis=0)).max() < 0.12
