"""A resumed run is the run that was not interrupted, bit for bit, whatever it learns."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from atarigan import train
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.models.checkpoint import find_checkpoint, load_training_state
from atarigan.pictures import grids

pytestmark = pytest.mark.usefixtures("no_curves_in_module")
BATCH = 8
SOURCES = {
    "sine": ("--recipe", "sine"),
    "mnist": ("--recipe", "images"),
    "mnist by class": ("--recipe", "images", "--condition", "class"),
    "mnist with dropout": ("--recipe", "mlp-gan"),
    "cifar10": ("--recipe", "images", "--source", "cifar10"),
    "folder": ("--recipe", "images", "--source", "folder"),
    "frames": ("--recipe", "atari-frames"),
    # shifted_profiles is extended after a share of the limit, which is another before the resume.
    "states": ("--recipe", "atari", "--network", "profiles", "--reconstruction-steps", "3",
               "--final-lr", "1"),
}  # fmt: skip
SMALL = ("--batch-size", str(BATCH), "--generator-width", "4", "--critic-width", "4",
         "--log", "none", "--sample-every", "0", "--device", "cpu")  # fmt: skip


@pytest.fixture
def data(tmp_path):
    """A folder of images and a buffer of frames, made on the spot; the rest is genuine."""
    rng = np.random.default_rng(0)
    with FrameBuffer.create(tmp_path / "buffer", 20, (20, 24, 1), ram_size=2) as made:
        for column in range(20):
            frame = np.zeros((20, 24, 1), np.uint8)
            frame[12:14, column : column + 4] = 200
            made.add(frame, ram=np.array([column, 7], np.uint8))
    for number in range(20):
        image = rng.integers(0, 256, (16, 12, 3), np.uint8)
        grids.save_picture(tmp_path / "folder" / f"{number}.png", image)
    return tmp_path


def words_of(name, data):
    places = {"frames": "buffer", "states": "buffer", "folder": "folder"}
    return [
        *SOURCES[name],
        *SMALL,
        *(["--data", str(data / places[name])] if name in places else []),
    ]


def assert_same(ours, theirs):
    """Nested states are equal, but for the clock's part."""
    if isinstance(theirs, torch.Tensor):
        assert torch.equal(ours, theirs)
    elif isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs.keys() - {"elapsed_s"}:
            assert_same(ours[key], theirs[key])
    else:
        assert ours == theirs


def state_of(run):
    return load_training_state(find_checkpoint(run))


CASES = [  # tests/test_trainer.py resumes every objective and penalty
    pytest.param("states", 5, 4, id="states, 9 steps"),
    *(pytest.param(name, 120, 80, id=name, marks=pytest.mark.slow) for name in SOURCES),
]


@pytest.mark.parametrize(("name", "num_before", "num_after"), CASES)
def test_a_resumed_run_is_the_whole_run(tmp_path, data, name, num_before, num_after):
    words = words_of(name, data)
    config = train.parse([*words, "--out", "unused"]).run
    per_step = BATCH * (config.critic_steps + config.reconstruction_steps)
    before, after = str(num_before * per_step), str((num_before + num_after) * per_step)
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    assert train.main([*words, "--max-images", after, "--out", whole]) == 0
    assert train.main([*words, "--max-images", before, "--out", parts]) == 0
    assert train.main(["--resume", "--max-images", after, "--out", parts]) == 0
    ours, theirs = state_of(tmp_path / "parts"), state_of(tmp_path / "whole")
    assert theirs["num_steps"] == num_before + num_after
    assert_same(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sine", "mnist by class", "frames", "states"])
def test_twenty_kills_at_random_moments_change_nothing(tmp_path, data, name):
    limit = str(BATCH * 6000)
    words = [*words_of(name, data), "--max-images", limit, "--checkpoint-every-s", "0.5"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(out):
        again = (out / "config.json").exists()
        flags = ["--resume"] if again else words
        command = [sys.executable, "-m", "atarigan.train", *flags, "--out", str(out)]
        return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)

    moments = np.random.default_rng(0).uniform(1.0, 6.0, 20)
    for seconds in moments:
        process = start(killed)
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        assert process.returncode in (0, -9)
    for out in (killed, whole):
        process = start(out)
        _, error = process.communicate()
        assert process.returncode == 0, error.decode()
    assert state_of(whole)["num_images"] == int(limit)
    assert_same(state_of(killed), state_of(whole))
