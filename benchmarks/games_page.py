"""`python -m benchmarks.games_page FOLDER`: rows and pictures of games in the documentation.

FOLDER is the `--out` of `python -m benchmarks quality --games …`. Its rows are added to those of
`docs/benchmarks/games.json`, its pictures to `docs/_static/games`, and `games_table.md`, which the
page includes, is written anew. A game's note says what falls short and why; it is written by hand
into the JSON, and stays.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.atari_games import ATARI57
from benchmarks.game_row import COLUMNS
from benchmarks.games import row_file, table_lines

DOCS = Path(__file__).parents[1] / "docs"
_AIMS = {"foreground_accuracy": (0.97, 0.9), "pixel_accuracy": (0.998,), "small_found": (0.98,)}
_COLUMNS_OF_WALL = 3

Games = dict[str, dict[str, Any]]


def main(words: list[str], docs: Path = DOCS) -> None:
    """Add what is in the folder, and write the tables."""
    (folder,) = (Path(word) for word in words)
    known = docs / "benchmarks" / "games.json"
    games: Games = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}
    for path in sorted(folder.iterdir()):
        row, wall = row_file(folder, path.name), path / "wall.png"
        if row.exists() and wall.exists():
            note = games.get(path.name, {}).get("note", "")
            games[path.name] = {**json.loads(row.read_text(encoding="utf-8")), "note": note}
            picture = docs / "_static" / "games" / f"{path.name}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(wall, picture)
    games = dict(sorted(games.items()))
    known.write_text(json.dumps(games, indent=1) + "\n", encoding="utf-8")
    (docs / "benchmarks" / "games_table.md").write_text(part_of_page(games), encoding="utf-8")


def part_of_page(games: Games) -> str:
    """Return what the page includes, in Markdown."""
    parts = [_summary(games), "\n".join(table_lines(games)), _notes(games), _wall(games)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _summary(games: Games) -> str:
    """Say how many games reach each aim."""
    num_usual = len(games.keys() & set(ATARI57))
    lines = [f"Measured so far: {num_usual} of the usual 57 games."]
    for column, aims in _AIMS.items():
        known = [row[column] for row in games.values() if column in row]
        for aim in aims:
            num = sum(value >= aim for value in known)
            lines.append(f"- {COLUMNS[column]} at least {aim}: {num} of {len(known)}")
    return lines[0] + "\n\n" + "\n".join(lines[1:])


def _notes(games: Games) -> str:
    lines = [f"- {game}: {row['note']}" for game, row in games.items() if row["note"]]
    return "\n".join(["What falls short, and why:", "", *lines]) if lines else ""


def _wall(games: Games) -> str:
    """Return a table of all pictures."""
    cells = [f"{game}<br>![{game}](../_static/games/{game}.png)" for game in games]
    cells += [""] * (-len(cells) % _COLUMNS_OF_WALL)
    lines = ["## Wall", "", "Frames of the worst eighth: real above, generated below."]
    lines += ["", "| " * _COLUMNS_OF_WALL + "|", "|---" * _COLUMNS_OF_WALL + "|"]
    for begin in range(0, len(cells), _COLUMNS_OF_WALL):
        lines.append("| " + " | ".join(cells[begin : begin + _COLUMNS_OF_WALL]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
