"""The samples that an evaluation scores: drawn from a generator, or read from a file."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.data.sources.source import DataSource
from atarigan.data.states import State
from atarigan.errors import InputError
from atarigan.evaluation.evaluator import Samples
from atarigan.evaluation.metrics.score import Progress
from atarigan.evaluation.motion_evaluator import NUM_STACK, StackIndices, two_sets_of_stacks
from atarigan.images.pixels import Frames
from atarigan.images.subset import evenly_spaced
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.latent_stream import LatentStream, state_of
from atarigan.models.latents import Latents
from atarigan.models.state.code_use import CodeUse

WALK_LENGTH = 50.0
_CHUNK = 1000


class Pairs(NamedTuple):
    """Generated and real frames of the same states.

    Attributes:
        frames: generated frames, uint8 (N, H, W, C).
        true: the real frames, uint8 (N, H, W, C).
        episodes: episode of each real frame, int64 (N,); None if they are independent.
    """

    frames: Frames
    true: Frames
    episodes: npt.NDArray[np.int64] | None


@dataclass(frozen=True)
class DrawnSamples:
    """Samples to evaluate.

    Attributes:
        samples: frames uint8 (N, H, W, C) or points (N, 2).
        pairs: frames of the same states; None for generators that are not conditioned on states.
        stacks: consecutive frames, oldest first, uint8 (M, K, H, W, C), or None.
        num_clipped: real states whose numbers were clipped to the range of the training data.
        code_use: how much of the codes of these real frames is used; None without codes.
        weights_sha256: checksum of the generator's file of weights; None if that is unknown.
    """

    samples: Samples
    pairs: Pairs | None = None
    stacks: Frames | None = None
    num_clipped: int = 0
    code_use: CodeUse | None = None
    weights_sha256: str | None = None

    @classmethod
    def of(cls, samples: Samples) -> Self:
        """Wrap existing samples. The newest frames of stacks uint8 (N, K, H, W, C) are also
        evaluated as single frames.
        """
        return cls(samples[:, -1], stacks=samples) if samples.ndim == 5 else cls(samples)


def num_drawn(generator: FrameGenerator, source: DataSource, num: int, seed: int) -> int:
    """Return how many samples `draw_samples` reports to its progress callback."""
    if not generator.makes_frames:
        return num
    num_pairs = min(num, source.num_samples) if state_of(generator) else 0
    states = _states_of_stacks(source, num, seed)
    return num + num_pairs + (0 if states is None else states.size)


def draw_samples(
    generator: FrameGenerator,
    source: DataSource,
    num: int,
    seed: int,
    progress: Progress = lambda _: None,
) -> DrawnSamples:
    """Draw samples from a generator: points or frames, for games also stacks, and for generators
    conditioned on states also pairs.
    """
    if not generator.makes_frames:
        points = generator.sample_points(num, seed)
        progress(num)
        return DrawnSamples(points)
    samples = generator.sample(num, seed)
    progress(num)
    stacks = _draw_stacks(generator, source, num, seed, progress)
    if state_of(generator) is None:
        return DrawnSamples(samples, stacks=stacks)
    before = getattr(generator, "num_clipped", 0)
    pairs = draw_pairs(generator, source, num, seed, progress)
    clipped = getattr(generator, "num_clipped", 0) - before
    return DrawnSamples(samples, pairs, stacks, clipped, _code_use(generator, source))


def draw_pairs(
    generator: FrameGenerator,
    source: DataSource,
    num: int,
    seed: int,
    progress: Progress = lambda _: None,
) -> Pairs:
    """Pick at most `num` random real frames, and draw generated frames of their states."""
    picked = np.random.default_rng([seed, 1]).permutation(source.num_samples)[:num]
    latents = generator.latents(len(picked), seed)
    frames = _decode(generator, latents, _states_at(generator, source, picked), progress)
    episodes = source.episodes()
    return Pairs(frames, source.samples_at(picked), None if episodes is None else episodes[picked])


def _draw_stacks(
    generator: FrameGenerator, source: DataSource, num: int, seed: int, progress: Progress
) -> Frames | None:
    """Draw what an agent would see in consecutive steps: frames of consecutive states with
    independent latents, as the wrappers draw them, or frames of a random walk of the latent.

    The states are those of the real stacks that set the floor, so that a perfect generator scores
    exactly the floor. None if the source is not a game, or has too few stacks.
    """
    states = _states_of_stacks(source, num, seed)
    if states is None:
        return None
    if state_of(generator) is not None:
        latents = generator.latents(states.size, seed)
        conditions = _states_at(generator, source, states.ravel())
    else:
        latents, conditions = _walks(generator, len(states), seed), None
    frames = _decode(generator, latents, conditions, progress)
    return frames.reshape(*states.shape, *frames.shape[1:])


def _states_of_stacks(source: DataSource, num: int, seed: int) -> StackIndices | None:
    """Return the frames (N, K) of the real stacks that set the floor, oldest first; None if the
    source is not a game, or has too few stacks.
    """
    if not isinstance(source, BufferedFrames):
        return None
    try:
        stacks, sets = two_sets_of_stacks(source, num, NUM_STACK, seed)
    except InputError:
        return None
    return stacks[sets.others]


def _encodes(generator: FrameGenerator) -> bool:
    """Return whether the generator reads codes off frames; those of other packages do not."""
    return getattr(generator, "num_encoded", 0) > 0


def _states_at(
    generator: FrameGenerator, source: DataSource, indices: npt.NDArray[np.int64]
) -> State | None:
    """Return the states of numbered real frames as the generator reads them, or their codes."""
    if not _encodes(generator):
        return source.conditions_at(indices)
    parts = np.array_split(indices, -(-len(indices) // _CHUNK) or 1)
    found = (source.conditions_at(part) for part in parts)
    return np.concatenate([generator.encode(each) for each in found if each is not None])


def _code_use(generator: FrameGenerator, source: DataSource) -> CodeUse | None:
    """Measure the codes of evenly spaced frames; None for a generator without an encoder."""
    if not _encodes(generator):
        return None
    codes = _states_at(generator, source, evenly_spaced(source.num_samples, _CHUNK))
    assert codes is not None
    return CodeUse.of(codes, math.prod(generator.model.run.code_levels))


def _walks(generator: FrameGenerator, num: int, seed: int) -> Latents:
    """Return the latents of `num` consecutive walks, float32 (num * NUM_STACK, latent_size)."""
    walk = LatentStream(generator, "walk", WALK_LENGTH)
    walk.seed(seed)
    steps = num * [*range(NUM_STACK)]
    return np.stack([walk.advance() if step else walk.begin() for step in steps])


def _decode(
    generator: FrameGenerator, latents: Latents, conditions: State | None, progress: Progress
) -> Frames:
    """Decode latents with their conditions in chunks."""
    chunks = []
    for start in range(0, len(latents), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        condition = () if conditions is None else (conditions[chunk],)
        chunks.append(generator.decode(latents[chunk], *condition))
        progress(len(chunks[-1]))
    return np.concatenate(chunks)
