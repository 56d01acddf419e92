"""Cards of generators: what each was made of, and what was measured of it, in Markdown."""

from collections.abc import Mapping

import numpy as np

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.models.hub_card import READ_BY_CONDITION
from atarigan.models.model_config import ModelConfig
from benchmarks import machine
from benchmarks.atari_games import game_of


def generator_card(row: Mapping[str, float], data: FrameBuffer, model: ModelConfig) -> str:
    """Return the card of a generator that draws frames of given states.

    Args:
        row: what was measured, as in `benchmarks.game_row`.
        data: the collection that it learned.
        model: its configuration.
    """
    origin, run, frames = data.meta.origin, model.run, model.sample.frame_format
    assert frames is not None
    game = game_of(str(origin.env_id))
    num_games = int(data.values_at("terminations", np.arange(len(data))).sum())
    facts = {
        "Data": f"{len(data):,} agent steps of `{origin.env_id}`, frame skip {origin.frame_skip}, "
        f"{_play(origin)}, seed {origin.seed}: {num_games:,} games to their end",
        "Recipe": f"`atari` (family `{run.network}`, condition `{run.condition}`), "
        f"{run.max_minutes:g} minutes with one thread ({machine.describe_machine()}), "
        f"{row['images']:,} images, seed {run.seed}",
        "Weights": "matrices in 8 bits, as `python -m atarigan.pack` writes them, "
        f"{row['megabytes']:.2f} MB",
        "Command to repeat it": f"`make models MODEL_GAMES={game} MODEL_STEPS={len(data)} "
        f"MODEL_MINUTES={run.max_minutes:g} MODEL_COLLECT='{_collect_words(origin)}'`",
        "Frames of given states of other episodes": f"{row['pixel_accuracy']:.4f} of pixels and "
        f"{row['foreground_accuracy']:.4f} of the foreground within 8 levels; "
        f"{row['exact_frames']:.3f} of frames so in every pixel{_small_objects(row)}",
        "Time": f"{row['ms']:.2f} ms a frame, {row['frames_per_s']:,.0f} frames/s in batches of "
        "256, in CPU time of one core",
    }
    lines = [
        f"# {game}",
        "",
        f"Draws frames of {game}, {frames.height}×{frames.width} and {frames.name}, of "
        f"{READ_BY_CONDITION.get(run.condition, 'a state')}, or of states that it draws itself.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {text} |" for name, text in facts.items()),
        "",
        "![Left: real frames of other episodes. Right: generated frames of the same states]"
        "(frames.png)",
    ]
    return "\n".join(lines) + "\n"


def _play(origin: Origin) -> str:
    """How a collection was played, in words."""
    if origin.policy == "random":
        return "random play"
    varies = ", an epsilon of its own in each episode" if origin.vary_epsilon else ""
    return f"play by `{origin.policy}`, epsilon at most {origin.epsilon:g}{varies}"


def _collect_words(origin: Origin) -> str:
    words = f"--policy {origin.policy}"
    if origin.epsilon:
        words += f" --epsilon {origin.epsilon:g}"
    return words + " --vary-epsilon" * origin.vary_epsilon


def _small_objects(row: Mapping[str, float]) -> str:
    if "small_found" not in row:  # the game shows none
        return ""
    words = f"; small objects found in {row['small_found']:.3f}"
    offset = row.get("small_offset")  # absent where none was found
    return words if offset is None else f"{words}, {offset:.3f} pixels off"
