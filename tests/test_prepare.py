"""What is done between building a trainer and running it leaves no trace but its outcome."""

import dataclasses
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from atarigan import train
from atarigan.config.machine import free_memory
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.errors import InputError
from atarigan.training import prepare
from atarigan.training.build import build_trainer
from atarigan.training.prepare import choose_num_threads
from tests.test_trainer import SMALL, run, weights

LARGE = ["--recipe", "atari-frames", "--network", "subpixel", "--generator-width", "8",
         "--critic-width", "8", "--penalty", "none", "--critic-steps", "1",
         "--log", "none"]  # fmt: skip


@pytest.fixture
def two_cores(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(prepare, "_MEASURED_S", 0.0)  # one step with each number of threads
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("objective", ["wasserstein", "relativistic"])
def test_training_after_a_trial_of_threads_equals_training_without(objective):
    config = dataclasses.replace(SMALL, objective=objective)
    tried, untried = build_trainer(config), build_trainer(config)
    num_threads = choose_num_threads(tried)
    assert num_threads in (1, 2)
    assert torch.get_num_threads() == num_threads == tried.plan.num_threads
    assert tried.num_images == tried.num_steps == 0
    assert tried.updates.losses == {}
    untried.use_threads(num_threads)
    assert torch.equal(weights(run(tried)), weights(run(untried)))


@pytest.mark.usefixtures("two_cores")
def test_a_number_of_threads_in_the_environment_is_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert choose_num_threads(build_trainer(SMALL)) == 2


@pytest.mark.usefixtures("two_cores")
def test_a_resumed_run_computes_with_the_same_number_of_threads():
    trainer = build_trainer(SMALL)
    trainer.use_threads(1)
    resumed = build_trainer(SMALL)
    resumed.load_state_dict(trainer.state_dict())
    assert torch.get_num_threads() == resumed.plan.num_threads == 1


@pytest.fixture
def buffer(tmp_path):
    with FrameBuffer.create(tmp_path / "buffer", 50, (84, 84, 1)) as made:
        for number in range(50):
            made.add(np.full((84, 84, 1), number, np.uint8))
    return tmp_path / "buffer"


@pytest.mark.parametrize("flag", ["--batch-size", "--latent-bank"])
def test_numbers_that_no_memory_holds_are_refused_before_the_work_begins(
    tmp_path, buffer, capsys, flag
):
    words = ["--data", str(buffer), *LARGE, flag, str(10**12), "--out", str(tmp_path / "run")]
    with pytest.raises(InputError, match=f"{flag} 1,000,000,000,000 needs at least .* fit"):
        train.main(words)
    assert "fitting" not in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_curves")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measures memory on Linux only")
def test_a_batch_that_is_too_large_is_refused_with_one_that_fits(tmp_path, buffer, monkeypatch):
    words = ["--data", str(buffer), *LARGE, "--batch-size", "640"]
    trainer = build_trainer(train.parse([*words, "--out", "unused"]).run)
    before = weights(trainer)
    per_sample = prepare.memory_per_sample(trainer, 100)
    assert torch.equal(weights(trainer), before)
    assert trainer.num_images == 0
    free = int(250 * per_sample)
    monkeypatch.setattr(prepare, "free_memory", lambda: free)
    out = tmp_path / "run"
    pattern = r"--batch-size 640 needs about [0-9.]+ GB of memory here, and [0-9.]+ GB are free"
    with pytest.raises(InputError, match=pattern) as line:
        train.main([*words, "--out", str(out)])
    assert not out.exists()
    fits = int(re.search("about ([0-9,]+) fits", str(line.value))[1].replace(",", ""))
    assert 125 < fits < 500
    accumulate = int(re.search("--accumulate ([0-9]+)", str(line.value))[1])
    assert 640 / accumulate <= fits
    flags = ["--accumulate", str(4 * accumulate), "--max-images", "640", "--sample-every", "0"]
    flags += ["--evaluate-every-s", "0"]
    assert train.main([*words, *flags, "--out", str(out)]) == 0


def test_memory_that_the_process_freed_before_does_not_hide_what_a_step_takes(buffer):
    np.ones(3 << 20)  # glibc then keeps blocks of its size when they are freed
    blocks, between = [], []
    for _ in range(1000):
        blocks.append(np.ones(1 << 17))
        between.append(np.ones(64))
    blocks.clear()
    words = ["--data", str(buffer), *LARGE, "--batch-size", "1024", "--out", "unused"]
    trainer = build_trainer(train.parse(words).run)
    assert prepare.memory_per_sample(trainer, 100) > 300_000


def test_free_memory_is_read_from_the_system():
    assert 0 < free_memory() < 1 << 62


SOAK = """
import sys
from atarigan.cli.stop_request import StopRequest
from atarigan.training.build import build_trainer
from atarigan.train import base_config
from atarigan.training.health import HealthGuard
from atarigan.training.observers.history import History
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer
from pathlib import Path
import dataclasses

class Resident(Observer):
    sizes = []
    def after_step(self, trainer):
        if trainer.num_steps % 1000 == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.sizes.append(pages * 4096)

config = base_config(["--recipe", "sine"])
num = 25_000 * config.batch_size * config.critic_steps
config = dataclasses.replace(
    config, max_minutes=0, max_epochs=0, max_images=num, checkpoint_every_s=1, device="cpu"
)
trainer = build_trainer(config)
folder = RunFolder(Path(sys.argv[1]))
guard = HealthGuard(folder, trainer)
guard.save(trainer)
trainer.run([History(folder, trainer), Resident()], StopRequest(), guard)
print(max(Resident.sizes[5:]) - Resident.sizes[4])
"""


@pytest.mark.slow
def test_twenty_thousand_steps_after_five_thousand_take_no_more_memory(tmp_path):
    command = [sys.executable, "-c", SOAK, str(tmp_path)]
    growth = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert growth < 5_000_000
