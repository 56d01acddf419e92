"""Training takes constant memory, and says beforehand when it would take too much."""

import re
import subprocess
import sys

import numpy as np
import pytest

from atarigan import train
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.errors import InputError
from atarigan.training import memory
from atarigan.training.build import build_trainer

SOAK = """
import sys
from atarigan.cli.stop_request import StopRequest
from atarigan.training.build import build_trainer
from atarigan.train import base_config
from atarigan.training.observers.history import History
from atarigan.training.observers.keeping import Checkpointer
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
trainer.run([Checkpointer(folder, trainer), History(folder, trainer), Resident()], StopRequest())
print(max(Resident.sizes[5:]) - Resident.sizes[4])
"""


@pytest.mark.slow
def test_twenty_thousand_steps_after_five_thousand_take_no_more_memory(tmp_path):
    command = [sys.executable, "-c", SOAK, str(tmp_path)]
    growth = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert growth < 5_000_000


@pytest.fixture
def buffer(tmp_path):
    with FrameBuffer.create(tmp_path / "buffer", 50, (84, 84, 1)) as made:
        for number in range(50):
            made.add(np.full((84, 84, 1), number, np.uint8))
    return tmp_path / "buffer"


def test_a_batch_that_is_too_large_is_refused_with_one_that_fits(tmp_path, buffer, monkeypatch):
    free = 300_000_000
    monkeypatch.setattr(memory, "free_memory", lambda device: free)
    words = ["--data", str(buffer), "--network", "subpixel", "--log", "none"]
    out = tmp_path / "run"
    with pytest.raises(InputError, match="--batch-size 2048 needs about 1.* GB of memory") as line:
        train.main([*words, "--batch-size", "2048", "--out", str(out)])
    assert not out.exists()
    fits = int(re.search("about ([0-9,]+) fits", str(line.value))[1].replace(",", ""))
    trainer = build_trainer(train.parse([*words, "--out", str(out)]).run)
    assert 0.7 * free < memory.peak_memory(trainer, fits) < 1.1 * free
    accumulate = re.search("--accumulate ([0-9]+)", str(line.value))[1]
    flags = ["--batch-size", "2048", "--accumulate", accumulate, "--max-images", "2048"]
    assert train.main([*words, *flags, "--sample-every", "0", "--out", str(out)]) == 0


def test_a_batch_in_parts_is_foretold_by_its_parts(tmp_path, buffer, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device: 300_000_000)
    words = ["--data", str(buffer), "--network", "subpixel", "--log", "none"]
    flags = ["--batch-size", "1400", "--accumulate", "2", "--critic-steps", "1"]
    flags += ["--out", str(tmp_path / "run")]
    with pytest.raises(InputError, match="needs about ([0-9.]+) GB of memory") as line:
        train.main([*words, *flags])
    needed = float(re.search("about ([0-9.]+) GB", str(line.value))[1]) * 1e9
    trainer = build_trainer(train.parse([*words, *flags]).run)
    assert needed == pytest.approx(memory.peak_memory(trainer, 1400), rel=0.3)


def test_what_is_free_is_read_from_the_system():
    trainer = build_trainer(train.base_config(["--recipe", "sine"]))
    assert 0 < memory.free_memory(trainer.plan.device) < 1 << 62
