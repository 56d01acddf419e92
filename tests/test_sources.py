"""Sources give the same batches wherever they start, and share them out among processes."""

import itertools

import numpy as np
import pytest

from atarigan.errors import InputError
from atarigan.frames.frame_buffer import FrameBuffer
from atarigan.pixels import FrameFormat, ale_palette
from atarigan.run_config import RunConfig
from atarigan.sources import SOURCES
from atarigan.sources.points import sine_points


def filled_buffer(path, frame_format, num=40):
    buffer = FrameBuffer.create(path, num, frame_format.shape, frame_format=frame_format)
    with buffer:
        for number in range(num):
            buffer.add(np.full(frame_format.shape, number, np.uint8))
    return buffer


def open_source(name, tmp_path):
    if name == "frames":
        filled_buffer(tmp_path / "buffer", FrameFormat("gray", 5, 4))
    return SOURCES[name](RunConfig(source=name, data=str(tmp_path / "buffer")))


def take(source, num, **options):
    batches = itertools.islice(source.batches(6, seed=3, **options), num)
    return [batch.samples for batch in batches]


@pytest.mark.parametrize("name", list(SOURCES))
def test_batches_do_not_depend_on_where_iteration_starts(name, tmp_path):
    source = open_source(name, tmp_path)
    whole = take(source, 8)
    np.testing.assert_array_equal(whole[5:], take(source, 3, start=5))
    assert not np.array_equal(whole[0], whole[1])


@pytest.mark.parametrize("name", list(SOURCES))
def test_processes_share_one_global_batch(name, tmp_path):
    source = open_source(name, tmp_path)
    (whole,) = (batch.samples for batch in itertools.islice(source.batches(12, seed=3), 1))
    halves = [take(source, 1, rank=rank, world_size=2)[0] for rank in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(halves), whole)


def test_frames_come_as_bytes_and_cover_the_buffer(tmp_path):
    source = open_source("frames", tmp_path)
    assert source.spec.shape == (1, 5, 4)
    assert source.num_samples == 40
    frames = np.concatenate(take(source, 60))
    assert frames.dtype == np.uint8
    assert set(np.unique(frames)) == set(range(40))


def test_palette_frames_come_in_their_colors(tmp_path):
    filled_buffer(tmp_path / "buffer", FrameFormat("palette", 3, 4, "ntsc"))
    source = SOURCES["frames"](RunConfig(data=str(tmp_path / "buffer")))
    assert source.spec.shape == (3, 3, 4)
    assert source.spec.frame_format == FrameFormat("rgb", 3, 4)
    colors = {tuple(color) for color in ale_palette("ntsc")[:40]}
    assert {tuple(frame[0, 0]) for frame in np.concatenate(take(source, 60))} == colors


@pytest.mark.parametrize(
    ("data", "message"),
    [(None, "--data"), ("nowhere", "nowhere is not a frame buffer"), ("empty", "not 0")],
)
def test_frames_that_are_not_there(tmp_path, monkeypatch, data, message):
    monkeypatch.chdir(tmp_path)
    FrameBuffer.create("empty", 10, (4, 4, 1))
    with pytest.raises(InputError, match=message):
        SOURCES["frames"](RunConfig(data=data))


def test_sine_points_lie_in_the_band():
    points = sine_points()
    assert points.shape == (6000, 2)
    assert points.dtype == np.float32
    above = points[:, 1] - np.sin(5 * points[:, 0])
    assert above.min() >= -1e-6
    assert above.max() < 0.1 + 1e-6
    assert points[:, 0].min() == -1
    assert points[:, 0].max() == 1
    assert np.ptp(above) > 0.09
