"""The RAM probe: it predicts RAM from frames, and reports the bytes that it can read."""

import numpy as np
import pytest
import torch

from atarigan import FrameBuffer
from atarigan.config.run_config import RunConfig
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.evaluation.features import ram_probe
from atarigan.evaluation.features.ram_probe import RamProbe
from atarigan.evaluation.frame_evaluator import frame_evaluator


@pytest.fixture(autouse=True)
def _short_training(monkeypatch):
    monkeypatch.setattr(ram_probe, "NUM_TRAINING_FRAMES", 6000)


def bars(num, seed=0, shape=(30, 20, 1)):
    """Return frames with a bar at the column in byte 2, and RAM whose byte 5 is not shown."""
    rng = np.random.default_rng(seed)
    ram = np.full((num, 8), 3, np.uint8)
    ram[:, 2] = rng.integers(0, shape[1] - 4, num) * 5
    ram[:, 5] = rng.integers(0, 256, num)
    frames = np.zeros((num, *shape), np.uint8)
    for frame, place in zip(frames, ram[:, 2] // 5, strict=True):
        frame[10:14, place : place + 4] = 200
    return frames, ram


@pytest.mark.parametrize(
    "shape", [(30, 20, 1), (23, 37, 3), pytest.param((100, 120, 1), marks=pytest.mark.slow)]
)
def test_the_probe_reads_visible_bytes_and_excludes_others(shape):
    frames, ram = bars(400, shape=shape)
    before = torch.get_rng_state()
    probe = RamProbe.fit(frames, ram)
    assert torch.equal(before, torch.get_rng_state())
    assert probe.readable.tolist() == [2]
    fresh, fresh_ram = bars(300, seed=1, shape=shape)
    reading = probe.read(fresh)
    assert reading.features.shape == (300, 64)
    (claimed,) = reading.claims.T
    assert np.corrcoef(claimed, fresh_ram[:, 2])[0, 1] > 0.95


def test_probes_are_reproducible_by_seed(monkeypatch):
    monkeypatch.setattr(ram_probe, "NUM_TRAINING_FRAMES", 1000)
    frames, ram = bars(100)
    first, second = (RamProbe.fit(frames, ram, seed=3).read(frames[:20]) for _ in range(2))
    np.testing.assert_array_equal(first.features, second.features)


def test_whole_episodes_are_held_out(tmp_path):
    """What the frames of an episode have in common does not make a byte readable."""
    rng = np.random.default_rng(0)
    episodes = np.repeat(np.arange(24), 20)
    frames, ram = bars(len(episodes), shape=(16, 20, 1))
    frames[:, :8] = rng.integers(0, 250, (24, 8, 20, 1))[episodes]  # marks its episode
    ram[:, 5] = rng.permutation(24)[episodes] * 10  # of which no frame shows the number
    with FrameBuffer.create(tmp_path / "buffer", 480, (16, 20, 1), ram_size=8) as buffer:
        for row, frame in enumerate(frames):
            buffer.add(frame, terminated=row % 20 == 19, ram=ram[row])
    evaluator = frame_evaluator(BufferedFrames(buffer, RunConfig()), 240)
    assert evaluator.reference["claims"].shape == (240, 1)
