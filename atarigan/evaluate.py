"""`python -m atarigan.evaluate`: how good samples are, beside real ones."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from atarigan import command_line
from atarigan.errors import InputError
from atarigan.run_config import RunConfig

if TYPE_CHECKING:
    from atarigan.metrics.judge import Samples


@dataclass(frozen=True)
class EvaluateArguments:
    """Measure samples beside real ones: a table, metrics.json, and a page with pictures."""

    run: str | None = None
    """A run's folder, or one checkpoint's, whose generator is judged."""
    samples: str | None = None
    """Instead of a run: an .npz of samples, frames uint8 (N, H, W, C) or points (N, 2)."""
    source: str | None = None
    """What is compared with; a run's own without it."""
    data: str | None = None
    """Folder of the source; a run's own without it."""
    num: int = 10_000
    """Samples to judge; as many real ones are compared with, or half of all where those are fewer.
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
    from atarigan.metrics.evaluation import Evaluation
    from atarigan.metrics.judges import judge_for, work_to_do
    from atarigan.progress import ProgressDisplay
    from atarigan.sources import SOURCES

    samples, config = _samples(arguments)
    source = SOURCES[config.source](config)
    num = min(len(samples), source.num_samples // 2)
    done = 0
    with ProgressDisplay("evaluating", "samples", work_to_do(source, num)) as display:

        def progress(num_more: int) -> None:
            nonlocal done
            done += num_more
            display.update(done)

        judge = judge_for(source, config, len(samples), arguments.seed, progress)
        scores = judge.scores(samples, progress)
    name = Path(str(arguments.run or arguments.samples)).resolve().name
    evaluation = Evaluation(
        name, config.source, judge, samples, scores, _facts(arguments, config, judge.num)
    )
    print(f"{name}: {evaluation.against}\n{evaluation.table()}")
    json_path = Path(arguments.json) if arguments.json else arguments.folder / "metrics.json"
    page_path = arguments.folder / "evaluation.html"
    evaluation.write_json(json_path)
    evaluation.write_page(page_path, source.spec.frame_format)
    print(f"wrote {json_path} and {page_path}")
    return command_line.EXIT_OK


def _samples(arguments: EvaluateArguments) -> "tuple[Samples, RunConfig]":
    """What is judged, and the configuration of the source that it is compared with."""
    if arguments.samples is not None:
        assert arguments.source is not None
        config = RunConfig(source=arguments.source, data=arguments.data)
        return read_samples(Path(arguments.samples))[: arguments.num], config
    from atarigan.frame_generator import FrameGenerator

    generator = FrameGenerator.load(str(arguments.run), device="cpu")
    draw = generator.sample if generator.makes_frames else generator.sample_points
    config = generator.model.run
    if arguments.source or arguments.data:
        config = dataclasses.replace(
            config, source=arguments.source or config.source, data=arguments.data or config.data
        )
    return draw(arguments.num, arguments.seed), config


def read_samples(path: Path) -> "Samples":
    """The one array of an .npz; gray frames may lack their channel.

    Raises:
        InputError: it cannot be read, or holds more than one array or no samples.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = list(arrays)
            if len(names) != 1:
                raise InputError(f"{path} must hold 1 array, not {len(names)}: {', '.join(names)}")
            samples = arrays[names[0]]
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (ValueError, OSError, EOFError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is not a readable .npz: {reason}") from None
    if samples.dtype == np.uint8 and samples.ndim == 3:
        samples = samples[..., None]
    is_points = samples.ndim == 2 and samples.dtype.kind == "f"
    if not is_points and (samples.ndim != 4 or samples.dtype != np.uint8):
        raise InputError(
            f"{path} must hold frames uint8 (N, H, W, C) or points float (N, 2), "
            f"not {samples.dtype} {samples.shape}"
        )
    return np.asarray(samples)


def _facts(arguments: EvaluateArguments, config: RunConfig, num: int) -> dict[str, Any]:
    """What a figure means nothing without."""
    from atarigan.frames.buffer_meta import package_versions

    return {
        "samples": arguments.run or arguments.samples,
        "source": config.source,
        "data": config.data,
        "num": num,
        "seed": arguments.seed,
        "versions": package_versions(),
    }


if __name__ == "__main__":
    command_line.run(main, command="evaluate")
