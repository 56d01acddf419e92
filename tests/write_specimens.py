"""Write a small specimen of every file format: `python -m tests.write_specimens FOLDER`.

`tests/specimens/` was written by a release and stays as it is: tests/test_specimens.py reads it
with the present code. Only public interfaces are used, so that any release can run this file.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from atarigan import FrameBuffer, FrameGenerator
from atarigan.data.states import StateSpec

ATARI = (*("--recipe", "atari", "--latent-size", "2", "--critic-width", "1", "--batch-size", "4"),)
MLP = (
    *("--network", "mlp", "--generator-layers", "4", "--critic-layers", "4"),
    *("--reconstruction-steps", "2", "--max-images", "24"),
)
POINTS = (
    *("--recipe", "sine", "--generator-layers", "4", "4", "--critic-layers", "4", "4"),
    *("--batch-size", "8", "--max-images", "32"),
)
QUICK = ("--max-minutes", "0", "--evaluate-every-s", "0", "--log", "none", "--device", "cpu")
NEEDED = ("config.json", "checkpoints")
VECTOR = StateSpec.of("observation", 2)
VECTORS = np.array([[row, column] for row in (0, 1, 2) for column in (0, 0.5)], np.float32)
RAM = np.array([[row, column] for row in (0, 200) for column in (0, 100, 200)], np.uint8)


def main(folder: Path) -> None:
    folder.mkdir(parents=True)
    breakout = ("--env-id", "ALE/Breakout-v5", "--num-envs", "1", "--frame-size", "12x10")
    run("collect", *breakout, "--num-steps", 60, "--capacity", 40, "--out", folder / "breakout")
    run("collect", *breakout, "--num-steps", 40, "--no-frames", "--out", folder / "breakout-ram")
    write_toy_buffer(folder / "toy")
    train(folder / "run", "--data", folder / "toy", *ATARI, *MLP)
    train(folder / "points", *POINTS)
    profiles = folder / "profiles"
    train(profiles, "--data", folder / "toy", *ATARI, "--max-images", 4000)
    run("pack", "--run", profiles, "--out", folder / "packed")
    run("export", "--run", folder / "run", "--out", folder / "generator.onnx")
    shutil.rmtree(profiles)
    write_vectors(folder)
    write_expected(folder)


def run(command: str, *words: object) -> None:
    line = [sys.executable, "-m", f"atarigan.{command}", *map(str, words)]
    subprocess.run(line, check=True)


def train(out: Path, *words: object) -> None:
    """A run with its newest checkpoint alone, and no pictures."""
    run("train", "--out", out, *words, *QUICK)
    for path in out.iterdir():
        if path.name not in NEEDED:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for checkpoint in sorted((out / "checkpoints").iterdir())[:-1]:
        shutil.rmtree(checkpoint)


def write_toy_buffer(path: Path) -> None:
    """A dot on a small screen; RAM holds its row and its column."""
    with FrameBuffer.create(path, 36, (5, 4, 1), ram_size=2) as buffer:
        for number in range(36):
            ram = RAM[number * 5 % len(RAM)]
            row, column = ram // 100
            frame = np.zeros((5, 4, 1), np.uint8)
            frame[row : row + 2, column : column + 2] = 200
            buffer.add(frame, number % 3, float(row), number % 12 == 11, ram=ram)


def write_vectors(folder: Path) -> None:
    """A buffer of vectors, a packed generator of them, and what it draws."""
    with FrameBuffer.create(folder / "vectors", 36, (5, 4, 1), state=VECTOR) as buffer:
        for number in range(36):
            state = np.array([number % 3, number % 2 / 2], np.float32)
            frame = np.zeros((5, 4, 1), np.uint8)
            frame[number % 3 : number % 3 + 2, number % 2 : number % 2 + 2] = 200
            buffer.add(frame, number % 3, 0.5, number % 12 == 11, state=state)
    words = ("--data", folder / "vectors", "--generator-width", "4", "--critic-width", "1")
    few = ("--latent-size", "2", "--batch-size", "4", "--max-images", "388")
    train(folder / "vector-run", *words, *few)
    run("pack", "--run", folder / "vector-run", "--out", folder / "vectors-packed")
    shutil.rmtree(folder / "vector-run")
    generator = FrameGenerator.load(folder / "vectors-packed", device="cpu")
    drawn = generator.decode(generator.latents(len(VECTORS), seed=0), VECTORS)
    np.savez(folder / "vectors.npz", sampled=generator.sample(8, seed=0), of_vectors=drawn)


def write_expected(folder: Path) -> None:
    """What this release makes of the specimens: samples, and weights after training goes on."""
    buffer = FrameBuffer.open(folder / "breakout")
    batch = buffer.sample_transitions(8, 2, seed=0)
    np.savez(folder / "transitions.npz", frames=batch.frames, actions=batch.actions)
    for name in ("run", "packed"):
        generator = FrameGenerator.load(folder / name, device="cpu")
        drawn = generator.decode(generator.latents(len(RAM), seed=0), RAM)
        np.savez(folder / f"{name}.npz", sampled=generator.sample(8, seed=0), of_ram=drawn)
    points = FrameGenerator.load(folder / "points", device="cpu").sample_points(8, seed=0)
    np.savez(folder / "points.npz", sampled=points)
    for name in ("run", "points"):
        copy = folder / "resumed"
        shutil.copytree(folder / name, copy)
        data = ("--data", folder / "toy") if name == "run" else ()
        train(copy, "--resume", "--max-images", 48, *data)
        [weights] = copy.glob("checkpoints/*/generator.safetensors")
        small = {key: each for key, each in load_file(weights).items() if each.size < 1000}
        np.savez(folder / f"{name}-resumed.npz", **small)
        shutil.rmtree(copy)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
