"""CIFAR-10 in its binary records."""

import tarfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atarigan.config.run_config import RunConfig
from atarigan.data.sources.data_files import (
    PublishedFile,
    Split,
    download,
    find_files,
    most_bytes,
    opened,
)
from atarigan.data.sources.image_set import ImageSet
from atarigan.data.sources.source import SOURCES
from atarigan.errors import InputError
from atarigan.images.pixels import Frames

RECORD_BYTES = 1 + 3 * 32 * 32
NUM_CLASSES = 10
LARGEST_FILE = 10_000 * RECORD_BYTES
ARCHIVE = PublishedFile(
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
)
Labels = npt.NDArray[np.int64]


@SOURCES.register("cifar10")
def open_cifar10(config: RunConfig) -> ImageSet:
    """Up to 50,000 photographs, 32×32 RGB, ten classes (Krizhevsky 2009)."""
    return open_cifar(config)


def open_cifar(config: RunConfig, split: Split = "train") -> ImageSet:
    """The images and labels to train on, or those to test with."""
    pattern = {"train": "data_batch_*.bin", "test": "test_batch*.bin"}[split]
    paths = find_files("cifar10", [pattern], config.data)
    parts = [read_records(path) for path in paths]
    parts = parts or read_archive(download(ARCHIVE, "cifar10"), split)
    images, labels = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return ImageSet(images, config, labels, NUM_CLASSES)


def read_records(path: Path) -> tuple[Frames, Labels]:
    """Images uint8 (N, 32, 32, 3) and labels int64 (N,) of one file of records, gzipped or not.

    Raises:
        InputError: the file is missing, damaged, or no whole number of up to 10,000 records.
    """
    with opened(path) as file:
        content = file.read(min(LARGEST_FILE, most_bytes(path)) + 1)
    return parse_records(content, str(path))


def read_archive(path: Path, split: Split = "train") -> list[tuple[Frames, Labels]]:
    """The five training files of the published archive or its one test file, read where they are,
    nothing unpacked to disk.
    """
    train = [f"data_batch_{number}" for number in range(1, 6)]
    parts = []
    try:
        with tarfile.open(path) as archive:
            for batch in train if split == "train" else ["test_batch"]:
                name = f"cifar-10-batches-bin/{batch}.bin"
                member = archive.extractfile(name)
                content = b"" if member is None else member.read(LARGEST_FILE + 1)
                parts.append(parse_records(content, f"{path}:{name}"))
    except (tarfile.TarError, KeyError, EOFError, zlib.error, OSError) as error:
        raise InputError(f"{path} is not the published CIFAR-10 archive: {error}") from None
    return parts


def parse_records(content: bytes, where: str) -> tuple[Frames, Labels]:
    """Images and labels of bytes that are records: a label, then red, green and blue planes.

    Raises:
        InputError: no whole number of 1 to 10,000 records, or a label above 9.
    """
    if not 0 < len(content) <= LARGEST_FILE or len(content) % RECORD_BYTES:
        held = f"over {LARGEST_FILE:,}" if len(content) > LARGEST_FILE else f"{len(content):,}"
        raise InputError(
            f"{where} must be 1 to 10,000 records of {RECORD_BYTES} bytes, not {held} bytes"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= NUM_CLASSES:
        raise InputError(f"{where} must hold labels 0 to 9, not {labels.max()}")
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
