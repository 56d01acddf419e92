"""A gauge: one judge for candidates whose samples have formats of their own."""

import dataclasses
from dataclasses import dataclass
from typing import Self

from atarigan.config.run_config import RunConfig
from atarigan.data.sources import SOURCES
from atarigan.data.sources.source import DataSource
from atarigan.evaluation.build import evaluator_for
from atarigan.evaluation.drawn_samples import draw_pairs
from atarigan.evaluation.evaluator import Evaluator, Samples, two_real_sets
from atarigan.evaluation.metrics.pairs import pair_scores
from atarigan.evaluation.metrics.score import Score
from atarigan.images import pixels
from atarigan.images.pixels import FrameFormat
from atarigan.models.frame_generator import FrameGenerator

Scores = dict[str, Score]


@dataclass(frozen=True)
class Gauge:
    """Judges samples of whatever size and colors in one format.

    Attributes:
        judge: of samples in that format.
        source: real samples in it.
        tested: what real samples are opened with whose states are given to those who draw frames of
            given states.
    """

    judge: Evaluator
    source: DataSource
    tested: RunConfig

    @classmethod
    def of(cls, config: RunConfig, num: int, test_data: str | None = None) -> Self:
        """A gauge in the format that a configuration shows its source in.

        Args:
            config: of the source.
            num: samples to judge.
            test_data: folder of the source that given states are taken from; the configuration's
                own without it.

        Raises:
            InputError: there is no judge for such a source, or test_data holds no states.
        """
        source = SOURCES[config.source](config)
        tested = dataclasses.replace(config, data=test_data or config.data, condition="ram")
        if test_data is not None:
            SOURCES[config.source](tested)
        return cls(evaluator_for(source, config, num), source, tested)

    @property
    def frame_format(self) -> FrameFormat | None:
        """In which frames are judged; None for points."""
        return self.source.spec.frame_format

    def scores(self, generator: FrameGenerator) -> Scores:
        """Every measurement of samples of a generator, and of frames of given states where it draws
        such.
        """
        num = self.judge.num
        if self.frame_format is None:
            return self.judge.scores(generator.sample_points(num))
        scores = self.judge.scores(self.brought(generator.sample(num), generator.frame_format))
        if generator.reads_ram and self.judge.statistics is not None:
            tested = SOURCES[self.tested.source](self.tested)
            drawn, true = draw_pairs(generator, tested, num, self.judge.seed)
            drawn = self.brought(drawn, generator.frame_format)
            scores |= pair_scores(drawn, true, self.judge.statistics)
        return scores

    def brought(self, frames: Samples, frame_format: FrameFormat) -> Samples:
        """Frames of another format in that of the judge."""
        assert self.frame_format is not None
        return pixels.convert(frames, frame_format, self.frame_format)

    def own_floor(self, model: RunConfig) -> Scores:
        """What real frames score that are shown as a configuration shows them and brought back: the
        best that a candidate of its format can expect.

        They are those that set the judge's own floor.
        """
        own = SOURCES[model.source](model)
        assert own.spec.frame_format is not None
        _, others = two_real_sets(self.source.num_samples, self.judge.num, self.judge.seed)
        frames = self.brought(own.samples_at(others), own.spec.frame_format)
        return self.judge.scores(frames)
