"""Drawing samples, stacks and pairs from a generator."""

import numpy as np
import pytest

from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources import SOURCES
from atarigan.evaluation.build import evaluator_for
from atarigan.evaluation.drawn_samples import draw_samples
from atarigan.evaluation.motion_evaluator import evaluate_motion

NUM_STEPS = 240


def frame_of(number):
    """A frame with a dot that moves with the number."""
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


class PerfectGenerator:
    """Draws the real frame of each state."""

    makes_frames = True
    reads_ram = True

    def latents(self, num, seed):
        return np.zeros((num, 2), np.float32)

    def sample(self, num, seed):
        return self.decode(None, np.arange(num, dtype=np.uint8)[:, None])

    def decode(self, latents, conditions):
        return np.stack([frame_of(int(number)) for number in conditions[:, 0]])


class UnconditionalGenerator:
    """Draws frames that show their latents."""

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


def test_stacks_of_a_perfect_generator_score_the_floor(buffer):
    source, config = opened(buffer, condition="ram")
    drawn = draw_samples(PerfectGenerator(), source, 20, seed=3)
    assert drawn.stacks.shape == (20, 4, 20, 24, 1)
    np.testing.assert_array_equal(drawn.pairs.frames, drawn.pairs.true)
    assert drawn.samples.shape == (20, 20, 24, 1)
    evaluator = evaluator_for(source, config, 20, seed=3, features="thumbnails-8x8")
    motion = evaluate_motion(source, evaluator, drawn.stacks)
    for name, score in motion.scores().items():
        assert score["value"] == score["floor"], name


def test_stacks_of_a_conditioned_generator_have_consecutive_states(buffer):
    source, _ = opened(buffer, condition="ram")
    decoded = []

    class Recording(PerfectGenerator):
        def decode(self, latents, conditions):
            decoded.append(conditions[:, 0])
            return super().decode(latents, conditions)

    draw_samples(Recording(), source, 20, seed=0)
    (stacks,) = (numbers.reshape(20, 4) for numbers in decoded if len(numbers) == 80)
    assert (np.diff(stacks.astype(int), axis=1) == 1).all()
    assert len(np.unique(stacks)) == 80


def test_stacks_of_other_generators_are_separate_random_walks(buffer):
    source, _ = opened(buffer)
    stacks = draw_samples(UnconditionalGenerator(), source, 20, seed=0).stacks.astype(float)

    def correlation(first, second):
        return np.corrcoef(first.ravel(), second.ravel())[0, 1]

    assert correlation(stacks[:, 0], stacks[:, 1]) > 0.95
    assert correlation(stacks[:, 0], stacks[:, 3]) < correlation(stacks[:, 0], stacks[:, 1])
    assert abs(correlation(stacks[:-1, 3], stacks[1:, 0])) < 0.1


def test_a_source_too_short_for_stacks_gives_none(tmp_path):
    with FrameBuffer.create(tmp_path / "buffer", 20, (20, 24, 1)) as made:
        for number in range(20):
            made.add(frame_of(number))
    source, _ = opened(tmp_path / "buffer")
    assert draw_samples(UnconditionalGenerator(), source, 10, seed=0).stacks is None
