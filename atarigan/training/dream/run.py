"""Run the training of a dream by its configuration, and record it in a folder."""

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np

from atarigan.cli import command_line
from atarigan.cli.progress import ProgressDisplay, report_phase
from atarigan.cli.stop_request import StopRequest
from atarigan.config.dream_config import DreamConfig
from atarigan.config.extras import imported
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.collection.agent_steps import find_spec
from atarigan.data.provenance import Provenance, check_same_game
from atarigan.errors import InputError
from atarigan.files.writer_lock import take_lock
from atarigan.models import shipped
from atarigan.models.checkpoint import write_packed_run
from atarigan.models.dynamics.dream import GENERATOR_FOLDER
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.model_source import resolved
from atarigan.pictures import charts, grids
from atarigan.training.dream.dream_folder import DreamFolder, Round
from atarigan.training.dream.dream_trainer import DreamTrainer


class _StoppedError(Exception):
    """Leaves long work that a signal interrupts."""


def train_dream(out: Path, config: DreamConfig, *, resume: bool = False) -> int:
    """Train a dream, write everything into `out`, and return the exit status.

    Raises:
        InputError: the folder holds something else, or the data cannot be learned.
    """
    folder = DreamFolder(out)
    imported("numba", "dream")  # which is needed after minutes of play
    if config.data is None:
        raise InputError("--data must name a folder that atarigan.collect wrote: a dream needs it")
    if folder.training.exists() and not resume:
        raise InputError(f"{out} holds a run already: add --resume to go on, or name another --out")
    buffer = FrameBuffer.open(config.data)
    generator = _generator_name(config, buffer)
    trainer = DreamTrainer(
        folder,
        buffer,
        generator=generator,
        seed=config.seed,
        round_frames=config.round_frames,
        policy_steps=config.policy_steps,
        clock=config.clock,
        report=report_phase,
    )
    if config.generator and not generator:
        _check_generator(config.generator, Provenance.of(buffer.meta))
    out.mkdir(parents=True, exist_ok=True)
    with take_lock(out), StopRequest() as stop:
        folder.write_config(dataclasses.replace(config, data=str(Path(config.data).absolute())))
        if config.generator and not generator and not (out / GENERATOR_FOLDER).exists():
            write_packed_run(resolved(config.generator), out / GENERATOR_FOLDER)
        try:
            _rounds(folder, trainer, config, stop)
        except _StoppedError:
            print(f"interrupted; {out} keeps all frames: --resume goes on")
            return command_line.EXIT_INTERRUPTED
    print(f"{_row(trainer.rounds[-1])}; see {out}")
    return command_line.EXIT_INTERRUPTED if stop.is_set else command_line.EXIT_OK


def _rounds(
    folder: DreamFolder, trainer: DreamTrainer, config: DreamConfig, stop: StopRequest
) -> None:
    """Fit, let a policy learn, and measure, in turns until the time is over; the last thing is a
    measurement.
    """
    trainer.begin()
    while True:
        with ProgressDisplay("asking the emulator which bytes decide which", "frames") as display:
            trainer.ask_influences(partial(_show, display, stop))
        with ProgressDisplay("fitting", "trees") as display:
            trainer.fit(partial(_show, display, stop))
        if config.policy_steps:
            with ProgressDisplay("learning to play in the dream", "agent steps") as display:
                trainer.learn_policy(partial(_show, display, stop))
        report_phase("playing frames that the model has not seen")
        now = trainer.measure()
        print(_row(now), flush=True)
        _draw(folder, trainer.rounds)
        if stop.is_set or trainer.elapsed_s >= 60 * config.max_minutes:
            return


def _show(display: ProgressDisplay, stop: StopRequest, num_done: int, total: int) -> None:
    """Show progress, and leave if a signal asks for it."""
    display.total = total
    display.update(num_done)
    if stop.is_set:
        raise _StoppedError


def _generator_name(config: DreamConfig, buffer: FrameBuffer) -> str:
    """Return the name of a shipped generator; "" for that of a run, or none."""
    if config.generator is not None:
        return config.generator if config.generator in shipped.names() else ""
    try:
        return shipped.for_environment(find_spec(str(buffer.meta.origin.env_id)))
    except InputError:
        print("no generator of this game is shipped: the dream is RAM alone (see --generator)")
        return ""


def _check_generator(source: str, provenance: Provenance) -> None:
    """Raise InputError if a generator cannot draw the frames of a game's RAM."""
    generator = FrameGenerator.load(source, device="cpu")
    if not generator.reads_ram:
        raise InputError(f"--generator must read RAM, and {source} does not")
    check_same_game(generator.provenance, provenance, "the data", reads_state=True, allow="no flag")


def _row(now: Round) -> str:
    return (
        f"{now.num_frames:,} frames learned: of unseen frames {now.exact:.3%} exact, "
        f"{now.exact_read:.3%} in all that the game reads; {now.num_nodes:,} nodes, "
        f"{now.elapsed_s / 60:.1f} minutes"
    )


def _draw(folder: DreamFolder, rounds: list[Round]) -> None:
    """Draw how many unseen frames were wrong, against the frames that were learned."""
    learned = np.array([each.num_frames for each in rounds], float)
    shares = {
        "in any byte": [each.exact for each in rounds],
        "in a byte that the game reads": [each.exact_read for each in rounds],
    }
    lines = {
        name: (learned, np.maximum(1.0, 1e6 * (1 - np.array(exact))))
        for name, exact in shares.items()
    }
    picture = charts.growth(lines, {}, "frames learned", "wrong frames of a million unseen ones")
    grids.save_picture(folder.picture, picture)
