"""`python -m benchmarks.minigrid_cells FOLDER`: learned codes of three layouts of MiniGrid.

For each layout: collect frames of random play, train codes with one byte a cell for ten CPU
minutes, and count in how many frames of unseen episodes every cell is right: of all pictures of a
cell that the real frames show, the one nearest to it is the real one. A layout that has its row in
FOLDER is not run again, and an interrupted training goes on.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from minigrid.wrappers import ImgObsWrapper, RGBImgObsWrapper

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.images.pixels import Frames
from atarigan.models.frame_generator import FrameGenerator
from atarigan.pictures import grids

TILE = 8
SIDES = {"DoorKey-8x8": 8, "Fetch-8x8-N3": 8, "SimpleCrossingS9N3": 9}
_EPISODE_STEPS = 16
_NUM_STEPS, _NUM_TEST_STEPS, _TEST_SEED = 20_000, 2_000, 999
_MINUTES = 10
_BATCH = 100
_NUM_SHOWN = 8


def make(layout: str, render_mode: str | None = None) -> gym.Env:
    """Make an environment that observes the picture of its grid and begins anew every 16 steps."""
    env = gym.make(f"MiniGrid-{layout}-v0", render_mode="rgb_array", max_steps=_EPISODE_STEPS)
    grid: gym.Env = RGBImgObsWrapper(env, tile_size=TILE)  # type: ignore[no-untyped-call]
    images: gym.Env = ImgObsWrapper(grid)  # type: ignore[no-untyped-call]
    return images


for _layout in SIDES:
    gym.register(f"Cells-{_layout}-v0", f"{__name__}:make", kwargs={"layout": _layout})


def main(words: list[str]) -> None:
    """Make the rows that are missing, and print all."""
    (out,) = (Path(word) for word in words)
    for layout, side in SIDES.items():
        row = out / layout / "row.json"
        if not row.exists():
            _train(layout, side, out / layout)
            found = measured(out / layout)
            row.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(layout, json.loads(row.read_text(encoding="utf-8")), flush=True)


def measured(folder: Path) -> dict[str, float]:
    """Return the shares of cells and of frames that are right, and draw frames with errors first
    beside the real ones.
    """
    generator = FrameGenerator.load(folder / "run", device="cpu")
    buffer = FrameBuffer.open(folder / "test")
    real = buffer.values_at("frames", np.arange(len(buffer)))
    drawn = np.concatenate(
        [
            generator.decode(generator.latents(len(part), 0), generator.encode(part[:, None]))
            for part in np.array_split(real, -(-len(real) // _BATCH))
        ]
    )
    is_right = right_cells(real, drawn)
    worst = np.argsort(is_right.mean(1), kind="stable")[:_NUM_SHOWN]
    pairs = np.concatenate([real[worst], drawn[worst]])
    grids.save_picture(folder / "worst.png", grids.grid(pairs, _NUM_SHOWN, scale=2))
    return {"cells": float(is_right.mean()), "frames": float(is_right.all(1).mean())}


def right_cells(real: Frames, drawn: Frames) -> npt.NDArray[np.bool_]:
    """Return whether each cell is nearer to its real picture than to those of other cells.

    Args:
        real, drawn: uint8 (N, H, W, C), with H and W multiples of 8.

    Returns:
        bool (N, H / 8 · W / 8).
    """
    real_cells, drawn_cells = _cells(real), _cells(drawn)
    pictures, right = np.unique(
        real_cells.reshape(-1, real_cells.shape[-1]), axis=0, return_inverse=True
    )
    known = pictures.astype(np.float32)
    half_norms = (known**2).sum(1) / 2
    nearest = [(cells.astype(np.float32) @ known.T - half_norms).argmax(1) for cells in drawn_cells]
    return np.equal(nearest, right.reshape(real_cells.shape[:2]))


def _cells(frames: Frames) -> Frames:
    """Return the cells of each frame, (N, cells, values)."""
    num, height, width, _ = frames.shape
    cells = frames.reshape(num, height // TILE, TILE, width // TILE, TILE, -1)
    return cells.swapaxes(2, 3).reshape(num, (height // TILE) * (width // TILE), -1)


def _train(layout: str, side: int, folder: Path) -> None:
    """Collect what is missing, and begin a training or go on with it."""
    env_id = f"benchmarks.minigrid_cells:Cells-{layout}-v0"
    for name, num, seed in (("train", _NUM_STEPS, 0), ("test", _NUM_TEST_STEPS, _TEST_SEED)):
        if not (folder / name).exists():
            unfinished = folder / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            _python(
                *("-m", "atarigan.collect", "--env-id", env_id, "--out", str(unfinished)),
                *("--num-steps", str(num), "--seed", str(seed), "--num-envs", "1"),
                *("--condition", "none", "--frame-format", "rgb", "--frame-size", "native"),
            )
            unfinished.rename(folder / name)
    run = folder / "run"
    words = ["--data", str(folder / "train"), "--code-size", str(side * side)]
    words = ["--resume"] if (run / "checkpoints").exists() else words
    limit = ["--max-minutes", str(_MINUTES), "--clock", "cpu", "--device", "cpu"]
    _python("-m", "atarigan.train", "--out", str(run), *words, *limit)


def _python(*words: str) -> None:
    """Run a module with one CPU thread."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *words], env=env, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
