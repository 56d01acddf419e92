"""Evaluate generators with different sample formats in one common format."""

import dataclasses
from dataclasses import dataclass
from typing import Self

from atarigan.config.run_config import RunConfig
from atarigan.data.sources import SOURCES
from atarigan.data.sources.source import DataSource
from atarigan.evaluation.build import evaluator_for
from atarigan.evaluation.drawn_samples import draw_pairs
from atarigan.evaluation.evaluator import Evaluator, Samples
from atarigan.evaluation.metrics.pairs import pair_scores
from atarigan.evaluation.metrics.score import Score
from atarigan.images import pixels
from atarigan.images.pixels import FrameFormat
from atarigan.models.frame_generator import FrameGenerator

Scores = dict[str, Score]


@dataclass(frozen=True)
class Gauge:
    """Evaluates samples of any size and color after converting them to one format.

    Attributes:
        evaluator: evaluator of samples in this format.
        source: real samples in this format.
        tested: configuration of the frames whose states are given to generators that read them.
    """

    evaluator: Evaluator
    source: DataSource
    tested: RunConfig

    @classmethod
    def of(cls, config: RunConfig, num: int, test_data: str | None = None) -> Self:
        """Make a gauge with the sample format of a configuration.

        Args:
            config: configuration of the source.
            num: number of samples to evaluate.
            test_data: folder of the source that states are taken from; None means the folder of
                the configuration.

        Raises:
            InputError: the source has no evaluator, or `test_data` holds no states where the
                source does.
        """
        source = SOURCES[config.source](config)
        stored = getattr(source, "state", None)
        condition = config.condition if stored is None else stored.kind
        tested = dataclasses.replace(config, data=test_data or config.data, condition=condition)
        if test_data is not None:
            SOURCES[config.source](tested)
        return cls(evaluator_for(source, config, num), source, tested)

    @property
    def frame_format(self) -> FrameFormat | None:
        """Format in which frames are evaluated; None for points."""
        return self.source.spec.frame_format

    def scores(self, generator: FrameGenerator) -> Scores:
        """Evaluate samples of a generator and, if it reads RAM or encodes frames of the common
        format, its frames of given states.
        """
        num = self.evaluator.num
        if self.frame_format is None:
            return self.evaluator.scores(generator.sample_points(num))
        scores = self.evaluator.scores(
            self.converted(generator.sample(num), generator.frame_format)
        )
        encodes = generator.num_encoded > 0 and generator.frame_format == self.frame_format
        if (generator.reads_ram or encodes) and self.evaluator.statistics is not None:
            run = generator.model.run
            config = dataclasses.replace(
                self.tested,
                condition=run.condition,
                code_size=run.code_size,
                code_frames=run.code_frames,
            )
            pairs = draw_pairs(generator, SOURCES[config.source](config), num, self.evaluator.seed)
            drawn = self.converted(pairs.frames, generator.frame_format)
            scores |= pair_scores(drawn, pairs.true, self.evaluator.statistics, pairs.episodes)
        return scores

    def converted(self, frames: Samples, frame_format: FrameFormat) -> Samples:
        """Convert frames to the format of the evaluator."""
        assert self.frame_format is not None
        return pixels.convert(frames, frame_format, self.frame_format)

    def own_floor(self, model: RunConfig) -> Scores:
        """Evaluate real frames that are converted to the format of a configuration and back.

        This is the best score that a generator of this format can expect. The frames are those that
        set the evaluator's floor.
        """
        own = SOURCES[model.source](model)
        assert own.spec.frame_format is not None
        others = own.samples_at(self.evaluator.sets.others)
        frames = self.converted(others, own.spec.frame_format)
        return self.evaluator.scores(frames)
