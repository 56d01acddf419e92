"""`python -m atarigan.evaluate`: how good samples are, beside real ones."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atarigan import command_line
from atarigan.errors import InputError
from atarigan.npz_samples import read_samples
from atarigan.run_config import RunConfig

if TYPE_CHECKING:
    from atarigan.metrics.evaluation import Evaluation
    from atarigan.pixels import FrameFormat


@dataclass(frozen=True)
class EvaluateArguments:
    """Measure samples beside real ones: a table, metrics.json, and a page with pictures."""

    run: str | None = None
    """A run's folder, or one checkpoint's, whose generator is judged."""
    samples: str | None = None
    """Instead of a run: an .npz of samples, frames uint8 (N, H, W, C), stacks of frames that follow
    one another uint8 (N, K, H, W, C), or points (N, 2).
    """
    source: str | None = None
    """What is compared with; a run's own without it."""
    data: str | None = None
    """Folder of the source; a run's own without it."""
    num: int = 10_000
    """Samples to judge; as many real ones are compared with, or half of all where those are fewer.
    """
    features: str | None = None
    """Features in which images are compared: thumbnails-8x8, inception (an extra, with weights of
    its own), a shipped extractor, or the file of one; the source's own without it.
    """
    seed: int = 0
    """Seed of the samples and of the choice of real ones."""
    out: str | None = None
    """Folder for evaluation.html and metrics.json; a run's own, or one beside the .npz, without it.
    """
    json: str | None = None
    """File for the figures, in the place of metrics.json in that folder."""

    def __post_init__(self) -> None:
        if (self.run is None) == (self.samples is None):
            raise InputError("name either --run DIR or --samples FILE.npz")
        if self.samples is not None and self.source is None:
            raise InputError("--samples needs --source NAME, what they are compared with")
        if self.num < 4:
            raise InputError(f"--num must be at least 4, not {self.num}")
        if self.seed < 0:
            raise InputError(f"--seed must be at least 0, not {self.seed}")

    @property
    def folder(self) -> Path:
        """Where the result goes."""
        if self.out is not None:
            return Path(self.out)
        if self.run is not None:
            return Path(self.run)
        samples = Path(str(self.samples))
        return samples.with_name(f"{samples.stem}-evaluation")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, judge, write; returns the exit status."""
    arguments = command_line.parse(EvaluateArguments, argv, command="evaluate")
    evaluation, frame_format = judged(arguments)
    print(f"{evaluation.name}: {evaluation.against}\n{evaluation.table()}")
    json_path = Path(arguments.json) if arguments.json else arguments.folder / "metrics.json"
    page_path = arguments.folder / "evaluation.html"
    evaluation.write_json(json_path)
    evaluation.write_page(page_path, frame_format)
    print(f"wrote {json_path} and {page_path}")
    return command_line.EXIT_OK


def judged(arguments: EvaluateArguments) -> "tuple[Evaluation, FrameFormat | None]":
    """What is found of the samples that the flags name, and what they look like.

    Raises:
        InputError: samples, source or features are missing or damaged, or do not go together.
    """
    from atarigan.frame_generator import FrameGenerator
    from atarigan.judged_samples import JudgedSamples, draw_samples
    from atarigan.metrics.evaluation import Evaluation
    from atarigan.metrics.judges import judge_for, work_to_do
    from atarigan.metrics.motion_judge import judged_motion
    from atarigan.metrics.pairs import pair_scores
    from atarigan.progress import ProgressDisplay
    from atarigan.sources import SOURCES

    if arguments.run is not None:
        generator = FrameGenerator.load(arguments.run, device="cpu")
        config = _config(arguments, generator.model.run)
        source = SOURCES[config.source](config)
        with ProgressDisplay("drawing", "samples") as display:
            drawn = draw_samples(generator, source, arguments.num, arguments.seed, display.advance)
    else:
        drawn = JudgedSamples.of(read_samples(Path(str(arguments.samples))))
        config = _config(arguments, RunConfig())
        source = SOURCES[config.source](config)
    num = min(len(drawn.samples), arguments.num)
    total = work_to_do(source, num, arguments.features, drawn.stacks)
    with ProgressDisplay("evaluating", "samples", total) as display:
        judge = judge_for(source, config, num, arguments.seed, display.advance, arguments.features)
        samples = judge.judged(drawn.samples, display.advance)
        scores = samples.scores(display.advance)
        motion = judged_motion(source, judge, drawn.stacks, display.advance)
        scores |= motion.scores(display.advance) if motion else {}
    if drawn.pairs is not None and judge.scene is not None:
        scores = pair_scores(*drawn.pairs, judge.scene) | scores
    name = Path(str(arguments.run or arguments.samples)).resolve().name
    facts = _facts(arguments, config, judge.num, motion.num if motion else 0)
    evaluation = Evaluation(name, config.source, samples, scores, facts, motion, drawn.pairs)
    return evaluation, source.spec.frame_format


def _config(arguments: EvaluateArguments, config: RunConfig) -> RunConfig:
    """The configuration of the source that samples are compared with: the run's, with what was
    named in its place.
    """
    return dataclasses.replace(
        config, source=arguments.source or config.source, data=arguments.data or config.data
    )


def _facts(
    arguments: EvaluateArguments, config: RunConfig, num: int, num_stacks: int
) -> dict[str, Any]:
    """What a figure means nothing without."""
    from atarigan.frames.buffer_meta import package_versions

    return {
        "samples": arguments.run or arguments.samples,
        "source": config.source,
        "data": config.data,
        "num": num,
        "stacks": num_stacks,
        "seed": arguments.seed,
        "versions": package_versions(),
    }


if __name__ == "__main__":
    command_line.run(main, command="evaluate")
