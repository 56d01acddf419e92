"""How many samples an evaluation says that it processes."""

from pathlib import Path

import pytest

from atarigan.config.recipes import load_recipe
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.evaluation.build import evaluator_for, progress_total
from atarigan.evaluation.motion_evaluator import evaluate_motion, stacks_at
from tests.moving_square import write_squares


@pytest.mark.parametrize("num", [20, 40])
def test_the_total_is_what_frames_without_ram_are_processed(tmp_path: Path, num: int) -> None:
    config = load_recipe("vector-frames")
    source = BufferedFrames(write_squares(tmp_path / "data", 200), config)
    stacks = stacks_at(source, source.whole_stacks(4)[:num])
    counted: list[int] = []
    evaluator = evaluator_for(source, config, num, progress=counted.append)
    evaluator.evaluate(source.samples_at(source.whole_stacks(4)[:num, 0]), counted.append).scores(
        counted.append
    )
    motion = evaluate_motion(source, evaluator, stacks, counted.append)
    assert motion is not None
    motion.scores(counted.append)
    assert sum(counted) == progress_total(source, num, stacks=stacks)
