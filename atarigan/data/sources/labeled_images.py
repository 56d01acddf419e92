"""MNIST, Fashion-MNIST and CIFAR-10: labeled images in the files that their authors published."""

import math
import tarfile
import zlib
from collections.abc import Callable
from functools import partial
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
from atarigan.errors import InputError, did_you_mean
from atarigan.files.untrusted_paths import confined
from atarigan.images.pixels import Frames

Labels = npt.NDArray[np.int64]
NUM_CLASSES = 10
_LARGEST_IDX_FILE = 1 << 30
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_MD5 = {
    _MNIST: {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    _FASHION: {
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
}
_BASES = {"mnist": _MNIST, "fashion-mnist": _FASHION}
_RECORD_BYTES = 1 + 3 * 32 * 32
_LARGEST_CIFAR_FILE = 10_000 * _RECORD_BYTES
_CIFAR_ARCHIVE = PublishedFile(
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c32a1d4ab5d03f1284b67883e8d87530",
)


@SOURCES.register("mnist")
def open_mnist(config: RunConfig) -> ImageSet:
    """60,000 handwritten digits, 28×28 gray, ten classes (LeCun et al. 1998)."""
    return open_idx("mnist", config)


@SOURCES.register("fashion-mnist")
def open_fashion_mnist(config: RunConfig) -> ImageSet:
    """60,000 pictures of clothes, 28×28 gray, ten classes (Xiao et al. 2017, arXiv:1708.07747)."""
    return open_idx("fashion-mnist", config)


@SOURCES.register("cifar10")
def open_cifar10(config: RunConfig) -> ImageSet:
    """Up to 50,000 photographs, 32×32 RGB, ten classes (Krizhevsky 2009)."""
    return open_cifar(config)


def open_idx(data_set: str, config: RunConfig, split: Split = "train") -> ImageSet:
    """Open one split of MNIST or Fashion-MNIST.

    Raises:
        InputError: a file is missing or damaged, or the numbers of images and labels differ.
    """
    paths = []
    for file in published_files(data_set, split):
        found = find_files(data_set, file.name.removesuffix(".gz"), config.data)
        paths.append(found[0] if found else download(file, data_set))
    images, labels = read_idx(paths[0], 3), read_idx(paths[1], 1)
    if len(images) != len(labels):
        raise InputError(
            f"{paths[0]} and {paths[1]} must hold as many images as labels, "
            f"not {len(images)} and {len(labels)}"
        )
    return ImageSet(images[..., None], config, labels.astype(np.int64), NUM_CLASSES)


def open_cifar(config: RunConfig, split: Split = "train") -> ImageSet:
    """Open one split of CIFAR-10.

    Raises:
        InputError: a file is missing or damaged.
    """
    pattern = {"train": "data_batch_*.bin", "test": "test_batch*.bin"}[split]
    archive = Path(config.data or "") / _CIFAR_ARCHIVE.name
    if config.data is not None and archive.is_file():
        parts = read_archive(confined(archive, archive.parent), split)
    else:
        paths = find_files("cifar10", pattern, config.data)
        parts = [read_records(path) for path in paths]
        parts = parts or read_archive(download(_CIFAR_ARCHIVE, "cifar10"), split)
    images, labels = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return ImageSet(images, config, labels, NUM_CLASSES)


LABELED: dict[str, Callable[[RunConfig, Split], ImageSet]] = {
    "mnist": partial(open_idx, "mnist"),
    "fashion-mnist": partial(open_idx, "fashion-mnist"),
    "cifar10": open_cifar,
}


def open_split(config: RunConfig, split: Split) -> ImageSet:
    """Open the training or the test split of the source that a configuration names.

    Raises:
        InputError: the source has no labels, or its files are missing or damaged.
    """
    if config.source not in LABELED:
        hint = did_you_mean(config.source, LABELED)
        raise InputError(f"{config.source!r} must be a source with labels and a test split: {hint}")
    return LABELED[config.source](config, split)


def published_files(data_set: str, split: Split) -> tuple[PublishedFile, PublishedFile]:
    """Return the published files of images and of labels, for MNIST or Fashion-MNIST."""
    base, stem = _BASES[data_set], {"train": "train", "test": "t10k"}[split]
    images, labels = f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz"
    return (
        PublishedFile(images, base + images, _MD5[base][images]),
        PublishedFile(labels, base + labels, _MD5[base][labels]),
    )


def read_idx(path: Path, num_dimensions: int) -> npt.NDArray[np.uint8]:
    """Read the uint8 array of an IDX file, gzipped or not.

    Raises:
        InputError: the file is missing, is not an IDX file of bytes with `num_dimensions`
            dimensions, is larger than 1 GiB unpacked, or its length differs from its header.
    """
    with opened(path) as file:
        header = file.read(4 + 4 * num_dimensions)
        magic = bytes([0, 0, 8, num_dimensions])
        if len(header) < 4 + 4 * num_dimensions or header[:4] != magic:
            raise InputError(
                f"{path} must begin with the IDX magic number {magic.hex()}, "
                f"not {header[:4].hex() or 'nothing'}"
            )
        shape = tuple(int(size) for size in np.frombuffer(header[4:], ">u4"))
        num_bytes = math.prod(shape)
        if not 0 < num_bytes <= _LARGEST_IDX_FILE:
            raise InputError(f"{path} must hold 1 byte to 1 GiB, and its header says {shape}")
        content = file.read(min(num_bytes, most_bytes(path)) + 1)
    if len(content) != num_bytes:
        more = "more" if len(content) > num_bytes else f"{len(content):,}"
        raise InputError(f"{path} must hold {num_bytes:,} bytes for its shape {shape}, not {more}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_records(path: Path) -> tuple[Frames, Labels]:
    """Read one file of CIFAR-10 records, gzipped or not.

    Returns:
        images uint8 (N, 32, 32, 3) and labels int64 (N,).

    Raises:
        InputError: the file is missing or damaged; see `parse_records`.
    """
    with opened(path) as file:
        content = file.read(min(_LARGEST_CIFAR_FILE, most_bytes(path)) + 1)
    return parse_records(content, str(path))


def read_archive(path: Path, split: Split = "train") -> list[tuple[Frames, Labels]]:
    """Read the five training files or the test file inside the published CIFAR-10 archive.

    Raises:
        InputError: the archive is damaged or lacks a file.
    """
    train = [f"data_batch_{number}" for number in range(1, 6)]
    parts = []
    try:
        with tarfile.open(path) as archive:
            for batch in train if split == "train" else ["test_batch"]:
                name = f"cifar-10-batches-bin/{batch}.bin"
                member = archive.extractfile(name)
                content = b"" if member is None else member.read(_LARGEST_CIFAR_FILE + 1)
                parts.append(parse_records(content, f"{path}:{name}"))
    except (tarfile.TarError, KeyError, EOFError, zlib.error, OSError) as error:
        raise InputError(f"{path} is not the published CIFAR-10 archive: {error}") from None
    return parts


def parse_records(content: bytes, where: str) -> tuple[Frames, Labels]:
    """Parse records of a label byte and three planes of 32×32 bytes: red, green and blue.

    Args:
        content: the records.
        where: name of the file, for messages.

    Raises:
        InputError: not a whole number of 1 to 10,000 records, or a label above 9.
    """
    if not 0 < len(content) <= _LARGEST_CIFAR_FILE or len(content) % _RECORD_BYTES:
        is_larger = len(content) > _LARGEST_CIFAR_FILE
        held = f"over {_LARGEST_CIFAR_FILE:,}" if is_larger else f"{len(content):,}"
        raise InputError(
            f"{where} must be 1 to 10,000 records of {_RECORD_BYTES} bytes, not {held} bytes"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD_BYTES)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= NUM_CLASSES:
        raise InputError(f"{where} must hold labels 0 to 9, not {labels.max()}")
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
