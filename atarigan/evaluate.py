"""`python -m atarigan.evaluate`: how good samples are, beside real ones, or to a policy's eyes."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atarigan.cli import command_line
from atarigan.config.run_config import RunConfig
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.errors import InputError
from atarigan.files.npz_samples import read_samples

if TYPE_CHECKING:
    from atarigan.evaluation.policy.policy_evaluation import PolicyEvaluation
    from atarigan.evaluation.report import Evaluation
    from atarigan.images.pixels import FrameFormat


@dataclass(frozen=True)
class EvaluateArguments:
    """Measure samples beside real ones: a table, metrics.json, and a page with pictures.

    With --policy: how much of its score a policy keeps when it plays through generated frames.
    """

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
    """Seed of the samples and of the choice of real ones, or of the games."""
    policy: str | None = None
    """A stable-baselines3 model that plays instead: FILE.zip of PPO, or sb3:ALGO:FILE.zip (only one
    that you trust: loading can run code). With --run it sees its frames, else only disturbed ones.
    """
    env_id: str | None = None
    """The game that the policy plays."""
    episodes: int = 30
    """Episodes that the policy plays with each kind of frames."""
    max_frames: int = 20_000
    """Emulator frames after which an episode is cut off."""
    out: str | None = None
    """Folder for evaluation.html and metrics.json; a run's own, or one beside the .npz, without it.
    """
    json: str | None = None
    """File for the figures, in the place of metrics.json in that folder."""

    def __post_init__(self) -> None:
        if self.policy is not None:
            self._check_policy()
        elif (self.run is None) == (self.samples is None):
            raise InputError("name either --run DIR or --samples FILE.npz")
        elif self.env_id is not None:
            raise InputError("--env-id needs --policy FILE.zip, who plays the game")
        if self.samples is not None and self.source is None:
            raise InputError("--samples needs --source NAME, what they are compared with")
        if self.num < 4:
            raise InputError(f"--num must be at least 4, not {self.num}")
        if self.seed < 0:
            raise InputError(f"--seed must be at least 0, not {self.seed}")

    def _check_policy(self) -> None:
        if self.samples is not None:
            raise InputError("--policy plays through a generator: name --run DIR, not --samples")
        if self.env_id is None:
            raise InputError("--policy needs --env-id ID, the game that it plays")
        if self.episodes < 2:
            raise InputError(f"--episodes must be at least 2, not {self.episodes}")
        if self.max_frames < 4:
            raise InputError(f"--max-frames must be at least 4, not {self.max_frames}")

    @property
    def folder(self) -> Path:
        """Where the result goes."""
        if self.out is not None:
            return Path(self.out)
        if self.run is not None:
            return Path(self.run) / "policy" if self.policy else Path(self.run)
        samples = Path(str(self.samples or self.policy).rpartition(":")[2])
        return samples.with_name(f"{samples.stem}-evaluation")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, judge, write; returns the exit status."""
    arguments = command_line.parse(EvaluateArguments, argv, command="evaluate")
    evaluation: Evaluation | PolicyEvaluation
    write_page: Callable[[Path], None]
    if arguments.policy is None:
        evaluation, frame_format = judged(arguments)
        write_page = partial(evaluation.write_page, frame_format=frame_format)
    else:
        evaluation = tried(arguments)
        write_page = evaluation.write_page
    print(f"{evaluation.name}: {evaluation.against}\n{evaluation.table()}")
    json_path = Path(arguments.json) if arguments.json else arguments.folder / "metrics.json"
    page_path = arguments.folder / "evaluation.html"
    evaluation.write_json(json_path)
    write_page(page_path)
    print(f"wrote {json_path} and {page_path}")
    return command_line.EXIT_OK


def judged(arguments: EvaluateArguments) -> "tuple[Evaluation, FrameFormat | None]":
    """What is found of the samples that the flags name, and what they look like.

    Raises:
        InputError: samples, source or features are missing or damaged, or do not go together.
    """
    from atarigan.cli.progress import ProgressDisplay
    from atarigan.data.sources import SOURCES
    from atarigan.evaluation.drawn_samples import DrawnSamples, draw_samples
    from atarigan.evaluation.evaluators import evaluator_for, work_to_do
    from atarigan.evaluation.metrics.pairs import pair_scores
    from atarigan.evaluation.motion_evaluator import evaluated_motion
    from atarigan.evaluation.report import Evaluation
    from atarigan.models.frame_generator import FrameGenerator

    if arguments.run is not None:
        generator = FrameGenerator.load(arguments.run, device="cpu")
        config = _config(arguments, generator.model.run)
        source = SOURCES[config.source](config)
        with ProgressDisplay("drawing", "samples") as display:
            drawn = draw_samples(generator, source, arguments.num, arguments.seed, display.advance)
    else:
        drawn = DrawnSamples.of(read_samples(Path(str(arguments.samples))))
        config = _config(arguments, RunConfig())
        source = SOURCES[config.source](config)
    num = min(len(drawn.samples), arguments.num)
    total = work_to_do(source, num, arguments.features, drawn.stacks)
    with ProgressDisplay("evaluating", "samples", total) as display:
        judge = evaluator_for(
            source, config, num, arguments.seed, display.advance, arguments.features
        )
        samples = judge.judged(drawn.samples, display.advance)
        scores = samples.scores(display.advance)
        motion = evaluated_motion(source, judge, drawn.stacks, display.advance)
        scores |= motion.scores(display.advance) if motion else {}
    if drawn.pairs is not None and judge.scene is not None:
        scores = pair_scores(*drawn.pairs, judge.scene) | scores
    name = Path(str(arguments.run or arguments.samples)).resolve().name
    facts = _facts(arguments, config, judge.num, motion.num if motion else 0)
    evaluation = Evaluation(name, config.source, samples, scores, facts, motion, drawn.pairs)
    return evaluation, source.spec.frame_format


def tried(arguments: EvaluateArguments) -> "PolicyEvaluation":
    """What becomes of a policy's score when it sees other frames than real ones.

    Raises:
        InputError: policy, game or generator are missing or damaged, or do not go together.
    """
    from atarigan.cli.progress import ProgressDisplay
    from atarigan.config.machine import package_versions
    from atarigan.data.collection.model_policy import checked_layout, load_model, named_model
    from atarigan.envs.observation_stream import GeneratedFrames
    from atarigan.evaluation.policy.episodes import MOST_AT_ONCE, Rules
    from atarigan.evaluation.policy.policy_comparison import PolicyComparison
    from atarigan.evaluation.policy.policy_evaluation import PolicyEvaluation
    from atarigan.models.frame_generator import FrameGenerator

    algorithm, file = named_model(str(arguments.policy))
    rules = Rules(str(arguments.env_id), arguments.max_frames)
    with contextlib.closing(AgentSteps(rules.env_id)) as env:
        model = load_model(algorithm, file)
        layout = checked_layout(model, file, env.action_space)
        generated = None
        if arguments.run is not None:
            generator = FrameGenerator.load(arguments.run)
            generated = GeneratedFrames(
                generator, env.env, layout.frame_format, MOST_AT_ONCE, arguments.seed
            )
    trial = PolicyComparison(model, layout, rules, arguments.episodes, arguments.seed)
    total = trial.work_to_do(generated is not None)
    with ProgressDisplay("evaluating", "agent steps", total) as display:
        arms = trial.run(generated, display.advance)
    facts = {
        "policy": arguments.policy,
        "run": arguments.run,
        "env_id": arguments.env_id,
        "episodes": arguments.episodes,
        "max_frames": arguments.max_frames,
        "seed": arguments.seed,
        "versions": package_versions(),
    }
    return PolicyEvaluation(file.stem, arms, layout.frame_format, facts, arguments.seed)


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
    from atarigan.config.machine import package_versions

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
