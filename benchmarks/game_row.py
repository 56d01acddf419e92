"""`python -m benchmarks.game_row FOLDER`: what is measured of a generator of one game.

The folder has the frames of unseen episodes in `test` and a training in `run`; it gets `row.json`
and `worst.png`.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atarigan import pack
from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import Ram
from atarigan.data.sources import SOURCES
from atarigan.evaluation.drawn_samples import Pairs, draw_pairs
from atarigan.evaluation.metrics.game_statistics import GameStatistics, far_apart
from atarigan.evaluation.metrics.pairs import pair_scores
from atarigan.files import atomic
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.models.checkpoint import find_checkpoint
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.latents import Latents
from atarigan.pictures import grids

NUM_PAIRS = 3000
NUM_SHOWN = 24
NUM_COLUMNS = 6
BATCH_SIZE = 256
_WORST_SHARE = 1 / 8
_NUM_TIMED = {1: 40, BATCH_SIZE: 6}

Row = dict[str, float]

COLUMNS = {
    "pixel_accuracy": "pixels",
    "foreground_accuracy": "foreground",
    "small_found": "small found",
    "small_offset": "offset",
    "exact_frames": "exact frames",
    "ms": "ms",
    "frames_per_s": "frames/s",
    "megabytes": "MB",
    "images": "images",
}


def measured(run: Path, test_data: Path, picture: Path) -> Row:
    """Evaluate a run's generator on the frames of episodes that it has not seen, and draw its worst
    frames beside the real ones.

    Args:
        run: folder of a run.
        test_data: a frame buffer with states.
        picture: file to write.

    Returns:
        Values by the names in `COLUMNS`; `ms` is the CPU time of a single frame, and `frames_per_s`
        the frames of a CPU second in batches of 256.
    """
    generator = FrameGenerator.load(run, device="cpu")
    source = SOURCES["frames"](RunConfig(source="frames", data=str(test_data), condition="ram"))
    pairs = draw_pairs(generator, source, NUM_PAIRS, 0)
    statistics = GameStatistics.of(pairs.true)
    scores = pair_scores(pairs.frames, pairs.true, statistics, pairs.episodes)
    row = {name: round(score["value"], 5) for name, score in scores.items()}
    is_wrong = far_apart(pairs.frames, pairs.true)
    row["exact_frames"] = round(float(1 - is_wrong.any((1, 2)).mean()), 5)
    states = source.conditions_at(np.arange(min(BATCH_SIZE, source.num_samples)))
    assert states is not None
    latents = generator.latents(len(states), 0)
    row["ms"] = round(1e3 * _seconds(generator, latents[:1], states[:1]), 3)
    row["frames_per_s"] = round(len(states) / _seconds(generator, latents, states))
    row["images"] = int(find_checkpoint(run).name.rpartition("-")[2])
    row["megabytes"] = round(_packed_size(run) / 1e6, 2)
    save_worst(picture, pairs, is_wrong.mean((1, 2)), generator.frame_format)
    return row


def save_worst(
    picture: Path, pairs: Pairs, wrong: npt.NDArray[np.float64], frame_format: FrameFormat
) -> None:
    """Draw frames of the worst eighth, real ones above generated ones, evenly spaced in it.

    Args:
        picture: file to write.
        pairs: what was drawn.
        wrong: share of each frame's pixels that are wrong, (N,).
        frame_format: of the frames.
    """
    worst = np.argsort(wrong, kind="stable")[::-1][: max(1, int(len(wrong) * _WORST_SHARE))]
    shown = worst[np.linspace(0, len(worst) - 1, min(NUM_SHOWN, len(worst))).astype(int)]
    scale = grids.scale_for(frame_format.height, frame_format.width, target=168)

    def wall(frames: Frames) -> Frames:
        return grids.grid(frame_format.to_rgb(frames[shown]), NUM_COLUMNS, scale)

    both = (wall(pairs.true), wall(pairs.frames))
    grids.save_picture(picture, grids.side_by_side(*both, ("real", "generated")))


def _seconds(generator: FrameGenerator, latents: Latents, states: Ram) -> float:
    """CPU seconds of decoding a batch, the least of several."""
    times = []
    for _ in range(_NUM_TIMED.get(len(latents), _NUM_TIMED[BATCH_SIZE])):
        before = time.process_time()
        generator.decode(latents, states)
        times.append(time.process_time() - before)
    return min(times)


def _packed_size(run: Path) -> int:
    """Bytes of the generator as it is distributed."""
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "packed"
        pack.main(["--run", str(run), "--out", str(packed)])
        return sum(file.stat().st_size for file in packed.iterdir())


def main(words: list[str]) -> None:
    """Measure, and write the row last."""
    (folder,) = (Path(word) for word in words)
    row = measured(folder / "run", folder / "test", folder / "worst.png")
    with atomic.new_file(folder / "row.json") as temporary:
        temporary.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
