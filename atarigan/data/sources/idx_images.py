"""MNIST and Fashion-MNIST: images and labels in IDX files."""

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

LARGEST_FILE = 1 << 30
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


@SOURCES.register("mnist")
def open_mnist(config: RunConfig) -> ImageSet:
    """60,000 handwritten digits, 28×28 gray, ten classes (LeCun et al. 1998)."""
    return open_idx("mnist", config)


@SOURCES.register("fashion-mnist")
def open_fashion_mnist(config: RunConfig) -> ImageSet:
    """60,000 pictures of clothes, 28×28 gray, ten classes (Xiao et al. 2017, arXiv:1708.07747)."""
    return open_idx("fashion-mnist", config)


def open_idx(data_set: str, config: RunConfig, split: Split = "train") -> ImageSet:
    """The images and labels of a data set in IDX files, those to train on or those to test with."""
    paths = []
    for file in published_files(data_set, split):
        found = find_files(data_set, [file.name.removesuffix(".gz")], config.data)
        paths.append(found[0] if found else download(file, data_set))
    images, labels = read_idx(paths[0], 3), read_idx(paths[1], 1)
    if len(images) != len(labels):
        raise InputError(
            f"{paths[0]} and {paths[1]} must hold as many images as labels, "
            f"not {len(images)} and {len(labels)}"
        )
    return ImageSet(images[..., None], config, labels.astype(np.int64), num_classes=10)


def published_files(data_set: str, split: Split) -> tuple[PublishedFile, PublishedFile]:
    """The images' file and the labels'."""
    base, stem = _BASES[data_set], {"train": "train", "test": "t10k"}[split]
    images, labels = f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz"
    return (
        PublishedFile(images, base + images, _MD5[base][images]),
        PublishedFile(labels, base + labels, _MD5[base][labels]),
    )


def read_idx(path: Path, num_dimensions: int) -> npt.NDArray[np.uint8]:
    """The array of bytes in an IDX file, gzipped or not.

    Raises:
        InputError: the file is missing, is no IDX file of bytes with so many dimensions, is larger
            than 1 GiB unpacked, or is not as long as its header says.
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
        num_bytes = 1
        for size in shape:
            num_bytes *= size
        if not 0 < num_bytes <= LARGEST_FILE:
            raise InputError(f"{path} must hold 1 byte to 1 GiB, and its header says {shape}")
        content = file.read(min(num_bytes, most_bytes(path)) + 1)
    if len(content) != num_bytes:
        more = "more" if len(content) > num_bytes else f"{len(content):,}"
        raise InputError(f"{path} must hold {num_bytes:,} bytes for its shape {shape}, not {more}")
    return np.frombuffer(content, np.uint8).reshape(shape)
