"""`python -m benchmarks quality --games atari57`: how well each game's frames are drawn.

For each game: collect frames, train for equal minutes, draw the frames of episodes that were not
seen, and write a row. A game that has its row is not run again, and an interrupted one goes on.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from atarigan.cli import command_line
from atarigan.errors import InputError
from atarigan.files import atomic
from benchmarks import machine
from benchmarks.atari_games import games_named

TEST_SEED = 1000
_NUM_IN_MESSAGE = 300


@dataclass(frozen=True)
class GamesArguments:
    """Collect frames of games, train on each for equal minutes, and measure how well the frames of
    unseen episodes are drawn.
    """

    games: tuple[str, ...]
    """Names such as Pong, atari57 for the usual benchmark, or all."""
    out: str
    """Folder of the data, the runs, the table and the pictures. Games that have a row in it are not
    run again.
    """
    minutes: float = 10.0
    """Minutes of training."""
    steps: int = 240_000
    """Agent steps to train on."""
    test_steps: int = 12_000
    """Agent steps, of other episodes, to evaluate."""
    collect: str = "--policy random"
    """Further flags of atarigan.collect."""
    train: str = "--recipe atari"
    """Further flags of atarigan.train."""
    keep_data: bool = False
    """Keep each game's frames, 1.7 GB for 240,000 gray ones, after its row is written."""
    jobs: int = 1
    """Number of games at a time; each has one CPU thread."""


def main(words: Sequence[str]) -> int:
    """Run every game that has no row yet, and write the table; return the exit status."""
    arguments = command_line.parse(GamesArguments, words, command="benchmarks quality", package="")
    games = games_named(arguments.games)
    out = Path(arguments.out)
    left = [game for game in games if not row_file(out, game).exists()]
    minutes = -(-len(left) // arguments.jobs) * arguments.minutes
    _tell(f"{len(left)} of {len(games)} games are left: {minutes:g} minutes of training, and more")
    with ThreadPoolExecutor(arguments.jobs) as pool:
        messages = list(pool.map(lambda game: _run(arguments, game), left))
    failed = [message for message in messages if message is not None]
    command = shlex.join(["python", "-m", "benchmarks", "quality", *words])
    heading = f"{machine.describe_machine()}, commit {machine.commit()}\n\n`{command}`\n\n"
    table = "\n".join(table_lines(read_rows(out, games)))
    with atomic.new_file(out / "table.md") as temporary:
        temporary.write_text(f"{heading}{table}\n", encoding="utf-8")
    print(table)
    if failed:
        raise InputError(f"{len(failed)} games have no row: {'; '.join(failed)}")
    return command_line.EXIT_OK


def row_file(out: Path, game: str) -> Path:
    """Return the file of a game's row."""
    return out / game / "row.json"


def read_rows(out: Path, games: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the rows that exist, by game."""
    files = {game: row_file(out, game) for game in games}
    return {
        game: json.loads(file.read_text(encoding="utf-8"))
        for game, file in files.items()
        if file.exists()
    }


def table_lines(rows: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield the lines of a Markdown table, a game each."""
    from benchmarks.game_row import COLUMNS

    yield _line(["game", *COLUMNS.values()])
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for game, row in rows.items():
        yield _line([game, *(_cell(row.get(name)) for name in COLUMNS)])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _run(arguments: GamesArguments, game: str) -> str | None:
    """Make a game's row; return what failed, in one line, or None."""
    folder = Path(arguments.out) / game
    test = folder / "test"
    try:
        _collect(arguments, game, folder / "train", arguments.steps, 0)
        _collect(arguments, game, test, arguments.test_steps, TEST_SEED)
        _train(arguments, folder)
        _python("-m", "benchmarks.game_row", str(folder))
    except InputError as error:
        _tell(f"{game}: {error}")
        return f"{game}: {error}"
    if not arguments.keep_data:
        for data in (folder / "train", test):
            shutil.rmtree(data)
    row = read_rows(Path(arguments.out), [game])[game]
    _tell(f"{game}: " + ", ".join(f"{name} {_cell(value)}" for name, value in row.items()))
    return None


def _collect(arguments: GamesArguments, game: str, data: Path, num: int, seed: int) -> None:
    """Collect frames, or what is missing of them."""
    from atarigan import FrameBuffer

    num_there = len(FrameBuffer.open(data)) if data.exists() else 0
    if num_there >= num:
        return
    words = ["--out", str(data), "--num-steps", str(num - num_there)]
    words += ["--append"] if num_there else ["--env-id", f"ALE/{game}-v5", "--seed", str(seed)]
    _python("-m", "atarigan.collect", *words, "--num-envs", "1", *shlex.split(arguments.collect))


def _train(arguments: GamesArguments, folder: Path) -> None:
    run = folder / "run"
    begins = not (run / "checkpoints").exists()
    words = ["--data", str(folder / "train"), *shlex.split(arguments.train)]
    words = words if begins else ["--resume"]
    _python(
        *("-m", "atarigan.train", *words, "--out", str(run)),
        *("--max-minutes", str(arguments.minutes), "--clock", "cpu", "--device", "cpu"),
    )


def _python(*words: str) -> None:
    """Run a module with one CPU thread; raise InputError with its last words if it fails."""
    done = subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-_NUM_IN_MESSAGE:]
        raise InputError(f"{words[1]} failed: {' '.join(said.split())}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
