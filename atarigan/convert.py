"""`python -m atarigan.convert`: write a buffer as a dataset or as codes, or read a dataset."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from atarigan.cli import command_line
from atarigan.cli.progress import ProgressDisplay
from atarigan.data.buffer.episodes import Episode, EpisodeSet, whole_episodes, write_buffer
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.dataset_formats import format_and_name
from atarigan.errors import InputError


@dataclass(frozen=True)
class ConvertArguments:
    """Write the episodes of a buffer as a dataset of another library, with --data and --to; read a
    dataset into a new buffer, with --from and --out; or write a buffer of codes in the place of
    frames, from which GeneratedReplay draws frames, with --data, --codes and --out.

    Nothing is compressed or rounded on the way to a dataset, and the way back gives the same
    steps. Episodes whose first steps were overwritten are left out. Ctrl-C leaves nothing behind.
    """

    data: str | None = None
    """Folder of the buffer to read."""
    to: str | None = None
    """Format and name of a new dataset: minari:NAME-v0, in $MINARI_DATASETS_PATH or
    ~/.minari/datasets.
    """
    source: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Format and name of the dataset to read: minari:NAME-v0. Its observations must be images."""
    codes: str | None = None
    """Run whose encoder reads the codes, trained with --condition code, or its packed folder."""
    out: str | None = None
    """Folder of the new buffer."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, read, write; return the exit status."""
    arguments = command_line.parse(ConvertArguments, argv, command="convert")
    data, to, source, codes, out = dataclasses.astuple(arguments)
    if data and to and not (source or codes or out):
        print(_written(data, to))
    elif source and out and not (data or to or codes):
        print(_read(source, out))
    elif data and codes and out and not (to or source):
        print(_coded(data, codes, out))
    else:
        given = {"--data": data, "--to": to, "--from": source, "--codes": codes, "--out": out}
        names = " ".join(flag for flag, value in given.items() if value) or "no flags"
        raise InputError(
            "convert needs --data with --to, --from with --out, or --data with --codes and --out, "
            f"not {names}"
        )
    return command_line.EXIT_OK


def _written(data: str, to: str) -> str:
    """Write a buffer as a dataset; describe it in one line."""
    dataset_format, name = format_and_name(to, "--to")
    dataset_format.check_new(name)
    episodes = whole_episodes(FrameBuffer.open(data))
    with ProgressDisplay("converting", "agent steps", episodes.num_steps) as display:
        dataset_format.write(name, _shown(episodes, display))
    return f"wrote {to}, {_counts(episodes)}{_left_out(episodes)}"


def _coded(data: str, run: str, out: str) -> str:
    """Write a buffer of the codes of another one; describe it in one line."""
    _check_new(out)
    from atarigan.models.coded_episodes import coded
    from atarigan.models.frame_generator import FrameGenerator

    episodes = coded(whole_episodes(FrameBuffer.open(data)), FrameGenerator.load(run))
    with ProgressDisplay("encoding", "agent steps", episodes.num_steps) as display:
        write_buffer(_shown(episodes, display), Path(out))
    size = episodes.meta.state.size if episodes.meta.state else 0
    return f"wrote {out}, {_counts(episodes)}, {size} bytes a frame{_left_out(episodes)}"


def _check_new(out: str) -> None:
    if Path(out).exists():
        raise InputError(f"--out must be a new folder, and {out} exists")


def _left_out(episodes: EpisodeSet) -> str:
    cut = f"; left out {episodes.num_cut:,} episodes whose beginning was overwritten"
    return cut if episodes.num_cut else ""


def _read(source: str, out: str) -> str:
    """Write a dataset into a new buffer; describe it in one line."""
    dataset_format, name = format_and_name(source, "--from")
    _check_new(out)
    episodes = dataset_format.read(name)
    with ProgressDisplay("converting", "agent steps", episodes.num_steps) as display:
        write_buffer(_shown(episodes, display), Path(out))
    return f"wrote {out}, {_counts(episodes)}"


def _shown(episodes: EpisodeSet, display: ProgressDisplay) -> EpisodeSet:
    """Return the episodes, whose iteration shows how far it is."""

    def each() -> Iterator[Episode]:
        for episode in episodes.episodes:
            yield episode
            display.advance(len(episode))

    return dataclasses.replace(episodes, episodes=each())


def _counts(episodes: EpisodeSet) -> str:
    return f"{episodes.num_episodes:,} episodes of {episodes.num_steps:,} agent steps"


if __name__ == "__main__":
    command_line.run(main, command="convert")
