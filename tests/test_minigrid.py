"""Learned codes of MiniGrid, whose observations are images and whose state is nowhere else."""

import dataclasses
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

from atarigan import FrameGenerator
from atarigan.config.recipes import load_recipe
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.worker import Share, Signals, collect_share
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.envs import GeneratedObservation
from atarigan.images.pixels import FrameFormat
from atarigan.training.build import build_trainer

wrappers = pytest.importorskip("minigrid.wrappers")
TILE = 8


def rooms(render_mode: str | None = None) -> gym.Env:
    env = gym.make("MiniGrid-DoorKey-5x5-v0", render_mode="rgb_array")
    return wrappers.ImgObsWrapper(wrappers.RGBImgObsWrapper(env, tile_size=TILE))


gym.register("Rooms-v0", rooms)


def test_images_are_all_that_is_needed(tmp_path: Path) -> None:
    buffer = create_buffer(
        tmp_path / "data",
        Origin(env_id="tests.test_minigrid:Rooms-v0", policy="random", frame_skip=1),
        format_name="rgb",
        size=None,
        capacity=40,
    )
    collect_share(Share(tmp_path / "data", 0, 40, seed=0), Signals(1))
    buffer.refresh()
    assert (buffer.meta.frame_format, buffer.meta.state) == (FrameFormat("rgb", 40, 40), None)
    config = dataclasses.replace(
        load_recipe("codes"), generator_width=16, code_size=25, batch_size=8, device="cpu"
    )
    trainer = build_trainer(config, source=BufferedFrames(buffer, config))
    batches, updates = trainer.open_batches(), trainer.updates
    for _ in range(3):
        updates.update_reconstruction(*next(batches))
    generator = FrameGenerator(trainer.model, updates.generator, torch.device("cpu"))
    env = GeneratedObservation(gym.make("Rooms-v0"), generator)
    observation, _ = env.reset(seed=1)
    assert (observation.dtype, observation.shape) == (np.uint8, (40, 40, 3))
    real = rooms().reset(seed=1)[0]
    drawn = generator.decode(generator.latents(1, seed=0), generator.encode(real[None, None]))
    assert (observation == drawn[0]).mean() > 0.95  # latents hardly matter
    shown = {tuple(color) for color in observation.reshape(-1, 3).tolist()}
    known = buffer.values_at("frames", np.arange(40)).reshape(-1, 3)
    assert shown <= {tuple(color) for color in np.unique(known, axis=0).tolist()}
    env.close()


def test_a_cell_is_right_if_its_real_picture_is_the_nearest_known_one() -> None:
    from benchmarks.minigrid_cells import right_cells

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, TILE, TILE, 3), dtype=np.uint8)
    numbers = rng.integers(0, 3, (5, 2, 3))
    real = pictures[numbers].swapaxes(2, 3).reshape(5, 2 * TILE, 3 * TILE, 3)
    noise = rng.integers(-20, 21, real.shape)
    drawn = np.clip(real.astype(int) + noise, 0, 255).astype(np.uint8)
    assert right_cells(real, drawn).all()
    drawn[2, TILE:, :TILE] = pictures[(numbers[2, 1, 0] + 1) % 3]
    assert np.argwhere(~right_cells(real, drawn)).tolist() == [[2, 3]]
