"""The authors' own split of the data sets with labels: which images train, which test."""

from typing import Any

import numpy as np
import pytest

from atarigan.config.run_config import RunConfig
from atarigan.data.sources import SOURCES
from atarigan.data.sources.labeled_images import LABELED, open_split, published_files
from atarigan.errors import InputError
from tests.data_sets import needs_data


@needs_data
@pytest.mark.parametrize("source", LABELED)
def test_test_images_are_not_among_those_to_train_on(source):
    config = RunConfig(source=source)
    train, test = (open_split(config, split) for split in ("train", "test"))
    of_registry: Any = SOURCES[source](config)
    np.testing.assert_array_equal(train.images[:50], of_registry.images[:50])
    assert train.spec == test.spec
    assert np.bincount(test.labels, minlength=10).min() > 0.05 * test.num_samples
    known = {image.tobytes() for image in train.images}
    assert sum(image.tobytes() in known for image in test.images[:1000]) <= 5


@needs_data
@pytest.mark.parametrize("source", ["mnist", "fashion-mnist"])
def test_all_published_test_images_are_read(source):
    assert open_split(RunConfig(source=source), "test").images.shape == (10_000, 28, 28, 1)


@pytest.mark.parametrize("source", ["mnist", "fashion-mnist"])
def test_each_split_has_its_own_published_files(source):
    files = [file for split in ("train", "test") for file in published_files(source, split)]
    assert len({file.md5 for file in files}) == 4
    assert all(file.url.endswith(file.name) for file in files)
    assert [file.name.partition("-")[0] for file in files] == ["train", "train", "t10k", "t10k"]


def test_cifar_reads_test_records_from_their_own_file(tmp_path):
    for name, label in {"data_batch_1.bin": 3, "test_batch.bin": 7}.items():
        (tmp_path / name).write_bytes(bytes([label]) + bytes(3072))
    config = RunConfig(source="cifar10", data=str(tmp_path))
    assert open_split(config, "train").labels.tolist() == [3]
    assert open_split(config, "test").labels.tolist() == [7]


def test_a_source_without_labels_is_refused():
    with pytest.raises(InputError, match=r"'sine' must be a source with labels.*known: cifar10"):
        open_split(RunConfig(source="sine"), "test")
