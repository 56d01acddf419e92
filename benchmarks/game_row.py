"""`python -m benchmarks.game_row FOLDER`: what is measured of a generator of one game.

The folder has frames in `train`, frames of unseen episodes in `test`, and a training in `run`. It
gets `packed`, the generator as it is distributed, with its card; `worst.png` and `wall.png`, frames
of the worst eighth; and `row.json`.
"""

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atarigan import pack
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sample_spec import Ram
from atarigan.data.sources import SOURCES
from atarigan.evaluation.drawn_samples import Pairs, draw_pairs
from atarigan.evaluation.metrics.game_statistics import GameStatistics, far_apart
from atarigan.evaluation.metrics.pairs import pair_scores
from atarigan.files import atomic
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.models.checkpoint import find_checkpoint, load_model_config
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.latents import Latents
from atarigan.pictures import grids
from benchmarks.model_card import generator_card

NUM_PAIRS = 3000
NUM_SHOWN = 24
NUM_COLUMNS = 6
_NUM_ON_WALL = 4
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


def measured(generator: FrameGenerator, test_data: Path, folder: Path) -> Row:
    """Evaluate a generator on the frames of episodes that it has not seen, and draw its worst
    frames, and a cross-section of all, beside the real ones.

    Args:
        generator: draws frames of given states, on the CPU.
        test_data: a frame buffer with states.
        folder: gets `worst.png`, `wall.png` and `frames.png`.

    Returns:
        Values by the first names in `COLUMNS`; `ms` is the CPU time of a single frame, and
        `frames_per_s` the frames of a CPU second in batches of 256.
    """
    assert generator.state is not None
    config = RunConfig(source="frames", data=str(test_data), condition=generator.state.kind)
    source = SOURCES["frames"](config)
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
    wrong = np.argsort(is_wrong.mean((1, 2)), kind="stable")[::-1]
    worst = wrong[: max(1, int(len(wrong) * _WORST_SHARE))]
    _draw(folder / "worst.png", pairs, worst, generator.frame_format)
    _draw_for_wall(folder / "wall.png", pairs, worst, generator.frame_format)
    _draw(folder / "frames.png", pairs, np.arange(len(wrong)), generator.frame_format)
    return row


def _draw(
    picture: Path, pairs: Pairs, chosen: npt.NDArray[np.intp], frame_format: FrameFormat
) -> None:
    """Draw some frames, real ones beside generated ones, evenly spaced among those chosen."""
    shown = _spaced(chosen, NUM_SHOWN)
    scale = grids.scale_for(frame_format.height, frame_format.width, target=168)

    def wall(frames: Frames) -> Frames:
        return grids.grid(frame_format.to_rgb(frames[shown]), NUM_COLUMNS, scale)

    both = (wall(pairs.true), wall(pairs.frames))
    grids.save_picture(picture, grids.side_by_side(*both, ("real", "generated")))


def _draw_for_wall(
    picture: Path, pairs: Pairs, chosen: npt.NDArray[np.intp], frame_format: FrameFormat
) -> None:
    """Draw a row of real frames over the generated ones, small."""
    shown = _spaced(chosen, _NUM_ON_WALL)
    frames = np.concatenate([pairs.true[shown], pairs.frames[shown]])
    grids.save_picture(picture, grids.grid(frame_format.to_rgb(frames), len(shown)))


def _spaced(chosen: npt.NDArray[np.intp], num: int) -> npt.NDArray[np.intp]:
    """Return so many of the chosen numbers, evenly spaced, or all."""
    places = np.linspace(0, len(chosen) - 1, min(num, len(chosen))).astype(np.intp)
    return np.take(chosen, places)


def _seconds(generator: FrameGenerator, latents: Latents, states: Ram) -> float:
    """CPU seconds of decoding a batch, the least of several."""
    times = []
    for _ in range(_NUM_TIMED.get(len(latents), _NUM_TIMED[BATCH_SIZE])):
        before = time.process_time()
        generator.decode(latents, states)
        times.append(time.process_time() - before)
    return min(times)


def main(words: list[str]) -> None:
    """Pack and measure; the row is written last."""
    (folder,) = (Path(word) for word in words)
    packed = folder / "packed"
    shutil.rmtree(packed, ignore_errors=True)
    pack.main(["--run", str(folder / "run"), "--out", str(packed)])
    size = sum(file.stat().st_size for file in packed.iterdir())
    row = measured(FrameGenerator.load(packed, device="cpu"), folder / "test", folder)
    row["megabytes"] = round(size / 1e6, 2)
    row["images"] = int(find_checkpoint(folder / "run").name.rpartition("-")[2])
    (folder / "frames.png").replace(packed / "frames.png")
    card = generator_card(row, FrameBuffer.open(folder / "train"), load_model_config(packed))
    (packed / "README.md").write_text(card, encoding="utf-8")
    with atomic.new_file(folder / "row.json") as temporary:
        temporary.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
