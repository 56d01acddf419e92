"""Sources give the same batches wherever they start, and share them out among processes."""

import functools
import gzip
import itertools
import os
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources import SOURCES
from atarigan.data.sources.points import NoisySine
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat, ale_palette
from tests.data_sets import needs_data

PUBLISHED = ("mnist", "fashion-mnist", "cifar10")
AT_HAND = [name for name in SOURCES if name not in PUBLISHED or "ATARIGAN_DATA" in os.environ]


def filled_buffer(path, frame_format, num=40):
    buffer = FrameBuffer.create(path, num, frame_format.shape, frame_format=frame_format)
    with buffer:
        for number in range(num):
            buffer.add(np.full(frame_format.shape, number, np.uint8))
    return buffer


def fill_folder(path, shapes=((5, 4),) * 30):
    path.mkdir(exist_ok=True)
    for number, (height, width) in enumerate(shapes):
        image = np.full((height, width, 3), [number, 100, 200], np.uint8)
        iio.imwrite(path / f"{number:03d}.png", image)
    return path


def open_source(name, tmp_path):
    if name == "frames":
        filled_buffer(tmp_path / "buffer", FrameFormat("gray", 5, 4))
        return SOURCES[name](RunConfig(data=str(tmp_path / "buffer")))
    if name == "folder":
        folder = fill_folder(tmp_path / "images")
        return SOURCES[name](RunConfig(source=name, data=str(folder)))
    return SOURCES[name](RunConfig(source=name))


def take(source, num, **options):
    batches = itertools.islice(source.batches(6, seed=3, **options), num)
    return [batch.samples for batch in batches]


@pytest.mark.parametrize("name", AT_HAND)
def test_batches_do_not_depend_on_where_iteration_starts(name, tmp_path):
    source = open_source(name, tmp_path)
    whole = take(source, 8)
    np.testing.assert_array_equal(whole[5:], take(source, 3, start=5))
    assert not np.array_equal(whole[0], whole[1])


@pytest.mark.parametrize("name", AT_HAND)
def test_processes_share_one_global_batch(name, tmp_path):
    source = open_source(name, tmp_path)
    (whole,) = (batch.samples for batch in itertools.islice(source.batches(12, seed=3), 1))
    halves = [take(source, 1, rank=rank, world_size=2)[0] for rank in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(halves), whole)


def test_a_batch_larger_than_the_source_runs_through_several_epochs(tmp_path):
    source = open_source("frames", tmp_path)
    (batch,) = itertools.islice(source.batches(100, seed=0), 1)
    assert len(batch.samples) == 100
    assert np.bincount(batch.samples[:80, 0, 0, 0]).tolist() == [2] * 40


@needs_data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx_sources_are_whole_and_labeled(name, tmp_path):
    source = open_source(name, tmp_path)
    assert source.images.shape == (60_000, 28, 28, 1)
    assert np.bincount(source.labels).min() > 5000
    assert source.num_classes == 10


@needs_data
def test_cifar_images_have_the_colors_that_are_documented(tmp_path):
    source = open_source("cifar10", tmp_path)
    assert source.spec.shape == (3, 32, 32)
    assert source.labels[:2].tolist() == [6, 9]
    assert source.images[0, 0, :3, 0].tolist() == [59, 43, 50]
    assert source.images[1, 0, :3, 0].tolist() == [154, 126, 105]
    assert source.images[0, -1, -3:, 2].tolist() == [140, 84, 72]


@functools.cache
def published_mnist():
    published = Path(os.environ["ATARIGAN_DATA"]) / "mnist"
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
    return {name: gzip.decompress((published / f"{name}.gz").read_bytes()) for name in names}


def damaged_mnist(tmp_path, damage):
    for name, content in published_mnist().items():
        (tmp_path / name).write_bytes(damage(name, content))
    return RunConfig(source="mnist", data=str(tmp_path))


@needs_data
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda name, content: content[:-1], "must hold 47,040,000 bytes"),
        (lambda name, content: content + b"x", "not more"),
        (
            lambda name, content: b"\x00\x00\x09" + content[3:],
            "magic number 00000803, not 00000903",
        ),
        (lambda name, content: content[:7], "magic number"),
        (lambda name, content: b"", "not nothing"),
        (lambda name, content: content[:4] + b"\xff" * 12 + content[16:], "1 byte to 1 GiB"),
        (lambda name, content: relabeled(name, content), "as many images as labels"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, damage, message):
    with pytest.raises(InputError, match=message):
        SOURCES["mnist"](damaged_mnist(tmp_path, damage))


def relabeled(name, content):
    if "labels" not in name:
        return content
    return content[:4] + (59_999).to_bytes(4, "big") + content[8:-1]


@needs_data
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_gzip_file_cut_short_is_refused(tmp_path, name):
    for path in (Path(os.environ["ATARIGAN_DATA"]) / name).glob("*gz"):
        (tmp_path / path.name).write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole gzip file"):
        SOURCES[name](RunConfig(source=name, data=str(tmp_path)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not 0 bytes"),
        (b"\x00" * 3072, "not 3,072 bytes"),
        (b"\x0a" + b"\x00" * 3072, "labels 0 to 9, not 10"),
        (b"\x00" * 3073 * 10_001, "not over 30,730,000 bytes"),
    ],
)
def test_damaged_cifar_files_are_refused(tmp_path, content, message):
    (tmp_path / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(InputError, match=message):
        SOURCES["cifar10"](RunConfig(source="cifar10", data=str(tmp_path)))


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_offline_the_error_says_what_is_missing_and_where_to_put_it(name, tmp_path, monkeypatch):
    def refuse(**request):
        raise OSError("no route to host")

    monkeypatch.delenv("ATARIGAN_DATA", raising=False)
    monkeypatch.setattr("pooch.retrieve", refuse)
    with pytest.raises(InputError, match=r"gz is not in .*no route to host.*--data"):
        SOURCES[name](RunConfig(source=name))


def test_whole_stacks_stay_within_an_episode_and_a_writer(tmp_path):
    frame_format = FrameFormat("gray", 5, 4)
    with FrameBuffer.create(
        tmp_path / "buffer", 40, frame_format.shape, frame_format=frame_format, num_writers=2
    ) as buffer:
        for terminates, truncates in ((6, 7), (2, -1)):
            writer = buffer.new_writer()
            for number in range(12):
                frame = np.full(frame_format.shape, number, np.uint8)
                writer.add(frame, 0, 0.0, number == terminates, number == truncates)
    source: Any = SOURCES["frames"](RunConfig(data=str(tmp_path / "buffer")))
    stacks = [[0, 1, 2], [3, 4, 5], [8, 9, 10], [12, 13, 14], [15, 16, 17], [18, 19, 20]]
    assert source.whole_stacks(3).tolist() == [*stacks, [21, 22, 23]]
    assert source.whole_stacks(8).tolist() == [list(range(15, 23))]
    assert source.whole_stacks(13).shape == (0, 13)


def test_frames_come_as_bytes_and_cover_the_buffer(tmp_path):
    source = open_source("frames", tmp_path)
    assert source.spec.shape == (1, 5, 4)
    assert source.num_samples == 40
    frames = np.concatenate(take(source, 20))  # three epochs of 40
    assert frames.dtype == np.uint8
    for epoch in range(3):
        assert sorted(frames[40 * epoch : 40 * epoch + 40, 0, 0, 0]) == list(range(40))
    assert not np.array_equal(frames[:40], frames[40:80])


def test_palette_frames_come_in_their_colors(tmp_path):
    filled_buffer(tmp_path / "buffer", FrameFormat("palette", 3, 4, "ntsc"))
    source = SOURCES["frames"](RunConfig(data=str(tmp_path / "buffer")))
    assert source.spec.shape == (3, 3, 4)
    assert source.spec.frame_format == FrameFormat("rgb", 3, 4)
    colors = {tuple(color) for color in ale_palette("ntsc")[:40]}
    assert {tuple(frame[0, 0]) for frame in np.concatenate(take(source, 60))} == colors


@pytest.mark.parametrize(
    ("data", "message"),
    [(None, "--data"), ("nowhere", "nowhere does not exist"), ("empty", "not 0")],
)
def test_frames_that_are_not_there(tmp_path, monkeypatch, data, message):
    monkeypatch.chdir(tmp_path)
    FrameBuffer.create("empty", 10, (4, 4, 1))
    with pytest.raises(InputError, match=message):
        SOURCES["frames"](RunConfig(data=data))


def test_folder_images_come_as_rgb(tmp_path):
    source = open_source("folder", tmp_path)
    assert source.spec.shape == (3, 5, 4)
    assert source.images[7, 0, 0].tolist() == [7, 100, 200]


def test_folder_images_of_several_sizes(tmp_path):
    folder = str(fill_folder(tmp_path / "images", [(5, 4), (8, 4)]))
    with pytest.raises(InputError, match=r"001.png must be 5x4 .* not 8x4: --image-size"):
        SOURCES["folder"](RunConfig(source="folder", data=folder))
    source: Any = SOURCES["folder"](RunConfig(source="folder", data=folder, image_size="6x7"))
    assert source.images.shape == (2, 6, 7, 3)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: None, "at least 1 image"),
        (lambda folder: (folder / "a.png").write_bytes(b""), "a.png is not an image"),
        (
            lambda folder: (folder / "a.png").write_bytes(b"\x89PNG\r\n" * 9),
            "a.png is not an image",
        ),
        (lambda folder: (folder / "a.jpg").write_text("text"), "a.jpg is not an image"),
    ],
)
def test_broken_image_folders(tmp_path, prepare, message):
    prepare(tmp_path)
    with pytest.raises(InputError, match=message):
        SOURCES["folder"](RunConfig(source="folder", data=str(tmp_path)))


def test_sine_points_lie_in_the_band():
    points = NoisySine().draw(6000, seed=0)
    assert points.shape == (6000, 2)
    assert points.dtype == np.float32
    above = points[:, 1] - np.sin(5 * points[:, 0])
    assert above.min() >= -1e-6
    assert above.max() < 0.1 + 1e-6
    assert points[:, 0].min() == -1
    assert points[:, 0].max() == 1
    assert np.ptp(above) > 0.09
