"""Checkpoints are whole or absent, rotate, and never run code."""

import pickle
import subprocess

import pytest
import torch

from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import SampleSpec
from atarigan.errors import InputError
from atarigan.models.checkpoint import (
    checkpoints_of,
    find_checkpoint,
    load_model_config,
    load_training_state,
    load_weights,
    save_checkpoint,
)
from atarigan.models.model_config import ModelConfig

MODEL = ModelConfig(RunConfig(source="sine"), SampleSpec((2,)))


def save(run, num_images, value=1.0):
    state = {"num_images": num_images, "x": torch.full((3,), value)}
    return save_checkpoint(run, MODEL, {"w": torch.full((2, 2), value)}, state)


def test_round_trip(tmp_path):
    folder = save(tmp_path, 640, 2.5)
    assert load_model_config(folder) == MODEL
    assert torch.equal(load_weights(folder)["w"], torch.full((2, 2), 2.5))
    state = load_training_state(folder)
    assert state["num_images"] == 640
    assert torch.equal(state["x"], torch.full((3,), 2.5))


def test_whoever_may_read_the_configuration_may_read_the_weights(tmp_path):
    modes = {path.stat().st_mode for path in save(tmp_path, 640).iterdir()}
    assert len(modes) == 1


def test_newest_two_are_kept_and_the_newest_is_found(tmp_path):
    for num_images in (900, 1000, 20_000):
        save(tmp_path, num_images)
    assert [folder.name for folder in checkpoints_of(tmp_path)] == [
        "images-000000001000",
        "images-000000020000",
    ]
    assert find_checkpoint(tmp_path).name == "images-000000020000"


def test_a_checkpoint_folder_is_found_as_itself(tmp_path):
    folder = save(tmp_path, 5)
    assert find_checkpoint(folder) == folder


def test_a_half_written_checkpoint_is_not_seen_and_is_replaced(tmp_path):
    save(tmp_path, 5)
    unfinished = tmp_path / "checkpoints" / "new-images-000000000009"
    unfinished.mkdir()
    (unfinished / "config.json").write_text("{}")
    assert find_checkpoint(tmp_path).name == "images-000000000005"
    assert save(tmp_path, 9).is_dir()
    assert not unfinished.exists()


def test_saving_the_same_number_again_replaces_it(tmp_path):
    save(tmp_path, 5, 1.0)
    assert load_weights(save(tmp_path, 5, 2.0))["w"][0, 0] == 2.0


@pytest.mark.parametrize("make", [False, True])
def test_nothing_there(tmp_path, make):
    path = tmp_path / "run"
    if make:
        path.mkdir()
    with pytest.raises(InputError, match=r"run (holds no checkpoint|does not exist)"):
        find_checkpoint(path)


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\xff" * 5000])
def test_damaged_files_are_named(tmp_path, damage):
    folder = save(tmp_path, 5)
    for name, load in {
        "generator.safetensors": load_weights,
        "training_state.pt": load_training_state,
        "config.json": load_model_config,
    }.items():
        (folder / name).write_bytes(damage)
        with pytest.raises(InputError, match=name.replace(".", r"\.")):
            load(folder)


@pytest.mark.parametrize("name", ["config.json", "generator.safetensors", "training_state.pt"])
@pytest.mark.parametrize("damage", ["a byte", "cut short", "gone"])
def test_the_one_before_is_used_where_the_newest_is_damaged(tmp_path, name, damage):
    save(tmp_path, 5)
    damaged = save(tmp_path, 9) / name
    content = bytearray(damaged.read_bytes())
    if damage == "a byte":
        content[len(content) // 2] ^= 1
    elif damage == "cut short":
        del content[-1]
    damaged.write_bytes(content)
    if damage == "gone":
        damaged.unlink()
    if not (name == "config.json" and damage == "gone"):  # which marks what is complete
        with pytest.warns(UserWarning, match=rf"images-000000000009/{name} is (damaged|missing)"):
            assert find_checkpoint(tmp_path).name == "images-000000000005"
    assert load_training_state(tmp_path / "checkpoints" / "images-000000000005")["num_images"] == 5


def test_damage_without_a_checkpoint_before_it_is_refused(tmp_path):
    folder = save(tmp_path, 5)
    assert (
        subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, check=False).returncode == 0
    )
    (folder / "generator.safetensors").write_bytes(b"garbage")
    for path in (tmp_path, folder):
        with pytest.raises(InputError, match=r"generator\.safetensors is damaged"):
            find_checkpoint(path)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    folder = save(tmp_path, 5)
    evidence = tmp_path / "ran"

    class Malicious:
        def __reduce__(self):
            return (open, (str(evidence), "w"))

    for payload in (pickle.dumps(Malicious(), protocol=2), None):
        if payload is None:
            torch.save({"x": Malicious()}, folder / "training_state.pt")
        else:
            (folder / "training_state.pt").write_bytes(payload)
        with pytest.raises(InputError, match="training_state"):
            load_training_state(folder)
        assert not evidence.exists()
