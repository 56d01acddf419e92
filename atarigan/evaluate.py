"""`python -m atarigan.evaluate`: score samples against real ones, or by a policy's returns."""

import contextlib
import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from atarigan.cli import command_line
from atarigan.cli.terminal import print_note
from atarigan.config.machine import check_num_fits
from atarigan.config.run_config import MAX_INTEGER, RunConfig
from atarigan.data.collection.env_kwargs import parsed_kwargs
from atarigan.errors import InputError
from atarigan.files.npz_samples import note_of, read_samples

if TYPE_CHECKING:
    from atarigan.data.provenance import Provenance
    from atarigan.data.sources import DataSource
    from atarigan.envs.observation_stream import GeneratedFrames
    from atarigan.evaluation.drawn_samples import DrawnSamples
    from atarigan.evaluation.policy.played_policy import PlayedPolicy
    from atarigan.evaluation.policy.policy_evaluation import PolicyEvaluation
    from atarigan.evaluation.report import Evaluation
    from atarigan.models.model_config import ModelConfig


_OF_SAMPLES = ("source", "data", "num", "features")
_OF_POLICIES = (
    "env_id",
    "env_kwargs",
    "frame_skip",
    "policy_preprocessing",
    "policy_layout",
    "episodes",
    "max_frames",
)


@dataclass(frozen=True)
class EvaluateArguments:
    """Score samples against real ones; write a table, metrics.json, and a page with pictures.

    With --policy, measure how much of its score a policy keeps when it sees generated frames.
    """

    run: str | None = None
    """Folder of a run or a checkpoint, or the name of a shipped model, to evaluate."""
    samples: str | None = None
    """Samples to evaluate instead of a run, as .npz: frames uint8 (N, H, W, C), stacks of
    consecutive frames uint8 (N, K, H, W, C), or points (N, 2).
    """
    source: str | None = None
    """Source of real samples. Default: the source of the run."""
    data: str | None = None
    """Folder of the source. Default: the folder of the run's source."""
    num: int = 10_000
    """Samples to evaluate, against as many real ones, at most half of all real samples."""
    features: str | None = None
    """Feature space for images: thumbnails-8x8, inception (an optional extra with weights to
    download), the name of a shipped extractor, or an extractor file. Default: the source's own.
    """
    seed: int = 0
    """Seed of the samples and of the choice of real ones, or of the episodes."""
    policy: str | None = None
    """A stable-baselines3 model to play with: FILE.zip of PPO, or sb3:ALGO:FILE.zip. Loading can
    run code: name only files that you trust. With --run it also sees frames of that generator.
    """
    env_id: str | None = None
    """Game that the policy plays."""
    env_kwargs: str = "{}"
    """Further arguments of the game, as JSON: '{"full_action_space": true}'."""
    frame_skip: int | None = None
    """Emulator frames of an agent step. Default: as recorded in the policy's file, else 4."""
    policy_preprocessing: str | None = None
    """What the policy was trained with: sb3 (make_atari_env, which pools the last two frames),
    sb3-unpooled (AtariWrapper(frame_skip=1)), gymnasium (AtariPreprocessing), or clone
    (atarigan.clone, unpooled). Default: as recorded in its file, else sb3.
    """
    policy_layout: str | None = None
    """Axes of the policy's observations, such as KHW for a stack of gray frames and KCHW for one of
    RGB frames: K for the stack, C for colors. Default: as recorded in its file, else by
    the shape.
    """
    episodes: int = 30
    """Episodes that the policy plays with each view of the game."""
    max_frames: int = 20_000
    """Emulator frames after which an episode is truncated."""
    out: str | None = None
    """Folder for evaluation.html and metrics.json. Default: the folder of the run, or
    NAME-evaluation for a shipped model NAME, NAME.npz or NAME.zip.
    """
    allow_other_game: bool = False
    """Evaluate a generator of one game against frames of another, or in another."""
    json: str | None = None
    """File for the scores instead of metrics.json in that folder."""

    def __post_init__(self) -> None:
        if self.policy is not None:
            self._check_policy()
        elif (self.run is None) == (self.samples is None):
            raise InputError("name either --run DIR or --samples FILE.npz")
        else:
            self._refuse(_OF_POLICIES, "needs --policy FILE.zip, which plays the game")
        if self.samples is not None and self.source is None:
            raise InputError("--samples needs --source NAME, the real samples to compare with")
        if self.num < 4:
            raise InputError(f"--num must be at least 4, not {self.num}")
        if not 0 <= self.seed <= MAX_INTEGER:
            rule = "at least 0" if self.seed < 0 else f"at most {MAX_INTEGER}"
            raise InputError(f"--seed must be {rule}, not {self.seed}")

    def _refuse(self, names: Sequence[str], why: str) -> None:
        """Raise InputError if one of these flags has another value than its default."""
        for each in fields(self):
            if each.name in names and getattr(self, each.name) != each.default:
                raise InputError(f"--{each.name.replace('_', '-')} {why}")

    def _check_policy(self) -> None:
        self._refuse(_OF_SAMPLES, "is for samples, not for --policy")
        if self.samples is not None:
            raise InputError("--policy plays through a generator: name --run DIR, not --samples")
        if self.env_id is None:
            raise InputError("--policy needs --env-id ID, the game that it plays")
        if self.episodes < 2:
            raise InputError(f"--episodes must be at least 2, not {self.episodes}")
        if self.frame_skip is not None and self.frame_skip < 1:
            raise InputError(f"--frame-skip must be at least 1, not {self.frame_skip}")
        if self.max_frames < 4:
            raise InputError(f"--max-frames must be at least 4, not {self.max_frames}")

    @property
    def folder(self) -> Path:
        """Folder of the report."""
        if self.out is not None:
            return Path(self.out)
        if self.run is not None and Path(self.run).is_dir():
            return Path(self.run) / "policy" if self.policy else Path(self.run)
        # A folder named like a shipped model would take its place in the next command.
        evaluated = Path(str(self.run or self.samples or self.policy).rpartition(":")[2])
        return evaluated.with_name(f"{evaluated.stem}-evaluation")


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate, print the table, write JSON and page; return the exit status."""
    arguments = command_line.parse(EvaluateArguments, argv, command="evaluate")
    evaluation: Evaluation | PolicyEvaluation
    status = command_line.EXIT_OK
    if arguments.policy is None:
        evaluation = evaluate_samples(arguments)
    else:
        evaluation = evaluate_policy(arguments)
        status = command_line.EXIT_OK if evaluation.is_complete else command_line.EXIT_INTERRUPTED
    json_path = Path(arguments.json) if arguments.json else arguments.folder / "metrics.json"
    page_path = arguments.folder / "evaluation.html"
    try:
        for path in (json_path, page_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(evaluation.record(), indent=2) + "\n", encoding="utf-8")
        evaluation.write_page(page_path)
    finally:  # print the scores even where they cannot be written
        print(f"{evaluation.name}: {evaluation.summary}\n{evaluation.table()}")
        if evaluation.warning:
            print_note(f"python -m atarigan.evaluate: warning: {evaluation.warning}")
    print(f"wrote {json_path} and {page_path}")
    return status


def evaluate_samples(arguments: EvaluateArguments) -> "Evaluation":
    """Score the samples of a run or a file against its source.

    Raises:
        InputError: samples, source or features are missing, damaged, or do not fit together.
    """
    from atarigan.cli.progress import ProgressDisplay
    from atarigan.config.machine import package_versions
    from atarigan.evaluation.build import evaluator_for, progress_total
    from atarigan.evaluation.metrics.pairs import pair_scores
    from atarigan.evaluation.motion_evaluator import evaluate_motion
    from atarigan.evaluation.report import Evaluation

    samples_of = _draw_from_run if arguments.run is not None else _read_from_file
    drawn, config, source, role = samples_of(arguments)
    num = min(len(drawn.samples), arguments.num)
    total = progress_total(source, num, arguments.features, drawn.stacks)
    with ProgressDisplay("evaluating", "samples", total) as display:
        evaluator = evaluator_for(
            source, config, num, arguments.seed, display.advance, arguments.features
        )
        evaluated = evaluator.evaluate(drawn.samples, display.advance)
        scores = evaluated.scores(display.advance)
        motion = evaluate_motion(source, evaluator, drawn.stacks, display.advance)
        scores |= motion.scores(display.advance) if motion else {}
    if drawn.pairs is not None and evaluator.statistics is not None:
        frames, true, episodes = drawn.pairs
        scores = pair_scores(frames, true, evaluator.statistics, episodes) | scores
    return Evaluation(
        name=Path(str(arguments.run or arguments.samples)).resolve().name,
        source=config.source,
        evaluated=evaluated,
        scores=scores,
        facts={
            "samples": arguments.run or arguments.samples,
            "source": config.source,
            "data": config.data,
            "num": evaluator.num,
            "samples_given": evaluated.num_given,
            "real_samples": evaluator.sets.num_available,
            "episodes": evaluator.sets.num_episodes,
            "evaluated_on": role,
            "stacks": motion.num if motion else 0,
            "seed": arguments.seed,
            "versions": package_versions(),
        },
        frame_format=source.spec.frame_format,
        motion=motion,
        pairs=drawn.pairs,
        role=role,
    )


def _read_from_file(
    arguments: EvaluateArguments,
) -> tuple["DrawnSamples", RunConfig, "DataSource", None]:
    """Read samples from a file; also return the configuration and the source of the real samples.

    Raises:
        InputError: file or source are missing or damaged, or of different games.
    """
    from atarigan.data.provenance import Provenance
    from atarigan.data.sources import SOURCES
    from atarigan.evaluation.drawn_samples import DrawnSamples
    from atarigan.evaluation.evaluator import check_samples

    path = Path(str(arguments.samples))
    drawn = DrawnSamples.of(read_samples(path))
    provenance = Provenance.from_note(note_of(path), path)
    config = RunConfig(source=str(arguments.source), data=arguments.data)
    source = SOURCES[config.source](config)
    _check_game(arguments, config, provenance, source)
    frame_format = source.spec.frame_format
    check_samples(drawn.samples, frame_format.shape if frame_format else source.spec.shape)
    return drawn, config, source, None


def _draw_from_run(
    arguments: EvaluateArguments,
) -> tuple["DrawnSamples", RunConfig, "DataSource", str]:
    """Draw samples of a run; also return the configuration and the source of the real samples, and
    what they are to the generator.

    Raises:
        InputError: run or source are missing or damaged, or of different games.
    """
    from atarigan.cli.progress import ProgressDisplay
    from atarigan.data.sources import SOURCES
    from atarigan.evaluation.drawn_samples import draw_samples, num_drawn
    from atarigan.models.frame_generator import FrameGenerator

    generator = FrameGenerator.load(str(arguments.run), device="cpu")
    config = _config_of_run(arguments, generator.model)
    source = SOURCES[config.source](config)
    _check_game(arguments, config, generator.provenance, source, reads_ram=generator.reads_ram)
    check_num_fits(arguments.num, math.prod(generator.sample_shape))
    total = num_drawn(generator, source, arguments.num, arguments.seed)
    with ProgressDisplay("drawing", "samples", total) as display:
        drawn = draw_samples(generator, source, arguments.num, arguments.seed, display.advance)
    return drawn, config, source, _role(config, generator.model.run)


def _check_game(
    arguments: EvaluateArguments,
    config: RunConfig,
    provenance: "Provenance",
    source: "DataSource",
    *,
    reads_ram: bool = False,
) -> None:
    """Compare the game of a generator, or of its samples, with that of the real samples."""
    from atarigan.data.provenance import check_same_game

    allow = None if arguments.allow_other_game else "--allow-other-game"
    check_same_game(
        provenance, source.provenance, str(config.data), reads_ram=reads_ram, allow=allow
    )


def evaluate_policy(arguments: EvaluateArguments) -> "PolicyEvaluation":
    """Play episodes of a policy with real, disturbed and generated frames.

    Raises:
        InputError: policy, game or generator are missing, damaged, or do not fit together.
    """
    from atarigan.data.collection.model_policy import named_model

    named_model(str(arguments.policy))  # before the imports that take seconds
    from atarigan.cli.progress import ProgressDisplay
    from atarigan.cli.stop_request import StopRequest
    from atarigan.config.machine import package_versions
    from atarigan.evaluation.policy.policy_comparison import PolicyComparison
    from atarigan.evaluation.policy.policy_evaluation import PolicyEvaluation

    played = policy_to_play(arguments)
    layout, seed = played.layout, arguments.seed
    generated = None if arguments.run is None else _generated_frames(arguments, played)
    comparison = PolicyComparison(played.model, layout, played.config, arguments.episodes, seed)
    total = comparison.max_steps(generated is not None)
    with ProgressDisplay("evaluating", "agent steps", total) as display, StopRequest() as stop:
        results, unfinished = comparison.run(generated, display.advance, lambda: stop.is_set)
    facts = {
        "policy": arguments.policy,
        "run": arguments.run,
        **played.facts,
        "episodes": arguments.episodes,
        "max_frames": arguments.max_frames,
        "seed": seed,
        "versions": package_versions(),
    }
    name = Path(str(arguments.policy).rpartition(":")[2]).stem
    return PolicyEvaluation(name, results, layout.frame_format, facts, seed, unfinished)


def _generated_frames(arguments: EvaluateArguments, played: "PlayedPolicy") -> "GeneratedFrames":
    """Return the view of the frames that the run's generator makes of the policy's game.

    Raises:
        InputError: the generator is missing or damaged, or of another game.
    """
    from atarigan.envs.observation_stream import GeneratedFrames
    from atarigan.evaluation.policy.episodes import MAX_PARALLEL
    from atarigan.models.frame_generator import FrameGenerator

    generator = FrameGenerator.load(str(arguments.run))
    with contextlib.closing(played.config.make_env()) as env:
        return GeneratedFrames(
            generator,
            env.env,
            played.layout.frame_format,
            MAX_PARALLEL,
            arguments.seed,
            played.config.provenance(env),
            allow_other_game=arguments.allow_other_game,
            allow="--allow-other-game",
        )


def policy_to_play(arguments: EvaluateArguments) -> "PlayedPolicy":
    """Load the policy with the settings of the flags.

    Raises:
        InputError: policy or game are missing or damaged, or do not fit together.
    """
    from atarigan.evaluation.policy.played_policy import PlayedPolicy

    return PlayedPolicy.load(
        str(arguments.policy),
        str(arguments.env_id),
        arguments.max_frames,
        preprocessing=arguments.policy_preprocessing,
        axes=arguments.policy_layout,
        frame_skip=arguments.frame_skip,
        env_kwargs=parsed_kwargs(arguments.env_kwargs),
    )


def _role(config: RunConfig, trained: RunConfig) -> str:
    """Return what the real samples of a configuration are to a run's generator."""
    used, learned = (
        (each.source, each.data and Path(each.data).resolve()) for each in (config, trained)
    )
    return "its training data" if used == learned else "held-out data"


def _config_of_run(arguments: EvaluateArguments, model: "ModelConfig") -> RunConfig:
    """Return the run's configuration with the source and the data that the flags name.

    Raises:
        InputError: no flag names data, and the run's own does not exist.
    """
    from atarigan.models.run_data import refuse_missing_data

    source = arguments.source or model.run.source
    if arguments.data is not None or source != model.run.source:
        return dataclasses.replace(model.run, source=source, data=arguments.data)
    refuse_missing_data(model, str(arguments.run))
    return model.run


if __name__ == "__main__":
    command_line.run(main, command="evaluate")
