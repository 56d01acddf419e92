"""Several processes train like one with all of their batches, and end together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from atarigan import train
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.models.checkpoint import find_checkpoint, load_training_state
from atarigan.training.build import build_trainer
from atarigan.training.observers.history import read_rows
from atarigan.training.process_group import SINGLE_PROCESS

COMMON = ("--log", "none", "--sample-every", "0", "--device", "cpu")
RUNS = {
    "wasserstein, gradient": ("--objective", "wasserstein", "--penalty", "gradient"),
    "relativistic, both gradients": ("--objective", "relativistic", "--penalty", "r1r2"),
    "non-saturating, dragan": ("--objective", "non_saturating", "--penalty", "dragan"),
    "energy": ("--objective", "energy", "--penalty", "none", "--network", "autoencoder"),
}


@pytest.fixture
def buffer(tmp_path):
    with FrameBuffer.create(tmp_path / "buffer", 60, (20, 24, 1)) as made:
        for number in range(60):
            frame = np.zeros((20, 24, 1), np.uint8)
            frame[number % 17 : number % 17 + 2, number % 20 : number % 20 + 4] = 200
            made.add(frame)
    return tmp_path / "buffer"


def two_processes(*words):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    # without -- torchrun takes --log for one of its own flags
    command = [*launcher, "--nproc-per-node", "2", "-m", "--", "atarigan.train", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stderr=pipe, stdout=pipe, text=True, start_new_session=True)


def flat(state):
    """All weights of a training state as one vector."""
    return torch.cat(
        [each.flatten() for net in ("generator", "critic") for each in state[net].values()]
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_are_one_with_twice_the_batch(tmp_path, buffer, name):
    words = [
        "--data", str(buffer), "--recipe", "atari-frames", "--network", "subpixel",
        "--generator-width", "4", "--critic-width", "4", "--critic-steps", "2",
        "--max-images", "128", "--momentum", "0.5", *COMMON, *RUNS[name],
    ]  # fmt: skip
    together, alone = tmp_path / "together", tmp_path / "alone"
    process = two_processes(*words, "--batch-size", "8", "--out", str(together))
    output, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert output.count("128 images, 8 critic updates, 4 generator updates") == 1
    assert train.main([*words, "--batch-size", "16", "--out", str(alone)]) == 0
    ours, theirs = read_rows(together / "history.csv")[-1], read_rows(alone / "history.csv")[-1]
    for loss in ("critic_loss", "generator_loss"):
        assert ours[loss] == pytest.approx(theirs[loss], rel=1e-3, abs=1e-4)
    config = train.config_file(alone / "config.json")
    start = flat(build_trainer(config).state_dict())
    ours, theirs = (flat(load_training_state(find_checkpoint(run))) for run in (together, alone))
    difference = (ours - theirs).norm() / (theirs - start).norm()
    assert difference < 0.05  # Adam enlarges rounding


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_rank(pid, rank):
    return f"RANK={rank}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def has_trained(out):
    """Whether a run has history, and a checkpoint after its first one, which is untrained."""
    checkpoints = list((out / "checkpoints").glob("images-*"))
    has_history = (out / "history.csv").exists() and read_rows(out / "history.csv")
    return has_history and any(int(each.name.split("-")[1]) for each in checkpoints)


@pytest.fixture
def long_run(tmp_path, buffer):
    """Two processes that have begun to train, in a session of their own."""
    out = tmp_path / "run"
    words = ["--data", str(buffer), "--recipe", "atari-frames", "--checkpoint-every-s", "0.2"]
    process = two_processes(*words, "--max-minutes", "5", *COMMON, "--out", str(out))
    deadline = time.monotonic() + 60
    while not has_trained(out):
        assert time.monotonic() < deadline
        with pytest.raises(subprocess.TimeoutExpired):  # it has not ended
            process.wait(timeout=0.1)
    yield process, out
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds processes through /proc")
def test_the_death_of_one_process_ends_the_run_with_a_line_and_its_checkpoint(long_run):
    process, out = long_run
    (second,) = (pid for pid in children(process.pid) if is_rank(pid, 1))
    os.kill(second, signal.SIGKILL)
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "process 0 of 2 ends because another one is gone; --resume goes on" in error
    assert load_training_state(find_checkpoint(out))["num_images"] > 0


@pytest.mark.slow
def test_ctrl_c_which_the_launcher_repeats_saves_the_run(long_run):
    process, out = long_run
    os.killpg(process.pid, signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert "generator updates in" in output, error
    last_row = read_rows(out / "history.csv")[-1]
    assert load_training_state(find_checkpoint(out))["num_images"] == last_row["images"] > 0


def test_alone_everything_stays_as_it_is():
    share = torch.randn(3)
    assert SINGLE_PROCESS.gather(share) is share
    assert SINGLE_PROCESS.broadcast_object("state") == "state"
    assert SINGLE_PROCESS.broadcast(2.5) == 2.5
    assert not SINGLE_PROCESS.any(False)
