"""What is judged of a generator: samples, and frames that follow one another."""

import numpy as np
import pytest

from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources import SOURCES
from atarigan.evaluation.drawn_samples import draw_samples
from atarigan.evaluation.evaluators import evaluator_for
from atarigan.evaluation.motion_evaluator import evaluated_motion

NUM_STEPS = 240


def frame_of(number):
    """A dot that walks over a small screen."""
    frame = np.zeros((20, 24, 1), np.uint8)
    row, column = number * 2 % 17, number * 3 % 21
    frame[row : row + 2, column : column + 2] = 200
    return frame


@pytest.fixture(scope="module")
def buffer(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "buffer"
    with FrameBuffer.create(path, NUM_STEPS, (20, 24, 1), ram_size=1) as made:
        for number in range(NUM_STEPS):
            made.add(frame_of(number), ram=np.array([number], np.uint8))
    return path


class AlwaysRight:
    """Draws the very frame of the state that it is told."""

    makes_frames = True
    reads_ram = True

    def latents(self, num, seed):
        return np.zeros((num, 2), np.float32)

    def sample(self, num, seed):
        return self.decode(None, np.arange(num, dtype=np.uint8)[:, None])

    def decode(self, latents, conditions):
        return np.stack([frame_of(int(number)) for number in conditions[:, 0]])


class Walker:
    """A frame shows its latent."""

    makes_frames = True
    reads_ram = False
    latent_size = 480
    latent_distribution = "normal"

    def sample(self, num, seed):
        return self.decode(np.zeros((num, 480), np.float32))

    def decode(self, latents):
        return (latents * 30 + 128).clip(0, 255).astype(np.uint8).reshape(-1, 20, 24, 1)


def opened(buffer, **settings):
    config = RunConfig(data=str(buffer), **settings)
    return SOURCES["frames"](config), config


def test_a_generator_of_states_that_is_always_right_moves_as_well_as_real_play(buffer):
    source, config = opened(buffer, condition="ram")
    drawn = draw_samples(AlwaysRight(), source, 20, seed=3)
    assert drawn.stacks.shape == (20, 4, 20, 24, 1)
    np.testing.assert_array_equal(*drawn.pairs)
    assert drawn.samples.shape == (20, 20, 24, 1)
    judge = evaluator_for(source, config, 20, seed=3, features="thumbnails-8x8")
    motion = evaluated_motion(source, judge, drawn.stacks)
    for name, score in motion.scores().items():
        assert score["value"] == score["floor"], name


def test_states_of_a_stack_follow_one_another(buffer):
    source, _ = opened(buffer, condition="ram")
    told = []

    class Listening(AlwaysRight):
        def decode(self, latents, conditions):
            told.append(conditions[:, 0])
            return super().decode(latents, conditions)

    draw_samples(Listening(), source, 20, seed=0)
    (stacks,) = (numbers.reshape(20, 4) for numbers in told if len(numbers) == 80)
    assert (np.diff(stacks.astype(int), axis=1) == 1).all()
    assert len(np.unique(stacks)) == 80


def test_other_generators_walk_within_a_stack_and_begin_anew_with_each(buffer):
    source, _ = opened(buffer)
    stacks = draw_samples(Walker(), source, 20, seed=0).stacks.astype(float)

    def correlation(first, second):
        return np.corrcoef(first.ravel(), second.ravel())[0, 1]

    assert correlation(stacks[:, 0], stacks[:, 1]) > 0.95
    assert correlation(stacks[:, 0], stacks[:, 3]) < correlation(stacks[:, 0], stacks[:, 1])
    assert abs(correlation(stacks[:-1, 3], stacks[1:, 0])) < 0.1


def test_what_is_too_short_for_stacks_has_none(tmp_path):
    with FrameBuffer.create(tmp_path / "buffer", 20, (20, 24, 1)) as made:
        for number in range(20):
            made.add(frame_of(number))
    source, _ = opened(tmp_path / "buffer")
    assert draw_samples(Walker(), source, 10, seed=0).stacks is None
