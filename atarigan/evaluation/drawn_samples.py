"""What is judged: samples of a generator, or out of a file, and stacks that follow one another."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.data.sources.source import DataSource
from atarigan.evaluation.evaluator import Samples
from atarigan.evaluation.metrics.score import Progress
from atarigan.evaluation.motion_evaluator import NUM_STACK, two_sets_of_stacks
from atarigan.images.pixels import Frames
from atarigan.models.frame_generator import FrameGenerator, Ram
from atarigan.models.latent_stream import LatentStream
from atarigan.models.latents import Latents

WALK_LENGTH = 50.0
_FEWEST_STACKS = 8
_PART = 1000


@dataclass(frozen=True)
class DrawnSamples:
    """Samples to judge.

    Attributes:
        samples: uint8 (N, H, W, C) or points (N, 2).
        pairs: generated frames of states that real frames were in, and those, each uint8 (N, H, W,
            C); None where it draws frames of no given state.
        stacks: frames that follow one another, oldest first, uint8 (M, K, H, W, C); None where
            there are none.
    """

    samples: Samples
    pairs: tuple[Frames, Frames] | None = None
    stacks: Frames | None = None

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Samples made elsewhere; of stacks uint8 (N, K, H, W, C) the newest frames are judged as
        frames.
        """
        return cls(samples[:, -1], stacks=samples) if samples.ndim == 5 else cls(samples)


def draw_samples(
    generator: FrameGenerator,
    source: DataSource,
    num: int,
    seed: int,
    progress: Progress = lambda _: None,
) -> DrawnSamples:
    """Samples of a generator; where it draws frames of given states of the console's memory, those
    of randomly picked real frames as well.
    """
    if not generator.makes_frames:
        return DrawnSamples(generator.sample_points(num, seed))
    samples = generator.sample(num, seed)
    progress(num)
    stacks = _draw_stacks(generator, source, num, seed, progress)
    if not generator.reads_ram:
        return DrawnSamples(samples, stacks=stacks)
    return DrawnSamples(samples, draw_pairs(generator, source, num, seed, progress), stacks)


def draw_pairs(
    generator: FrameGenerator,
    source: DataSource,
    num: int,
    seed: int,
    progress: Progress = lambda _: None,
) -> tuple[Frames, Frames]:
    """Frames of the states that `num` randomly picked real frames were in, or all where there are
    fewer, as a generator that reads the console's memory draws them, and those real frames.
    """
    picked = np.random.default_rng([seed, 1]).permutation(source.num_samples)[:num]
    latents = generator.latents(len(picked), seed)
    frames = _decoded(generator, latents, source.conditions_at(picked), progress)
    return frames, source.samples_at(picked)


def _draw_stacks(
    generator: FrameGenerator, source: DataSource, num: int, seed: int, progress: Progress
) -> Frames | None:
    """What an agent would see of consecutive steps: frames of consecutive states, a new latent each
    as the wrappers draw them, or of a walk of the latent.

    The states are those of the real stacks that set the floor, so that a generator that is always
    right scores just that. None where the source is no game, or too short a one.
    """
    if not isinstance(source, BufferedFrames):
        return None
    if len(source.whole_stacks(NUM_STACK)) < _FEWEST_STACKS:
        return None
    _, states = two_sets_of_stacks(source, num, NUM_STACK, seed)
    if generator.reads_ram:
        latents = generator.latents(states.size, seed)
        conditions = source.conditions_at(states.ravel())
    else:
        latents, conditions = _walks(generator, len(states), seed), None
    frames = _decoded(generator, latents, conditions, progress)
    return frames.reshape(*states.shape, *frames.shape[1:])


def _walks(generator: FrameGenerator, num: int, seed: int) -> Latents:
    """Latents of `num` walks one after the other, float32 (num * NUM_STACK, latent_size)."""
    walk = LatentStream(generator, "walk", WALK_LENGTH)
    walk.seed(seed)
    places = num * [*range(NUM_STACK)]
    return np.stack([walk.advance() if place else walk.begin() for place in places])


def _decoded(
    generator: FrameGenerator, latents: Latents, conditions: Ram | None, progress: Progress
) -> Frames:
    """The frames of latents and conditions, drawn in parts."""
    parts = []
    for start in range(0, len(latents), _PART):
        part = slice(start, start + _PART)
        condition = () if conditions is None else (conditions[part],)
        parts.append(generator.decode(latents[part], *condition))
        progress(len(parts[-1]))
    return np.concatenate(parts)
