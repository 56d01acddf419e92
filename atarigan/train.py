"""`python -m atarigan.train`: train a GAN on a source."""

import argparse
import dataclasses
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from atarigan.cli import command_line
from atarigan.cli.stop_request import StopRequest
from atarigan.config.recipes import default_config, load_recipe, recipe_summaries
from atarigan.config.run_config import RunConfig
from atarigan.errors import InputError
from atarigan.files import typed_json
from atarigan.files.untrusted_paths import refuse_links_outside
from atarigan.models.model_config import ModelConfig
from atarigan.models.run_data import refuse_missing_data

if TYPE_CHECKING:
    from atarigan.cli.progress import ProgressDisplay
    from atarigan.training.process_group import ProcessGroup
    from atarigan.training.run_folder import RunFolder
    from atarigan.training.trainer import Observer, Trainer

LIMITS = ("--max-minutes", "--max-images", "--max-epochs")


@dataclass(frozen=True)
class TrainArguments:
    """Train a GAN on a source and keep checkpoints, pictures and logs in one folder."""

    out: str
    """Folder for everything the run leaves behind."""
    run: Annotated[RunConfig, tyro.conf.arg(name="")]
    recipe: str | None = None
    """Named complete configuration to start from; other flags override it. Without one the source
    has its own: atari for frames, images for images, sine or points for points.
    """
    config: str | None = None
    """JSON file of settings to start from, such as a run's config.json; other flags override it."""
    resume: bool = False
    """Go on from the newest checkpoint in --out, with its configuration; other flags override it.
    """
    allow_other_game: bool = False
    """With --resume, go on with data of another game than before."""
    list: bool = False
    """Print everything that can be chosen by name, a line each, and train nothing."""
    summary: bool = False
    """Print layers, parameters and FLOP a sample of both networks, and train nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, compose, run; returns the exit status."""
    words = sys.argv[1:] if argv is None else argv
    if "--list" in words:
        print(choices())
        return command_line.EXIT_OK
    arguments = parse(words)
    warn_of_unused(words, arguments.run)
    if not arguments.resume and not arguments.summary:
        refuse_occupied(Path(arguments.out))
    if arguments.summary:
        print(summary(arguments.run))
        return command_line.EXIT_OK
    return train(
        Path(arguments.out),
        arguments.run,
        resume=arguments.resume,
        allow_other_game=arguments.allow_other_game,
    )


def parse(words: Sequence[str]) -> TrainArguments:
    """Flags over the configuration that --resume, --config or --recipe start from."""
    words = _with_current_names(words)
    out = "" if "--summary" in words else tyro.MISSING_NONPROP  # which writes nothing
    default = TrainArguments(out=out, run=base_config(words))
    return command_line.parse(TrainArguments, words, command="train", default=default)


def _with_current_names(words: Sequence[str]) -> list[str]:
    """Replace flags that have been renamed, and underscores in flags: --momentum 0.5 becomes
    --beta1 0.5.
    """
    renamed = {f"--{old}": f"--{new}" for old, new in RunConfig.FORMER_NAMES.items()}
    parts = (word.partition("=") for word in words)
    hyphens = ((_hyphened(flag), equals, value) for flag, equals, value in parts)
    return [renamed.get(flag, flag) + equals + value for flag, equals, value in hyphens]


def _hyphened(word: str) -> str:
    return word.replace("_", "-") if word.startswith("--") else word


def warn_of_unused(words: Sequence[str], config: RunConfig) -> None:
    """Warn of flags that have no effect with the other settings."""
    from atarigan.training.unused_settings import unused_settings

    flags = {word.partition("=")[0] for word in _with_current_names(words)}
    if not flags - {"--out", "--resume", "--data", "--recipe", "--config", "--source", *LIMITS}:
        return
    for name, reason in unused_settings(config).items():
        flag = "--" + name.replace("_", "-")
        if flag in flags:
            warnings.warn(f"{flag} has no effect: {reason}", stacklevel=2)


def base_config(words: Sequence[str]) -> RunConfig:
    """The configuration that flags override. A limit among the flags takes the place of all limits
    that it has.

    Raises:
        InputError: two starting points are named, or one cannot be read.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for flag in ("--recipe", "--config", "--out", "--source", "--data", *LIMITS):
        early.add_argument(flag)
    early.add_argument("--resume", action="store_true")
    try:
        flags, _ = early.parse_known_args(list(words))
    except argparse.ArgumentError:  # the full parser says it better
        return RunConfig()
    start = _starting_point(flags)
    if (flags.max_minutes, flags.max_images, flags.max_epochs) == (None, None, None):
        return start
    return dataclasses.replace(start, max_minutes=0.0, max_images=0, max_epochs=0.0)


def _starting_point(flags: argparse.Namespace) -> RunConfig:
    if flags.resume + bool(flags.recipe) + bool(flags.config) > 1:
        raise InputError("--resume, --recipe and --config exclude one another: name one")
    if flags.resume and flags.out:
        path = Path(flags.out) / "config.json"
        if not path.is_file():
            raise InputError(f"--resume needs a run in --out, and {path} does not exist")
        refuse_links_outside(path.parent, skipped="wandb")  # its logs are links to its cache
        model = typed_json.read_json(path, ModelConfig)
        if flags.data is None:
            refuse_missing_data(model, flags.out)
        return model.run
    if flags.config:
        return config_file(Path(flags.config))
    if flags.recipe:
        return load_recipe(flags.recipe)
    source = flags.source or RunConfig.source
    if source == "frames" and flags.data and not _stores_ram(Path(flags.data)):
        return load_recipe("atari-frames")
    return default_config(source)


def _stores_ram(path: Path) -> bool:
    """Return whether a buffer stores RAM. An unreadable buffer counts as storing it."""
    from atarigan.data.buffer.frame_buffer import FrameBuffer

    try:
        return FrameBuffer.open(path).meta.ram_size > 0
    except InputError:  # opening it as a source gives a better message
        return True


def config_file(path: Path) -> RunConfig:
    """A configuration from a JSON file: settings, or a run's config.json. Raises InputError."""
    data = typed_json.load_json(path)
    if isinstance(data, dict) and "run" in data:
        return typed_json.from_dict(ModelConfig, data, str(path)).run
    return typed_json.from_dict(RunConfig, data, str(path))


def choices() -> str:
    """Everything that can be chosen by name, a line each."""
    from atarigan.data.sources import SOURCES
    from atarigan.models.families import NETWORKS
    from atarigan.training.objectives import OBJECTIVES
    from atarigan.training.penalties import PENALTIES

    tables = {
        "--source": SOURCES.summaries(),
        "--objective": OBJECTIVES.summaries(),
        "--penalty": PENALTIES.summaries(),
        "--network": NETWORKS.summaries(),
        "--recipe": recipe_summaries(),
    }
    lines = []
    for flag, summaries in tables.items():
        lines.append(flag)
        lines += [f"  {name:20}{summary}" for name, summary in summaries.items()]
    return "\n".join(lines)


def summary(config: RunConfig) -> str:
    """Layers, parameters and work of the networks that a configuration makes of its source.

    Raises:
        InputError: the source's data is missing, or its samples do not fit the networks.
    """
    from atarigan.data.sources import SOURCES
    from atarigan.models.build import network_shape
    from atarigan.models.summary import summarize

    shape = network_shape(ModelConfig(config, SOURCES[config.source](config).spec))
    return "\n\n".join(map(str, summarize(config.network, shape)))


def refuse_occupied(out: Path) -> None:
    """Raise InputError if the folder of a new run holds something that is no run."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out {out} must be a folder, not a file")
    is_run = (out / "config.json").exists()  # which has its own message
    found = sorted(each.name for each in out.iterdir()) if out.exists() and not is_run else []
    if found:
        what = "a frame buffer" if "meta.json" in found else f"{found[0]}"
        raise InputError(f"--out {out} must be a new or empty folder, and it holds {what}")


def refuse_read_only(out: Path) -> None:
    """Raise InputError if nothing can be written into the folder of a run to resume."""
    try:
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        reason = command_line.describe(error).rpartition(": ")[2]
        raise InputError(f"{out} must be writable for --resume: {reason}") from None


def train(
    out: Path, config: RunConfig, *, resume: bool = False, allow_other_game: bool = False
) -> int:
    """Train as configured and leave everything in `out`; returns the exit status. Where there are
    several processes, the first one does all writing.

    Raises:
        InputError: the folder holds another run, a part of the configuration cannot work, or
            the data is of another game than that of the run to resume.
    """
    from atarigan.training.build import build_trainer
    from atarigan.training.process_group import joined, leave
    from atarigan.training.run_folder import RunFolder

    if config.data is not None:  # the run is resumed and evaluated from anywhere
        config = dataclasses.replace(config, data=str(Path(config.data).absolute()))
    with joined(config.device) as group:
        if not group.is_first:
            with StopRequest(group.stop_echo_s) as stop:
                build_trainer(config, group).run([], stop)
            leave(command_line.EXIT_OK)
        return _train_and_record(
            RunFolder(out), config, group, resume=resume, allow_other_game=allow_other_game
        )


def _train_and_record(
    folder: "RunFolder",
    config: RunConfig,
    group: "ProcessGroup",
    *,
    resume: bool,
    allow_other_game: bool,
) -> int:
    from atarigan.cli.progress import ProgressDisplay, report_phase
    from atarigan.evaluation.build import missing_for_evaluation
    from atarigan.models.checkpoint import find_checkpoint
    from atarigan.training.build import build_trainer
    from atarigan.training.health import HealthGuard
    from atarigan.training.observers.logs import open_logs
    from atarigan.training.prepare import check_memory, choose_num_threads, restore

    out = folder.path
    if folder.config.exists() and not resume:
        raise InputError(f"{out} holds a run already: add --resume to go on, or name another --out")
    if resume:
        refuse_read_only(out)
    trainer = build_trainer(config, group, report=report_phase)
    check_memory(trainer)
    if resume:
        trainer.model = _same_game(
            typed_json.read_json(folder.config, ModelConfig), trainer.model, allow_other_game
        )
        restore(trainer, find_checkpoint(out))
    else:
        report_phase("choosing the number of threads")
        choose_num_threads(trainer)
    logs = open_logs(folder, trainer)
    out.mkdir(parents=True, exist_ok=True)
    guard = HealthGuard(folder, trainer)
    if not resume:
        guard.save(trainer)  # a run with a config.json can then be resumed
    typed_json.write_json(folder.config, trainer.model)
    print(
        f"training {config.network} with {config.objective} + {config.penalty} on {config.source} "
        f"{trainer.model.sample.shape}, {trainer.source.num_samples:,} samples, {trainer.plan}"
    )
    if trainer.is_finished:
        print(
            f"{out} has reached its limit already, after {trainer.num_images:,} images and "
            f"{trainer.elapsed_s / 60:.1f} minutes: raise {' or '.join(_reached(trainer))} to go on"
        )
    missing = missing_for_evaluation(trainer.source, config) if config.evaluate_every_s else None
    if missing:
        warnings.warn(f"samples will not be evaluated: {missing}", stacklevel=2)
    display = ProgressDisplay(
        "training",
        "images",
        trainer.image_limit,
        max_seconds=60 * config.max_minutes,
        start=trainer.num_images,
        spent_seconds=trainer.elapsed_s,
    )
    with display, StopRequest(group.stop_echo_s) as stop:
        trainer.run(_observers(folder, trainer, display, logs), stop, guard, report_phase)
    print(f"{summary_of(trainer)}; see {out}")
    if trainer.stop_reason:
        print(f"given up: {trainer.stop_reason}; {out} keeps the last healthy weights")
        return command_line.EXIT_UNHEALTHY
    return command_line.EXIT_INTERRUPTED if stop.is_set else command_line.EXIT_OK


def _reached(trainer: "Trainer") -> Iterator[str]:
    """Yield the flags of the limits that a run has reached."""
    config = trainer.config
    if config.max_minutes and trainer.elapsed_s >= 60 * config.max_minutes:
        yield "--max-minutes"
    if config.max_images and trainer.num_images >= config.max_images:
        yield "--max-images"
    if config.max_epochs and trainer.num_images >= config.max_epochs * trainer.source.num_samples:
        yield "--max-epochs"


def summary_of(trainer: "Trainer") -> str:
    """Describe the work of a run in one line."""
    config = trainer.config
    num_updates = {
        "reconstruction updates": config.reconstruction_steps,
        "critic updates": config.critic_steps,
        "generator updates": config.generator_steps,
    }
    counts = [f"{trainer.num_steps * num:,} {name}" for name, num in num_updates.items() if num]
    rate = trainer.num_images / max(trainer.elapsed_s, 1e-9)
    return (
        f"{trainer.num_images:,} images, {', '.join(counts)} in {trainer.elapsed_s / 60:.1f} "
        f"minutes: {rate:,.0f} images/s"
    )


def _same_game(before: ModelConfig, now: ModelConfig, allow_other_game: bool) -> ModelConfig:
    """Compare the data of a run with the data that it goes on with. Data of unknown provenance
    keeps the provenance of the run.

    Raises:
        InputError: it is of another game, which the generator's RAM does not fit.
    """
    from atarigan.data.provenance import check_same_game

    check_same_game(
        before.provenance,
        now.provenance,
        str(now.run.data),
        reads_ram=now.reads_ram,
        allow=None if allow_other_game else "--allow-other-game",
    )
    if now.provenance.env_id is not None:
        return now
    return dataclasses.replace(now, provenance=before.provenance)


def _observers(
    folder: "RunFolder", trainer: "Trainer", display: "ProgressDisplay", logs: "list[Observer]"
) -> "list[Observer]":
    """Everything that shows and records a run."""
    from atarigan.training.observers.evaluations import Evaluations
    from atarigan.training.observers.history import History
    from atarigan.training.observers.run_page import RunPage
    from atarigan.training.observers.sample_pictures import SamplePictures
    from atarigan.training.trainer import Observer

    class ProgressBar(Observer):
        """Shows images, their rate, and the time left."""

        def after_step(self, trainer: "Trainer") -> None:
            display.update(trainer.num_images)

    return [
        ProgressBar(),
        SamplePictures(folder, trainer),
        History(folder, trainer),
        Evaluations(folder, trainer, logs),
        *logs,
        RunPage(folder, trainer),
    ]


if __name__ == "__main__":
    command_line.run(main, command="train")
