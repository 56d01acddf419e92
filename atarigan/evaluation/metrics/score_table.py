"""Scores as a table of text."""

from collections.abc import Iterator, Mapping, Sequence

from atarigan.cli.text_table import aligned
from atarigan.evaluation.metrics.score import METRICS, Score

HEADS = ("metric", "value", "95 % interval", "floor", "better", "meaning")
_LEFT = (0, 4, 5)


def score_table(scores: Mapping[str, Score]) -> str:
    """Return scores by metric as aligned text."""
    return aligned([HEADS, *score_rows(scores)], _LEFT)


def score_rows(scores: Mapping[str, Score]) -> Iterator[Sequence[str]]:
    """Yield a row of text per score, in the columns of `HEADS`."""
    for name, score in scores.items():
        low, high = score["interval"]
        yield (
            name,
            f"{score['value']:.4g}",
            f"{low:.4g} to {high:.4g}",
            f"{score['floor']:.4g}",
            score["better"],
            METRICS[name].meaning,
        )
