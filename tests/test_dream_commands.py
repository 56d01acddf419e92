"""`sample`, `pack` and `export` of a dream."""

import dataclasses
import shutil
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from atarigan import export, pack, sample
from atarigan.errors import InputError
from atarigan.files.npz_samples import note_of, read_samples
from atarigan.models import model_source
from atarigan.models.dream_frames import dreamt_states, generator_of
from atarigan.models.dynamics.dream import Dream, DreamSettings, Starts
from atarigan.models.dynamics.seen_states import SeenStates
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from tests.learned_games import counting_dream
from tests.readers import small_trees, write_dream


def write_pong(folder: Path, env_id: str = "ALE/Pong-v5") -> Path:
    """A dream in which one byte changes, with a generator of Pong in its folder."""
    tables = dataclasses.replace(small_trees(3).tables, num_bytes=128)
    starts = Starts(np.zeros((1, 128), np.uint8), np.zeros(1, np.uint8))
    settings = DreamSettings(env_id, {}, ("NOOP", "UP", "DOWN"), has_paddle=False)
    seen = SeenStates(np.arange(128 * 256).reshape(128, 256) % 3 > 0)
    Dream(settings, TreeDynamics(tables), starts, seen_states=seen).save(folder)
    shutil.copytree(model_source.resolved("pong"), folder / "generator")
    return folder


def test_a_dream_plays_by_itself_from_a_start() -> None:
    states, _ = dreamt_states(counting_dream(), 20)
    assert states[:8, 0].tolist() == [0, 4, 8, 12, 16, 20, 24, 28]
    assert states[8, 0] == 0  # the next episode
    assert len(set(states[:, 1].tolist())) > 1  # the joystick moves
    fewer, _ = dreamt_states(counting_dream(), 5, steps_apart=4)
    assert np.array_equal(fewer, states[:20:4])
    assert not np.array_equal(dreamt_states(counting_dream(), 20, seed=1)[0], states)


def test_what_a_dream_plays_is_written_as_frames(tmp_path: Path) -> None:
    run = str(write_pong(tmp_path / "dream"))
    for name in ("grid.png", "walk.gif", "frames.npz"):
        out = tmp_path / "new" / name
        assert sample.main(["--run", run, "--out", str(out), "--num", "6"]) == 0
    frames = read_samples(tmp_path / "new" / "frames.npz")
    assert frames.shape == (6, 84, 84, 1)
    assert "Pong" in note_of(tmp_path / "new" / "frames.npz")
    assert iio.imread(tmp_path / "new" / "grid.png").shape[2] == 3
    assert iio.improps(tmp_path / "new" / "walk.gif", index=...).shape[1:] == (336, 336, 3)


def test_a_dream_without_a_fitting_generator_is_named(tmp_path: Path) -> None:
    write_dream(tmp_path / "alone")
    words = ["--out", str(tmp_path / "grid.png"), "--run"]
    with pytest.raises(InputError, match="the dream has no generator that draws its frames"):
        sample.main([*words, str(tmp_path / "alone")])
    with pytest.raises(InputError, match="--label needs a generator with classes"):
        sample.main([*words, str(tmp_path / "alone"), "--label", "1"])
    other = Dream.load(write_pong(tmp_path / "other", "ALE/Boxing-v5"))
    with pytest.raises(InputError, match="generator must draw ALE/Boxing-v5, not ALE/Pong-v5"):
        generator_of(other, "cpu")


def test_a_packed_dream_has_its_own_files_only(tmp_path: Path) -> None:
    run, out = write_pong(tmp_path / "dream"), tmp_path / "packed"
    (run / "training.json").write_text("{}")
    (run / "frames").mkdir()
    assert pack.main(["--run", str(run), "--out", str(out)]) == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.*")) == [
        "dream.json",
        "dynamics.json",
        "generator/config.json",
        "generator/generator.safetensors",
        "seen_states.safetensors",
        "starts.safetensors",
        "trees.safetensors",
    ]
    first, again = Dream.load(run), Dream.load(out)
    assert again.settings == first.settings
    assert first.seen_states is not None
    assert again.seen_states is not None
    assert (again.seen_states.is_seen == first.seen_states.is_seen).all()
    assert np.array_equal(dreamt_states(again, 9)[0], dreamt_states(first, 9)[0])
    generator_of(again, "cpu")
    with pytest.raises(InputError, match="--out must be a new folder"):
        pack.main(["--run", str(run), "--out", str(out)])


def test_a_packed_dream_names_a_shipped_generator_and_does_not_copy_it(tmp_path: Path) -> None:
    run, out = write_pong(tmp_path / "dream"), tmp_path / "packed"
    dream = Dream.load(run)
    named = dataclasses.replace(dream.settings, generator="pong")
    dataclasses.replace(dream, settings=named).save(run)
    assert pack.main(["--run", str(run), "--out", str(out)]) == 0
    assert not (out / "generator").exists()
    assert Dream.load(out).settings.generator == "pong"


def test_a_dream_is_not_exported(tmp_path: Path) -> None:
    write_dream(tmp_path / "dream")
    words = ["--run", str(tmp_path / "dream"), "--out", str(tmp_path / "dream.onnx")]
    with pytest.raises(InputError, match="--run must be a generator, and .*dream is a dream"):
        export.main(words)
