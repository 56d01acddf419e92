"""evaluations.jsonl: how good samples were during a run; and the best checkpoint, kept apart."""

import json
import math
from collections.abc import Sequence
from typing import Any

from atarigan.errors import InputError
from atarigan.evaluation.build import evaluator_for
from atarigan.evaluation.evaluator import Evaluator
from atarigan.evaluation.metrics.score import Score
from atarigan.models.checkpoint import write_checkpoint
from atarigan.training.fixed_samples import FixedSamples
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

NUM_SAMPLES = 2000
MIN_INTERVAL_S = 30.0


class Evaluations(Observer):
    """Evaluates samples of the same latents every `evaluate_every_s` seconds, and keeps the
    checkpoint with the best headline measurement.

    The last evaluation is at the end, unless the one before was less than half a minute earlier.
    Evaluations less than half an interval before the end are skipped, because they take time from
    the final steps, in which learning rates are low. Evaluations after the state that a run goes on
    from, on `--resume` or after a rollback, are dropped. A source without an evaluator is not
    evaluated.

    Args:
        folder: of the run.
        trainer: what is evaluated.
        listeners: told of every evaluation.
    """

    end_phase = "evaluating samples"

    def __init__(
        self, folder: RunFolder, trainer: Trainer, listeners: Sequence[Observer] = ()
    ) -> None:
        self._folder = folder
        self._listeners = listeners
        self._every_s = trainer.config.evaluate_every_s
        if self._every_s == 0:
            self.end_phase = ""
        self._samples = FixedSamples(trainer, NUM_SAMPLES, trainer.config.seed + 3)
        self._evaluator: Evaluator | None = None  # made at the first evaluation: it learns the game
        self._drop_after(trainer.num_images)

    def _drop_after(self, num_images: int) -> None:
        kept = [line for line in read_lines(self._folder) if line["images"] <= num_images]
        self._best = min((line["rank"] for line in kept), default=math.inf)
        self._last_s = kept[-1]["elapsed_s"] if kept else 0.0
        if self._folder.evaluations.exists():
            text = "".join(f"{json.dumps(line)}\n" for line in kept)
            self._folder.evaluations.write_text(text, encoding="utf-8")

    def after_step(self, trainer: Trainer) -> None:
        is_due = trainer.elapsed_s - self._last_s >= self._every_s
        if self._every_s and is_due and trainer.left_s >= self._every_s / 2:
            self.evaluate(trainer)

    def after_rollback(self, trainer: Trainer) -> None:
        self._drop_after(trainer.num_images)

    def at_end(self, trainer: Trainer) -> None:
        is_worth_it = trainer.elapsed_s - self._last_s >= min(self._every_s, MIN_INTERVAL_S)
        if self._every_s and is_worth_it and not trainer.stop_reason:
            self.evaluate(trainer)

    def evaluate(self, trainer: Trainer) -> None:
        """Score samples of the averaged generator, and keep it if it is the best so far."""
        self._last_s = trainer.elapsed_s
        evaluator = self._evaluator or self._new_evaluator(trainer)
        if evaluator is None:
            return
        scores = evaluator.scores(self._samples.arrays(trainer))
        rank = rank_of(scores[evaluator.headline])
        line = {
            "images": trainer.num_images,
            "elapsed_s": trainer.elapsed_s,
            "features": evaluator.features,
            "headline": evaluator.headline,
            "rank": rank,
            "scores": scores,
        }
        if rank < self._best:
            self._best = rank
            weights = trainer.averaged_generator.state_dict()
            write_checkpoint(self._folder.best, trainer.model, weights, trainer.state_dict())
        with self._folder.evaluations.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")
        for listener in self._listeners:
            listener.after_evaluation(trainer, scores)

    def _new_evaluator(self, trainer: Trainer) -> Evaluator | None:
        try:
            self._evaluator = evaluator_for(trainer.source, trainer.config, NUM_SAMPLES)
        except InputError:  # there is none for this source
            self._every_s = 0
        return self._evaluator


def rank_of(score: Score) -> float:
    """A number that orders scores, the best first."""
    return score["value"] if score["better"] == "lower" else -score["value"]


def read_lines(folder: RunFolder) -> list[dict[str, Any]]:
    """The evaluations of a run, in order. Lines that a kill cut short, or that are no evaluations,
    are left out.
    """
    if not folder.evaluations.exists():
        return []
    texts = folder.evaluations.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for text in texts if (line := _parsed(text)) is not None]


def _parsed(text: str) -> dict[str, Any] | None:
    """An evaluation as `Evaluations` writes it; None for anything else."""
    try:
        line = json.loads(text)
        headline = line["scores"][line["headline"]]
        numbers = [line["images"], line["elapsed_s"], line["rank"]]
        numbers += [headline["value"], headline["floor"]]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return line if all(type(number) in (int, float) for number in numbers) else None
