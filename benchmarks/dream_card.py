"""`python -m benchmarks.dream_card RUN OUT`: packs a dream, with a card that says how exact it is.

The dream has been evaluated: `atarigan.evaluate` has written metrics.json into RUN.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atarigan import pack
from atarigan.evaluation.metrics.score_table import HEADS, score_rows
from atarigan.models.dynamics.dream import Dream
from atarigan.training.dream.dream_folder import DreamFolder, Round
from benchmarks import machine
from benchmarks.atari_games import game_of


def dream_card(dream: Dream, last: Round, evaluation: Mapping[str, Any]) -> str:
    """Return the card of a dream in Markdown.

    Args:
        dream: the dream.
        last: what was measured in its training last.
        evaluation: content of metrics.json.
    """
    settings = dream.settings
    game = game_of(settings.env_id)
    generator = f"the generator `{settings.generator}`" if settings.generator else "its generator"
    drawn = f"Frames are drawn by {generator}." if dream.generator_source else "It has no frames."
    rows, rule = score_rows(evaluation["metrics"]), ["---"] * len(HEADS)
    lines = [
        f"# {game}, a dream",
        "",
        f"A learned `{settings.env_id}`: from RAM and an action it predicts the next RAM, the "
        "reward, the lives and the end of the episode, without an emulator. "
        f"{drawn}",
        "",
        "```python",
        'env = gym.make("atarigan:atarigan/Dream-v0", model="DIR")  # its folder or name',
        "```",
        "",
        f"Frame skip {settings.frame_skip}, sticky actions with probability {settings.sticky:g}. "
        f"Trees of {last.num_nodes:,} nodes, fitted to {last.num_frames:,} emulator frames in "
        f"{last.elapsed_s / 60:.0f} minutes ({machine.describe_machine()}, shared with other "
        "programs).",
        "",
        f"Measured on {evaluation['agent_steps']:,} agent steps of {evaluation['episodes']} "
        f"episodes that it has not learned, and on {evaluation['games']} games of at most "
        f"{evaluation['max_frames']:,} emulator frames for each of {evaluation['policies']} "
        "policies, in the real game and in the dream. The floor is the real game against itself.",
        "",
        *("| " + " | ".join(cells) + " |" for cells in (HEADS, rule, *rows)),
    ]
    return "\n".join(lines) + "\n"


def main(words: list[str]) -> None:
    """Pack the dream and write its card into the new folder."""
    run, out = (Path(word) for word in words)
    pack.main(["--run", str(run), "--out", str(out)])
    evaluation = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    card = dream_card(Dream.load(run), DreamFolder(run).read_rounds()[-1], evaluation)
    (out / "README.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
