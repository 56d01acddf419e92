"""evaluations.jsonl: how good samples were as a run went, and the best checkpoint, kept apart."""

import json
import math
from collections.abc import Sequence
from typing import Any

from atarigan.errors import InputError
from atarigan.evaluation.evaluator import Evaluator
from atarigan.evaluation.evaluators import evaluator_for
from atarigan.evaluation.metrics.score import Score
from atarigan.models.checkpoint import write_checkpoint
from atarigan.training.fixed_samples import FixedSamples
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

NUM_SAMPLES = 2000
LEAST_S = 30.0


class Evaluations(Observer):
    """Evaluates samples of the same latents every `evaluate_every_s` seconds of training and, where
    the last time is half a minute or more ago, at its end; keeps the checkpoint whose headline
    measurement was best. Less than half of that time before the end it waits for the end, because
    evaluation takes from the time in which steps become small.

    Where a run goes back to a checkpoint, the evaluations after that are dropped: they will come
    again. A source that nothing is known to measure by is not evaluated.

    Args:
        folder: of the run.
        trainer: what is evaluated.
        listeners: told of every evaluation.
    """

    def __init__(
        self, folder: RunFolder, trainer: Trainer, listeners: Sequence[Observer] = ()
    ) -> None:
        self._folder = folder
        self._listeners = listeners
        self._every_s = trainer.config.evaluate_every_s
        self._samples = FixedSamples(trainer, NUM_SAMPLES, trainer.config.seed + 3)
        self._judge: Evaluator | None = None  # learns the game at the first evaluation
        self._keep_lines_to(trainer.num_images)

    def _keep_lines_to(self, num_images: int) -> None:
        kept = [line for line in read_lines(self._folder) if line["images"] <= num_images]
        self._best = min((line["rank"] for line in kept), default=math.inf)
        self._last_s = kept[-1]["elapsed_s"] if kept else 0.0
        self._last_images = kept[-1]["images"] if kept else 0
        if self._folder.evaluations.exists():
            text = "".join(f"{json.dumps(line)}\n" for line in kept)
            self._folder.evaluations.write_text(text, encoding="utf-8")

    def after_step(self, trainer: Trainer) -> None:
        if trainer.num_images < self._last_images:
            self._keep_lines_to(trainer.num_images)
        is_due = trainer.elapsed_s - self._last_s >= self._every_s
        if self._every_s and is_due and trainer.left_s >= self._every_s / 2:
            self.evaluate(trainer)

    def at_end(self, trainer: Trainer) -> None:
        is_worth_it = trainer.elapsed_s - self._last_s >= min(self._every_s, LEAST_S)
        if self._every_s and is_worth_it and not trainer.stop_reason:
            self.evaluate(trainer)

    def evaluate(self, trainer: Trainer) -> None:
        """Score samples of the generator as it is, and keep it if none was better."""
        self._last_s, self._last_images = trainer.elapsed_s, trainer.num_images
        judge = self._judge or self._new_judge(trainer)
        if judge is None:
            return
        scores = judge.scores(self._samples.arrays(trainer))
        rank = rank_of(scores[judge.headline])
        line = {
            "images": trainer.num_images,
            "elapsed_s": trainer.elapsed_s,
            "features": judge.features,
            "headline": judge.headline,
            "rank": rank,
            "scores": scores,
        }
        if rank < self._best:
            self._best = rank
            weights = trainer.average.averaged.state_dict()
            write_checkpoint(self._folder.best, trainer.model, weights, trainer.state_dict())
        with self._folder.evaluations.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(line)}\n")
        for listener in self._listeners:
            listener.after_evaluation(trainer, scores)

    def _new_judge(self, trainer: Trainer) -> Evaluator | None:
        try:
            self._judge = evaluator_for(trainer.source, trainer.config, NUM_SAMPLES)
        except InputError:  # nothing to measure by
            self._every_s = 0
        return self._judge


def rank_of(score: Score) -> float:
    """A number by which scores are ordered, the best first."""
    return score["value"] if score["better"] == "lower" else -score["value"]


def read_lines(folder: RunFolder) -> list[dict[str, Any]]:
    """The evaluations of a run in order; what a kill cut short, or is none, is left out."""
    if not folder.evaluations.exists():
        return []
    texts = folder.evaluations.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for text in texts if (line := _line_of(text)) is not None]


def _line_of(text: str) -> dict[str, Any] | None:
    """An evaluation as it was written; None where it is not what `evaluate` writes."""
    try:
        line = json.loads(text)
        headline = line["scores"][line["headline"]]
        numbers = [line["images"], line["elapsed_s"], line["rank"]]
        numbers += [headline["value"], headline["floor"]]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    return line if all(type(number) in (int, float) for number in numbers) else None
