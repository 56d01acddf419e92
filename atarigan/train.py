"""`python -m atarigan.train`: train a GAN on a source."""

import argparse
import dataclasses
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from atarigan.cli import command_line
from atarigan.config.condition import CODE, NONE, RAM
from atarigan.config.dream_config import DREAM, DREAM_SUMMARY, DreamConfig
from atarigan.config.network_dream_config import NetworkDreamConfig
from atarigan.config.recipes import default_config, load_recipe, recipe_summaries
from atarigan.config.run_config import RunConfig
from atarigan.errors import InputError, flag_of
from atarigan.files import typed_json
from atarigan.files.untrusted_paths import refuse_links_outside
from atarigan.models.model_config import ModelConfig
from atarigan.models.run_data import refuse_missing_data
from atarigan.training.dream.dream_folder import DreamFolder

LIMITS = ("--max-minutes", "--max-images", "--max-epochs")


@dataclass(frozen=True)
class TrainArguments:
    """Train a GAN on a source and keep checkpoints, pictures and logs in one folder."""

    out: str
    """Folder for everything the run leaves behind."""
    run: Annotated[RunConfig, tyro.conf.arg(name="")]
    recipe: str | None = None
    """Named complete configuration to start from; other flags override it. Without one the source
    has its own: atari for frames with RAM, vector-frames for frames with other states, codes for
    others, images for images, sine or points for points.
    """
    config: str | None = None
    """JSON file of settings to start from, such as a run's config.json; other flags override it."""
    resume: bool = False
    """Go on from the newest checkpoint in --out, with its configuration; other flags override it,
    but the network, its condition and its latent size stay.
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
    if is_dream(words):
        return train_dream(words)
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
    from atarigan.training.run import train

    return train(
        Path(arguments.out),
        arguments.run,
        resume=arguments.resume,
        allow_other_game=arguments.allow_other_game,
    )


@dataclass(frozen=True)
class DreamArguments:
    """Train a dream: a model of a game's next state, reward and end, which is an environment.

    It trains in rounds. In each the trees are fitted to all frames so far, a policy learns to play
    in the dream, and the emulator plays frames that first measure and then correct the trees.
    """

    out: str
    """Folder for everything the run leaves behind."""
    run: Annotated[DreamConfig, tyro.conf.arg(name="")]
    recipe: str = DREAM
    """dream."""
    resume: bool = False
    """Go on with the frames and settings in --out; other flags override the settings."""


@dataclass(frozen=True)
class NetworkDreamArguments:
    """Train a dream of vectors: a model of an environment's next state, reward and end, which is an
    environment.

    Two networks learn most of the episodes, and the others tell how exact they are.
    """

    out: str
    """Folder for everything the run leaves behind."""
    run: Annotated[NetworkDreamConfig, tyro.conf.arg(name="")]
    recipe: str = DREAM
    """dream."""


def is_dream(words: Sequence[str]) -> bool:
    """Return whether flags ask for a dream: by --recipe dream, or by --resume of one."""
    flags = _early_flags(words, ("--recipe", "--out"))
    if flags is None:
        return False
    return flags.recipe == DREAM or (
        flags.resume and bool(flags.out) and DreamFolder(Path(flags.out)).training.is_file()
    )


def train_dream(words: Sequence[str]) -> int:
    """Parse, compose and run the training of a dream; returns the exit status."""
    flags = _early_flags(_with_current_names(words), ("--recipe", "--out", "--data"))
    if flags and flags.data and _stored_kind(Path(flags.data)) != RAM:
        return _train_network_dream(words)
    folder = DreamFolder(Path(flags.out)) if flags and flags.resume and flags.out else None
    config = folder.read_config() if folder else DreamConfig()
    default = DreamArguments(out=tyro.MISSING_NONPROP, run=config)
    words = _with_current_names(words)
    arguments = command_line.parse(DreamArguments, words, command="train", default=default)
    out = Path(arguments.out)
    if (out / "config.json").exists():
        raise InputError(f"--out must be a new folder, and {out} holds the run of a generator")
    if arguments.resume:
        refuse_links_outside(out)
    elif not DreamFolder(out).training.exists():
        refuse_occupied(out)
    from atarigan.training.dream.run import train_dream

    return train_dream(Path(arguments.out), arguments.run, resume=arguments.resume)


def _train_network_dream(words: Sequence[str]) -> int:
    """Train the dream of a buffer of vectors."""
    default = NetworkDreamArguments(out=tyro.MISSING_NONPROP, run=NetworkDreamConfig())
    words = _with_current_names(words)
    if "--resume" in words:
        raise InputError("--resume is for dreams of ALE's games: train one of vectors again")
    arguments = command_line.parse(NetworkDreamArguments, words, command="train", default=default)
    out = Path(arguments.out)
    if (out / "config.json").exists() or (out / "training.json").exists():
        raise InputError(f"--out must be a new folder, and {out} holds a run")
    refuse_occupied(out)
    from atarigan.training.network_dream.run import train_network_dream

    return train_network_dream(out, arguments.run)


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
        flag = flag_of(name)
        if flag in flags:
            warnings.warn(f"{flag} has no effect: {reason}", stacklevel=2)


def base_config(words: Sequence[str]) -> RunConfig:
    """The configuration that flags override. A limit among the flags takes the place of all limits
    that it has.

    Raises:
        InputError: two starting points are named, or one cannot be read.
    """
    flags = _early_flags(words, ("--recipe", "--config", "--out", "--source", "--data", *LIMITS))
    if flags is None:
        return RunConfig()
    start = _starting_point(flags)
    if (flags.max_minutes, flags.max_images, flags.max_epochs) == (None, None, None):
        return start
    return dataclasses.replace(start, max_minutes=0.0, max_images=0, max_epochs=0.0)


def _early_flags(words: Sequence[str], names: Sequence[str]) -> argparse.Namespace | None:
    """Return some flags and --resume before all are parsed; None where the full parser, which says
    it better, will fail.
    """
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in names:
        early.add_argument(name)
    early.add_argument("--resume", action="store_true")
    try:
        return early.parse_known_args(list(words))[0]
    except argparse.ArgumentError:
        return None


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
        if model.run.device == "cuda":  # and is resumed, perhaps, where there is none
            return dataclasses.replace(model.run, device="auto")
        return model.run
    if flags.config:
        return config_file(Path(flags.config))
    if flags.recipe:
        return _without_unknown_action(load_recipe(flags.recipe), flags.data)
    source = flags.source or RunConfig.source
    if source == "frames" and flags.data:
        config = _config_for_states(_stored_kind(Path(flags.data)))
        return _without_unknown_action(config, flags.data)
    return default_config(source)


def _config_for_states(kind: str) -> RunConfig:
    """Return the configuration that learns frames of buffers that store a kind of state."""
    if kind == RAM:
        return default_config("frames")
    if kind in (NONE, CODE):
        return load_recipe("codes")
    return dataclasses.replace(load_recipe("vector-frames"), condition=kind)


def _without_unknown_action(config: RunConfig, data: str | None) -> RunConfig:
    from atarigan.data.sources.buffered_frames import without_unknown_action

    known = without_unknown_action(dataclasses.replace(config, data=data))
    return dataclasses.replace(config, condition=known.condition)


def _stored_kind(path: Path) -> str:
    """Return the kind of states that a buffer stores. An unreadable one counts as storing RAM."""
    from atarigan.data.buffer.frame_buffer import FrameBuffer

    try:
        state = FrameBuffer.open(path).meta.state
    except InputError:  # opening it as a source gives a better message
        return RAM
    return NONE if state is None else state.kind


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
        "--recipe": recipe_summaries() | {DREAM: DREAM_SUMMARY},
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


if __name__ == "__main__":
    command_line.run(main, command="train")
