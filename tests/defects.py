"""Samples whose defects are known, and what notices them: `python -m tests.defects`."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from atarigan import collect
from atarigan.config.run_config import RunConfig
from atarigan.data.sources import SOURCES
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.evaluation.evaluator import Evaluator
from atarigan.evaluation.evaluators import evaluator_for
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.objects import find_objects
from atarigan.evaluation.metrics.score import Score
from atarigan.evaluation.motion_evaluator import evaluated_motion, stacks_at

NUM_STEPS = 3000
NUM = 700
NUM_STACKS, NUM_STACK = 240, 4
Frames = np.ndarray


def breakout(folder: Path, num_steps: int = NUM_STEPS) -> Path:
    """A buffer of scripted Breakout."""
    words = ["--env-id", "ALE/Breakout-v5", "--policy", "scripted", "--num-envs", "1"]
    collect.main([*words, "--num-steps", str(num_steps), "--out", str(folder)])
    return folder


def ball_masks(scene: GameStatistics, frames: Frames) -> Frames:
    """The pixels of small, rare objects, bool (N, H, W)."""
    masks = np.zeros(frames.shape[:3], bool)
    for mask, frame, foreground in zip(masks, frames, scene.foreground(frames), strict=True):
        found = find_objects(foreground[None], scene.foreground_rate)
        for row, column, small in zip(
            found.row, found.column, found.is_small(*frame.shape[:2]), strict=True
        ):
            if small:
                top, left = round(row), round(column)
                mask[max(0, top - 2) : top + 3, max(0, left - 2) : left + 3] = True
        mask &= foreground
    return masks


def without_ball(scene: GameStatistics, frames: Frames) -> Frames:
    return np.where(ball_masks(scene, frames)[..., None], scene.background, frames)


def with_second_ball(scene: GameStatistics, frames: Frames) -> Frames:
    """The ball once more, mirrored left to right."""
    masks = ball_masks(scene, frames)[..., None]
    mirrored = masks[:, :, ::-1]
    return np.where(mirrored, np.maximum(frames, frames[:, :, ::-1]), frames)


def with_low_paddle(frames: Frames) -> Frames:
    """The lowest rows of the field, with the paddle, moved to the right by seven pixels."""
    moved = frames.copy()
    height, width = frames.shape[1:3]
    rows = slice(int(0.88 * height), int(0.93 * height))
    inner = slice(int(0.06 * width), int(0.94 * width))
    moved[:, rows, inner] = np.roll(frames[:, rows, inner], 7, axis=2)
    return moved


def defects(judge: Evaluator, fresh: Frames) -> dict[str, Frames]:
    """Sets of samples by what is wrong with them; `fresh` are real frames not compared with."""
    scene = GameStatistics.of(judge.real)
    rng = np.random.default_rng(0)
    num = len(fresh)
    mean = fresh.mean(0, keepdims=True).round().astype(np.uint8)
    bright = fresh.reshape(num, -1).mean(1)
    return {
        "real": fresh,
        "ball erased": without_ball(scene, fresh),
        "second ball": with_second_ball(scene, fresh),
        "paddle shifted": with_low_paddle(fresh),
        "blurred": np.stack([cv2.GaussianBlur(f, (5, 5), 1.0).reshape(f.shape) for f in fresh]),
        "noise of 10 levels": np.clip(
            fresh + rng.normal(0, 10, fresh.shape).round(), 0, 255
        ).astype(np.uint8),
        "half the game": np.repeat(fresh[bright > np.median(bright)], 2, axis=0)[:num],
        "20 frames repeated": np.repeat(fresh[:20], -(-num // 20), axis=0)[:num],
        "learned by heart": judge.real[rng.permutation(len(judge.real))[:num]],
        "mean frame": np.repeat(mean, num, axis=0),
        "noise": rng.integers(0, 256, fresh.shape).astype(np.uint8),
    }


def motion_defects(scene: GameStatistics, fresh: Frames) -> dict[str, Frames]:
    """Stacks (N, K, H, W, C) by what is wrong with how their frames follow one another."""
    rng = np.random.default_rng(0)
    num, num_stack = fresh.shape[:2]
    flat = fresh.reshape(-1, *fresh.shape[2:])
    bare = without_ball(scene, flat).reshape(fresh.shape)
    is_ball = ball_masks(scene, flat).reshape(fresh.shape[:-1])[..., None]
    is_missing = (np.arange(num_stack) % 2 == 1)[:, None, None, None]
    shuffled = np.stack([stack[[2, 0, 3, 1]] for stack in fresh])
    specks = rng.random(fresh.shape) < 0.001
    return {
        "real": fresh,
        "still": np.repeat(fresh[:, -1:], num_stack, axis=1),
        "every second repeated": fresh[:, np.arange(num_stack) // 2 * 2],
        "shuffled": shuffled,
        "of different moments": np.stack(
            [np.roll(fresh[:, place], place * num // num_stack, axis=0) for place in range(4)], 1
        ),
        "ball frozen": np.where(is_ball[:, :1], fresh[:, :1], bare),
        "ball flickers": np.where(is_missing, bare, fresh),
        "specks": np.where(specks, fresh.max(), fresh),
    }


def judge_of(buffer: Path, num: int = NUM) -> tuple[BufferedFrames, Evaluator]:
    """Real frames of a buffer, and a judge of others."""
    config = RunConfig(data=str(buffer))
    source = SOURCES["frames"](config)
    assert isinstance(source, BufferedFrames)
    return source, evaluator_for(source, config, num)


def scores_of_defects(source: BufferedFrames, judge: Evaluator) -> dict[str, dict[str, Score]]:
    """Scores of every set of defective samples."""
    num = judge.num
    order = np.random.default_rng(judge.seed).permutation(source.num_samples)
    fresh = source.samples_at(order[2 * num : 3 * num])
    return {name: judge.scores(frames) for name, frames in defects(judge, fresh).items()}


def scores_of_motion_defects(
    source: BufferedFrames, judge: Evaluator
) -> dict[str, dict[str, Score]]:
    """Scores of every set of stacks that follow one another wrongly."""
    stacks = source.whole_stacks(NUM_STACK)
    order = np.random.default_rng(judge.seed).permutation(len(stacks))
    fresh = stacks_at(source, stacks[order[2 * NUM_STACKS : 3 * NUM_STACKS]])
    return {
        name: evaluated_motion(source, judge, found).scores()
        for name, found in motion_defects(judge.scene, fresh).items()
    }


def notices(score: Score, real: Score) -> bool:
    """Whether a score is worse than real samples' by three standard errors of both, and by a
    twentieth of it.
    """
    sign = 1 if score["better"] == "lower" else -1
    worse = sign * (score["value"] - real["value"])
    errors = [(each["interval"][1] - each["interval"][0]) / 3.92 for each in (score, real)]
    return worse > max(3 * math.hypot(*errors), 0.05 * abs(real["value"]), 1e-3)


def table(scores: dict[str, dict[str, Score]]) -> str:
    """Markdown: a row a measurement, a column a defect; the value, bold where it notices."""
    names = list(scores)
    lines = ["| | " + " | ".join(names) + " |", "|---" + "|---:" * len(names) + "|"]
    for metric, real in scores["real"].items():
        cells = [
            f"**{each[metric]['value']:.3g}**"
            if notices(each[metric], real)
            else f"{each[metric]['value']:.3g}"
            for each in scores.values()
        ]
        lines.append(f"| {metric} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(show: Callable[[str], object] = print) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, judge = judge_of(breakout(Path(folder) / "buffer"))
        show(table(scores_of_defects(source, judge)))
        show("")
        show(table(scores_of_motion_defects(source, judge)))


if __name__ == "__main__":
    main()
