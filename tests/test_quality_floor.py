"""A short training on a toy game must reach a floor of quality: what no single loss shows."""

import dataclasses

import numpy as np
import pytest
import torch

from atarigan import FrameGenerator
from atarigan.cli.stop_request import StopRequest
from atarigan.config.recipes import load_recipe
from atarigan.training.build import build_trainer
from tests.toy_game import play

NUM_STEPS, NUM_TEST_STEPS = 2000, 400


@pytest.mark.slow  # tests/test_shifted_profiles.py has its network draw states that were not seen
def test_recipe_atari_draws_the_frames_of_new_states(tmp_path):
    """99.7 % of the pixels of ball and paddle are right after 12,000 images; 7 % before."""
    play(tmp_path / "train", NUM_STEPS, seed=0)
    test = play(tmp_path / "test", NUM_TEST_STEPS, seed=1)
    recipe = load_recipe("atari")
    config = dataclasses.replace(recipe, data=str(tmp_path / "train"), device="cpu", max_minutes=0)
    trainer = build_trainer(dataclasses.replace(config, max_images=8_000))
    trainer.run([], StopRequest())
    generator = FrameGenerator(trainer.model, trainer.averaged_generator, torch.device("cpu"))
    steps = np.arange(NUM_TEST_STEPS)
    real, ram = test.values_at("frames", steps), test.values_at("ram", steps)
    drawn = generator.decode(generator.latents(NUM_TEST_STEPS, seed=0), ram)
    is_foreground = (real > 0) | (drawn > 0)
    assert (drawn == real)[is_foreground].mean() > 0.97
    # States that the generator draws itself are of both objects as well.
    sampled = generator.sample(NUM_TEST_STEPS, seed=0)
    for level in np.unique(real):
        share, expected = ((frames == level).mean() for frames in (sampled, real))
        assert 0.9 < share / expected < 1.1, level
