"""Samples with known defects, and the metrics that detect them: `python -m tests.defects`."""

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from atarigan import collect
from atarigan.config.run_config import RunConfig
from atarigan.data.sources import SOURCES
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.evaluation.build import evaluator_for
from atarigan.evaluation.evaluator import Evaluator
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.objects import find_objects
from atarigan.evaluation.metrics.score import Score
from atarigan.evaluation.motion_evaluator import evaluate_motion, stacks_at
from atarigan.images.subset import drawn

NUM_STEPS = 10_000
NUM = 700
NUM_STACKS, NUM_STACK = 240, 4
Frames = np.ndarray


def breakout(folder: Path, num_steps: int = NUM_STEPS, seed: int = 0) -> Path:
    """Collect Breakout into a buffer, played at random: an episode has about 200 steps."""
    words = ["--env-id", "ALE/Breakout-v5", "--num-envs", "1", "--seed", str(seed)]
    collect.main([*words, "--num-steps", str(num_steps), "--out", str(folder)])
    return folder


def ball_masks(statistics: GameStatistics, frames: Frames) -> Frames:
    """Return the pixels of small, rare objects, bool (N, H, W)."""
    masks = np.zeros(frames.shape[:3], bool)
    for mask, frame, foreground in zip(masks, frames, statistics.foreground(frames), strict=True):
        found = find_objects(foreground[None], statistics.foreground_rate)
        for row, column, small in zip(
            found.row, found.column, found.is_small(*frame.shape[:2]), strict=True
        ):
            if small:
                top, left = round(row), round(column)
                mask[max(0, top - 2) : top + 3, max(0, left - 2) : left + 3] = True
        mask &= foreground
    return masks


def without_ball(statistics: GameStatistics, frames: Frames) -> Frames:
    return np.where(ball_masks(statistics, frames)[..., None], statistics.background, frames)


def with_second_ball(statistics: GameStatistics, frames: Frames) -> Frames:
    """Add a second ball, mirrored horizontally."""
    masks = ball_masks(statistics, frames)[..., None]
    mirrored = masks[:, :, ::-1]
    return np.where(mirrored, np.maximum(frames, frames[:, :, ::-1]), frames)


def with_low_paddle(frames: Frames) -> Frames:
    """Shift the rows of the paddle to the right by seven pixels."""
    moved = frames.copy()
    height, width = frames.shape[1:3]
    rows = slice(int(0.88 * height), int(0.93 * height))
    inner = slice(int(0.06 * width), int(0.94 * width))
    moved[:, rows, inner] = np.roll(frames[:, rows, inner], 7, axis=2)
    return moved


def defects(evaluator: Evaluator, fresh: Frames) -> dict[str, Frames]:
    """Return samples by defect, made from `fresh`, real frames of episodes that the evaluator does
    not know.
    """
    statistics = GameStatistics.of(evaluator.real)
    rng = np.random.default_rng(0)
    num = len(fresh)
    mean = fresh.mean(0, keepdims=True).round().astype(np.uint8)
    bright = fresh.reshape(num, -1).mean(1)
    return {
        "real": fresh,
        "ball erased": without_ball(statistics, fresh),
        "second ball": with_second_ball(statistics, fresh),
        "paddle shifted": with_low_paddle(fresh),
        "blurred": np.stack([cv2.GaussianBlur(f, (5, 5), 1.0).reshape(f.shape) for f in fresh]),
        "noise of 10 levels": np.clip(
            fresh + rng.normal(0, 10, fresh.shape).round(), 0, 255
        ).astype(np.uint8),
        "half the game": np.repeat(fresh[bright > np.median(bright)], 2, axis=0)[:num],
        "20 frames repeated": np.repeat(rng.permutation(fresh)[:20], -(-num // 20), axis=0)[:num],
        "training samples": evaluator.real[rng.permutation(len(evaluator.real))[:num]],
        "mean frame": np.repeat(mean, num, axis=0),
        "noise": rng.integers(0, 256, fresh.shape).astype(np.uint8),
    }


def motion_defects(statistics: GameStatistics, fresh: Frames) -> dict[str, Frames]:
    """Return stacks (N, K, H, W, C) by defect of their motion."""
    rng = np.random.default_rng(0)
    num, num_stack = fresh.shape[:2]
    flat = fresh.reshape(-1, *fresh.shape[2:])
    bare = without_ball(statistics, flat).reshape(fresh.shape)
    is_ball = ball_masks(statistics, flat).reshape(fresh.shape[:-1])[..., None]
    is_missing = (np.arange(num_stack) % 2 == 1)[:, None, None, None]
    shuffled = np.stack([stack[[2, 0, 3, 1]] for stack in fresh])
    specks = rng.random(fresh.shape) < 0.001
    return {
        "real": fresh,
        "still": np.repeat(fresh[:, -1:], num_stack, axis=1),
        "every second repeated": fresh[:, np.arange(num_stack) // 2 * 2],
        "shuffled": shuffled,
        "frames of different times": np.stack(
            [np.roll(fresh[:, place], place * num // num_stack, axis=0) for place in range(4)], 1
        ),
        "ball frozen": np.where(is_ball[:, :1], fresh[:, :1], bare),
        "ball flickers": np.where(is_missing, bare, fresh),
        "specks": np.where(specks, fresh.max(), fresh),
    }


def open_frames(buffer: Path) -> BufferedFrames:
    """Open the frames of a buffer."""
    source = SOURCES["frames"](RunConfig(data=str(buffer)))
    assert isinstance(source, BufferedFrames)
    return source


def open_evaluator(buffer: Path, num: int = NUM) -> tuple[BufferedFrames, Evaluator]:
    """Open the frames of a buffer, and an evaluator of them."""
    source = open_frames(buffer)
    return source, evaluator_for(source, RunConfig(data=str(buffer)), num)


class Scores(Mapping[str, dict[str, Score]]):
    """Scores of samples by defect. Samples are scored when their scores are first asked for."""

    def __init__(
        self, samples: dict[str, Frames], score: Callable[[Frames], dict[str, Score]]
    ) -> None:
        self._samples, self._score = samples, score
        self._known: dict[str, dict[str, Score]] = {}

    def __getitem__(self, defect: str) -> dict[str, Score]:
        if defect not in self._known:
            self._known[defect] = self._score(self._samples[defect])
        return self._known[defect]

    def __iter__(self) -> Iterator[str]:
        return iter(self._samples)

    def __len__(self) -> int:
        return len(self._samples)


def scores_of_defects(others: BufferedFrames, evaluator: Evaluator) -> Scores:
    """Score the samples of every defect, made from frames of other episodes."""
    fresh = others.samples_at(drawn(others.num_samples, evaluator.num))
    return Scores(defects(evaluator, fresh), evaluator.scores)


def scores_of_motion_defects(
    source: BufferedFrames,
    others: BufferedFrames,
    evaluator: Evaluator,
    num_stacks: int = NUM_STACKS,
) -> Scores:
    """Score the stacks of every defect of motion, made from stacks of other episodes."""
    stacks = others.whole_stacks(NUM_STACK)
    fresh = stacks_at(others, stacks[drawn(len(stacks), num_stacks)])
    return Scores(
        motion_defects(evaluator.statistics, fresh),
        lambda found: evaluate_motion(source, evaluator, found).scores(),
    )


def detects(score: Score, real: Score) -> bool:
    """Return whether a score is worse than that of real samples by 3 standard errors and 5 %."""
    sign = 1 if score["better"] == "lower" else -1
    worse = sign * (score["value"] - real["value"])
    errors = [(each["interval"][1] - each["interval"][0]) / 3.92 for each in (score, real)]
    return worse > max(3 * math.hypot(*errors), 0.05 * abs(real["value"]), 1e-3)


def table(scores: Scores) -> str:
    """Return a Markdown table: a row per metric, a column per defect, bold where it is detected."""
    names = list(scores)
    lines = ["| | " + " | ".join(names) + " |", "|---" + "|---:" * len(names) + "|"]
    for metric, real in scores["real"].items():
        cells = [
            f"**{each[metric]['value']:.3g}**"
            if detects(each[metric], real)
            else f"{each[metric]['value']:.3g}"
            for each in scores.values()
        ]
        lines.append(f"| {metric} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(show: Callable[[str], object] = print) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, evaluator = open_evaluator(breakout(Path(folder) / "buffer"))
        others = open_frames(breakout(Path(folder) / "others", seed=1))
        show(table(scores_of_defects(others, evaluator)))
        show("")
        show(table(scores_of_motion_defects(source, others, evaluator)))


if __name__ == "__main__":
    main()
