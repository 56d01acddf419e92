"""`python -m atarigan.evaluate`: score samples against real ones, or by a policy's returns."""

import contextlib
import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from atarigan.cli import command_line
from atarigan.cli.terminal import print_note
from atarigan.config.machine import check_num_fits
from atarigan.config.ray_cluster import connected
from atarigan.config.run_config import RunConfig
from atarigan.data.collection.env_kwargs import parsed_kwargs
from atarigan.evaluation.evaluate_arguments import EvaluateArguments
from atarigan.files.npz_samples import note_of, read_samples

if TYPE_CHECKING:
    from atarigan.data.provenance import Provenance
    from atarigan.data.sources import DataSource
    from atarigan.envs.observation_stream import GeneratedFrames
    from atarigan.evaluation.drawn_samples import DrawnSamples
    from atarigan.evaluation.dream.dream_evaluation import DreamEvaluation
    from atarigan.evaluation.network_dream.network_dream_evaluation import NetworkDreamEvaluation
    from atarigan.evaluation.policy.played_policy import PlayedPolicy
    from atarigan.evaluation.policy.policy_evaluation import PolicyEvaluation
    from atarigan.evaluation.report import Evaluation
    from atarigan.models.model_config import ModelConfig


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate, print the table, write JSON and page; return the exit status."""
    arguments = command_line.parse(EvaluateArguments, argv, command="evaluate")
    evaluation: Evaluation | PolicyEvaluation | DreamEvaluation | NetworkDreamEvaluation
    status = command_line.EXIT_OK
    if arguments.is_dream:
        evaluation = evaluate_dream(arguments)
    elif arguments.policy is None:
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
    from atarigan.evaluation.metrics.explained import explained_scores
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
        explained = explained_scores(frames, true, episodes)
        scores = pair_scores(frames, true, evaluator.statistics, episodes) | explained | scores
    return Evaluation(
        name=Path(str(arguments.run or arguments.samples)).resolve().name,
        source=config.source,
        evaluated=evaluated,
        scores=scores,
        facts={
            "samples": arguments.run or arguments.samples,
            "weights_sha256": drawn.weights_sha256,
            "source": config.source,
            "data": config.data,
            "num": evaluator.num,
            "samples_given": evaluated.num_given,
            "real_samples": evaluator.sets.num_available,
            "episodes": evaluator.sets.num_episodes,
            "evaluated_on": role,
            "stacks": motion.num if motion else 0,
            **({"states_clipped": drawn.num_clipped} if drawn.num_clipped else {}),
            **({"code": str(drawn.code_use)} if drawn.code_use else {}),
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
    _check_game(
        arguments, config, generator.provenance, source, reads_state=generator.state is not None
    )
    check_num_fits(arguments.num, math.prod(generator.sample_shape))
    total = num_drawn(generator, source, arguments.num, arguments.seed)
    with ProgressDisplay("drawing", "samples", total) as display:
        drawn = draw_samples(generator, source, arguments.num, arguments.seed, display.advance)
    drawn = dataclasses.replace(drawn, weights_sha256=generator.weights_sha256)
    return drawn, config, source, _role(config, generator.model.run)


def _check_game(
    arguments: EvaluateArguments,
    config: RunConfig,
    provenance: "Provenance",
    source: "DataSource",
    *,
    reads_state: bool = False,
) -> None:
    """Compare the game of a generator, or of its samples, with that of the real samples."""
    from atarigan.data.provenance import check_same_game

    allow = None if arguments.allow_other_game else "--allow-other-game"
    check_same_game(
        provenance, source.provenance, str(config.data), reads_state=reads_state, allow=allow
    )


def evaluate_dream(
    arguments: EvaluateArguments,
) -> "DreamEvaluation | NetworkDreamEvaluation":
    """Compare a dream with its game; one of vectors, with a collection alone.

    Raises:
        InputError: dream or collection are missing, damaged, or of different games.
    """
    from atarigan.models.model_source import is_network_dream

    if is_network_dream(str(arguments.run)):
        from atarigan.evaluation.network_dream.network_dream_evaluation import (
            evaluate_network_dream,
        )
        from atarigan.models.network_dreams.network_dream import NetworkDream

        network_dream = NetworkDream.load(str(arguments.run))
        return evaluate_network_dream(network_dream, arguments.name, str(arguments.data))
    from atarigan.evaluation.dream import dream_evaluator
    from atarigan.models.dynamics.dream import Dream

    dream = Dream.load(str(arguments.run))
    comparison = dream_evaluator.DreamComparison(
        data=str(arguments.data),
        num_policies=arguments.num_policies,
        num_games=arguments.num_episodes,
        max_frames=arguments.max_frames,
        seed=arguments.seed,
    )
    return dream_evaluator.evaluate_dream(dream, arguments.name, comparison)


def evaluate_policy(arguments: EvaluateArguments) -> "PolicyEvaluation":
    """Play episodes of a policy with real, disturbed and generated frames.

    Raises:
        InputError: policy, game or generator are missing, damaged, or do not fit together.
    """
    with connected(arguments.ray) if arguments.ray else contextlib.nullcontext():
        return _played(arguments)


def _played(arguments: EvaluateArguments) -> "PolicyEvaluation":
    from atarigan.data.collection.model_policy import named_model

    named_model(str(arguments.policy))  # before the imports that take seconds
    from atarigan.cli.progress import ProgressDisplay
    from atarigan.cli.stop_request import StopRequest
    from atarigan.config.machine import package_versions
    from atarigan.evaluation.policy.policy_comparison import PolicyComparison
    from atarigan.evaluation.policy.policy_evaluation import PolicyEvaluation
    from atarigan.evaluation.policy.ray_views import RayViews
    from atarigan.evaluation.policy.view_episodes import LocalViews

    played = policy_to_play(arguments)
    layout, seed, num_episodes = played.layout, arguments.seed, arguments.num_episodes
    generated, weights_sha256 = _generated_frames(arguments, played)
    state = None if generated is None else generated.state
    comparison = PolicyComparison(played.model, layout, played.config, num_episodes, seed)
    total = comparison.max_steps(generated is not None)
    spread = RayViews if arguments.ray else LocalViews
    with ProgressDisplay("evaluating", "agent steps", total) as display, StopRequest() as stop:
        results, unfinished = comparison.run(
            generated, display.advance, lambda: stop.is_set, state, spread
        )
    facts = {
        "policy": arguments.policy,
        "run": arguments.run,
        "weights_sha256": weights_sha256,
        **played.facts,
        "episodes": num_episodes,
        "max_frames": arguments.max_frames,
        "seed": seed,
        "versions": package_versions(),
    }
    name = Path(str(arguments.policy).rpartition(":")[2]).stem
    return PolicyEvaluation(name, results, layout.frame_format, facts, seed, unfinished)


def _generated_frames(
    arguments: EvaluateArguments, played: "PlayedPolicy"
) -> tuple["GeneratedFrames | None", str | None]:
    """Return the view of the frames that the run's generator makes of the policy's game, and the
    checksum of its weights; None without a run.

    Raises:
        InputError: the generator is missing or damaged, or of another game.
    """
    from atarigan.envs.observation_stream import GeneratedFrames
    from atarigan.evaluation.policy.episodes import MAX_PARALLEL
    from atarigan.models.frame_generator import FrameGenerator

    if arguments.run is None:
        return None, None
    generator = FrameGenerator.load(arguments.run)
    with contextlib.closing(played.config.make_env()) as env:
        frames = GeneratedFrames(
            generator,
            env.env,
            played.layout.frame_format,
            MAX_PARALLEL,
            arguments.seed,
            played.config.provenance(env),
            allow_other_game=arguments.allow_other_game,
            allow="--allow-other-game",
        )
    return frames, generator.weights_sha256


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
