"""Run a training by its configuration, and record it in a folder."""

import dataclasses
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from atarigan.cli import command_line
from atarigan.cli.progress import ProgressDisplay, report_phase
from atarigan.cli.stop_request import StopRequest
from atarigan.config.clock import clock_of
from atarigan.config.run_config import RunConfig
from atarigan.data.provenance import check_same_game
from atarigan.errors import InputError, flag_of, shown
from atarigan.evaluation.build import missing_for_evaluation
from atarigan.files import typed_json
from atarigan.models.checkpoint import checkpoints_of, find_checkpoint
from atarigan.models.model_config import ModelConfig
from atarigan.training.build import build_trainer
from atarigan.training.health import HealthGuard
from atarigan.training.observers.code_report import CodeReport
from atarigan.training.observers.evaluations import Evaluations
from atarigan.training.observers.history import History
from atarigan.training.observers.logs import open_logs
from atarigan.training.observers.moving_objects import MovingObjects
from atarigan.training.observers.run_page import RunPage
from atarigan.training.observers.sample_pictures import SamplePictures
from atarigan.training.prepare import check_memory, choose_num_threads, restore
from atarigan.training.process_group import ProcessGroup, exit_process, init_process_group
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer


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
    """Train, write everything into `out`, and return the exit status. If there are several
    processes, only the first one writes.

    Raises:
        InputError: the folder holds another run, a part of the configuration cannot work, or
            the data is of another game than that of the run to resume.
    """
    if config.data is not None:  # so that it is found from any folder later
        config = dataclasses.replace(config, data=str(Path(config.data).absolute()))
    with init_process_group(config.device) as group:
        if not group.is_first:
            with StopRequest(group.stop_echo_s) as stop:
                build_trainer(config, group).run([], stop)
            if not group.is_hosted:
                exit_process(command_line.EXIT_OK)
            return command_line.EXIT_OK
        return _train_and_record(
            RunFolder(out), config, group, resume=resume, allow_other_game=allow_other_game
        )


def _train_and_record(
    folder: RunFolder,
    config: RunConfig,
    group: ProcessGroup,
    *,
    resume: bool,
    allow_other_game: bool,
) -> int:
    out = folder.path
    if resume:
        trainer = _resumed_trainer(folder, config, group, allow_other_game=allow_other_game)
    else:
        trainer = _new_trainer(folder, config, group)
    logs = open_logs(folder, trainer)
    out.mkdir(parents=True, exist_ok=True)
    guard = HealthGuard(folder, trainer)
    if not resume:
        guard.save(trainer)  # before config.json, so that every run with one can be resumed
    typed_json.write_json(folder.config, trainer.model)
    _announce(trainer, out)
    display = ProgressDisplay(
        "training",
        "images",
        trainer.image_limit,
        max_seconds=60 * config.max_minutes,
        start=trainer.num_images,
        spent_seconds=trainer.elapsed_s,
        clock=clock_of(config.clock),
    )
    with display, StopRequest(group.stop_echo_s) as stop:
        trainer.run(_observers(folder, trainer, display, logs), stop, guard, report_phase)
    print(f"{_summary(trainer)}; see {out}")
    if trainer.stop_reason:
        print(f"given up: {trainer.stop_reason}; {out} keeps the last healthy weights")
        return command_line.EXIT_UNHEALTHY
    return command_line.EXIT_INTERRUPTED if stop.is_set else command_line.EXIT_OK


def _new_trainer(folder: RunFolder, config: RunConfig, group: ProcessGroup) -> Trainer:
    """Build the trainer of a new run.

    Raises:
        InputError: the folder holds a run.
    """
    if folder.config.exists():
        raise InputError(
            f"{folder.path} holds a run already: add --resume to go on, or name another --out"
        )
    trainer = build_trainer(config, group, report=report_phase)
    check_memory(trainer)
    report_phase("choosing the number of threads")
    choose_num_threads(trainer)
    return trainer


def _resumed_trainer(
    folder: RunFolder, config: RunConfig, group: ProcessGroup, *, allow_other_game: bool
) -> Trainer:
    """Build the trainer of a run that goes on where its newest checkpoint was taken, or begins if
    there is none yet.

    Raises:
        InputError: the folder cannot be written, the networks would be others, or the data is of
            another game.
    """
    refuse_read_only(folder.path)
    before = typed_json.read_json(folder.config, ModelConfig)
    _check_same_networks(before.run, config)
    accept = partial(_checked_model, before, allow_other_game=allow_other_game)
    trainer = build_trainer(config, group, report=report_phase, accept=accept)
    check_memory(trainer)
    if checkpoints_of(folder.path):
        restore(trainer, find_checkpoint(folder.path))
    else:  # a run that was killed before it wrote one
        print(f"{folder.path} holds no checkpoint: the training begins anew")
        choose_num_threads(trainer)
    return trainer


def _check_same_networks(before: RunConfig, now: RunConfig) -> None:
    for name in ("network", "condition", "latent_size"):
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            raise InputError(
                f"{flag_of(name)} must stay {shown(old)} in a run that is resumed, not {shown(new)}"
            )


def _announce(trainer: Trainer, out: Path) -> None:
    """Print what will be trained, and warn of what will be missing."""
    config = trainer.config
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


def _reached(trainer: Trainer) -> Iterator[str]:
    """Yield the flags of the limits that a run has reached."""
    config = trainer.config
    if config.max_minutes and trainer.elapsed_s >= 60 * config.max_minutes:
        yield "--max-minutes"
    if config.max_images and trainer.num_images >= config.max_images:
        yield "--max-images"
    if config.max_epochs and trainer.num_images >= config.max_epochs * trainer.source.num_samples:
        yield "--max-epochs"


def _summary(trainer: Trainer) -> str:
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


def _checked_model(before: ModelConfig, now: ModelConfig, *, allow_other_game: bool) -> ModelConfig:
    """Return the configuration of a resumed run, after a check that its data is of the same game.
    If the provenance of the data is unknown, the configuration keeps that of the run.

    Raises:
        InputError: the data is of another game, and the generator reads states.
    """
    check_same_game(
        before.provenance,
        now.provenance,
        str(now.run.data),
        reads_state=now.state is not None,
        allow=None if allow_other_game else "--allow-other-game",
    )
    if now.provenance.env_id is not None:
        return now
    return dataclasses.replace(now, provenance=before.provenance)


class ProgressBar(Observer):
    """Shows images, their rate, and the time left."""

    def __init__(self, display: ProgressDisplay) -> None:
        self._display = display

    def after_step(self, trainer: Trainer) -> None:
        self._display.update(trainer.num_images)


def _observers(
    folder: RunFolder, trainer: Trainer, display: ProgressDisplay, logs: list[Observer]
) -> list[Observer]:
    """Everything that shows and records a run."""
    return [
        ProgressBar(display),
        MovingObjects(folder, trainer),
        CodeReport(folder, trainer),
        SamplePictures(folder, trainer),
        History(folder, trainer),
        Evaluations(folder, trainer, logs),
        *logs,
        RunPage(folder, trainer),
    ]
