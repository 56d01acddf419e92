"""Data is read from the place that was named, and a missing or moved one is said."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from atarigan import FrameBuffer, evaluate, train
from atarigan.config.run_config import RunConfig
from atarigan.data.sources import SOURCES
from atarigan.errors import InputError

pytestmark = pytest.mark.usefixtures("no_curves_in_module")


def written_mnist(folder: Path, num: int = 20) -> Path:
    """The training split of a small MNIST, without its test split."""
    folder.mkdir()
    sizes = np.array([num, 28, 28], ">u4").tobytes()
    images = np.random.default_rng(0).integers(256, size=(num, 28, 28), dtype=np.uint8)
    (folder / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + sizes + images.tobytes())
    labels = bytes(number % 10 for number in range(num))
    (folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + sizes[:4] + labels)
    return folder


def written_images(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for number in range(8):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
    return folder


def words_for(data: str, out: str | Path, source: str = "folder") -> list[str]:
    words = ["--recipe", "mlp-gan", "--source", source, "--data", data, "--out", str(out)]
    return [*words, "--log", "none", "--device", "cpu", "--max-images", "1"]


@pytest.mark.parametrize("source", ["mnist", "fashion-mnist", "cifar10"])
def test_a_folder_without_the_files_is_refused_not_replaced(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATARIGAN_DATA", raising=False)
    with pytest.raises(
        InputError, match=rf"--data {tmp_path} must hold .* of {source}, and has no"
    ):
        SOURCES[source](RunConfig(source=source, data=str(tmp_path)))


@pytest.mark.parametrize("source", ["mnist", "cifar10", "folder"])
def test_a_missing_folder_is_called_missing(tmp_path: Path, source: str) -> None:
    place = str(tmp_path / "nowhere")
    with pytest.raises(InputError, match=f"--data {place} does not exist"):
        SOURCES[source](RunConfig(source=source, data=place))
    (tmp_path / "nowhere").write_text("")
    with pytest.raises(InputError, match=f"--data {place} must be a folder"):
        SOURCES[source](RunConfig(source=source, data=place))


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    folder = written_mnist(tmp_path / "mnist")
    (folder / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="must hold train-labels-idx1-ubyte of mnist"):
        SOURCES["mnist"](RunConfig(source="mnist", data=str(folder)))


def test_the_variable_must_name_a_folder_and_a_fallback_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**request: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("pooch.retrieve", refuse)
    monkeypatch.setenv("ATARIGAN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"\$ATARIGAN_DATA .*nowhere does not exist"):
        SOURCES["mnist"](RunConfig(source="mnist"))
    monkeypatch.setenv("ATARIGAN_DATA", str(tmp_path))
    with (
        pytest.raises(InputError, match="no route to host"),
        pytest.warns(UserWarning, match="mnist has no train-images.*: the published file is taken"),
    ):
        SOURCES["mnist"](RunConfig(source="mnist"))


def test_the_published_archive_is_read_where_the_message_says_to_put_it(tmp_path: Path) -> None:
    for number in range(1, 6):
        path = tmp_path / f"data_batch_{number}"
        path.write_bytes(bytes([number]) + bytes([10 * number]) * 3072)
        with tarfile.open(tmp_path / "all.tar", "a") as archive:
            archive.add(path, f"cifar-10-batches-bin/{path.name}.bin")
        path.unlink()
    (tmp_path / "all.tar").rename(tmp_path / "cifar-10-binary.tar.gz")
    source: Any = SOURCES["cifar10"](RunConfig(source="cifar10", data=str(tmp_path)))
    assert source.labels.tolist() == [1, 2, 3, 4, 5]


def test_points_take_no_data() -> None:
    with pytest.raises(InputError, match="--data needs a source of images or frames"):
        SOURCES["sine"](RunConfig(source="sine", data="somewhere"))


def test_what_will_be_missing_is_said_at_the_start(tmp_path: Path) -> None:
    data = written_mnist(tmp_path / "mnist")
    with pytest.warns(UserWarning, match="will not be evaluated: it needs the test split: --data"):
        assert train.main(words_for(str(data), tmp_path / "run", "mnist")) == 0


def test_a_run_knows_its_data_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_images(tmp_path / "here" / "images")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert train.main([*words_for("images", "run"), "--evaluate-every-s", "0"]) == 0
    config = json.loads(Path("run/config.json").read_text())
    assert config["run"]["data"] == str(tmp_path / "here" / "images")
    monkeypatch.chdir(tmp_path / "there")
    resume = ["--resume", "--out", "../here/run", "--max-images"]
    assert train.main([*resume, "400"]) == 0


def test_a_moved_run_is_told_where_its_data_went_and_remembers(tmp_path: Path) -> None:
    old = written_images(tmp_path / "old")
    run = tmp_path / "run"
    assert train.main([*words_for(str(old), run), "--evaluate-every-s", "0"]) == 0
    new = old.rename(tmp_path / "new")
    resume = ["--out", str(run), "--resume", "--max-images", "400"]
    message = f"{old}, the data of {run}, does not exist: name its place with --data DIR"
    with pytest.raises(InputError, match=message):
        train.main(resume)
    with pytest.raises(InputError, match=message):
        evaluate.main(["--run", str(run)])
    assert train.main([*resume, "--data", str(new)]) == 0
    assert train.main([*resume[:3], "--max-images", "800"]) == 0
    assert json.loads((run / "config.json").read_text())["run"]["data"] == str(new)


def test_a_missing_buffer_is_called_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        FrameBuffer.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a frame buffer: it has no meta.json"):
        FrameBuffer.open(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--penalty-weight", "3"], "--penalty-weight has no effect: --penalty none adds"),
        (["--final-lr=0.1", "--max-epochs", "0"], "--final-lr has no effect: without a limit"),
        (["--critic_pictures", "3"], "--critic-pictures has no effect: --source mnist"),
        (["--network", "atari_wgan", "--critic-width", "9"], "--critic-width has no effect"),
    ],
)
def test_flags_without_effect_are_named(words: list[str], message: str) -> None:
    words = ["--recipe", "mlp-gan", *words]
    with pytest.warns(UserWarning, match=message):
        train.warn_of_unused(words, train.parse([*words, "--out", "x"]).run)


def test_a_limit_with_underscores_takes_the_place_of_the_recipes() -> None:
    config = train.parse(["--recipe", "atari", "--max_images", "100", "--out", "x"]).run
    assert (config.max_images, config.max_minutes) == (100, 0.0)
