"""What a run says at its start and at its end, and where it goes on."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from atarigan import FrameBuffer, demo, sample, train
from atarigan.cli.command_line import run as run_command
from atarigan.config.run_config import RunConfig
from atarigan.errors import InputError
from atarigan.models.checkpoint import WEIGHTS_FILE, find_checkpoint, load_training_state
from atarigan.training.device_plan import plan_for
from benchmarks.quality import Candidate, QualityArguments, plan_line, run_folder, scores_file

pytestmark = pytest.mark.usefixtures("no_curves_in_module")
SINE = ["--source", "sine", "--batch-size", "16", "--log", "none", "--device", "cpu",
        "--evaluate-every-s", "0"]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "sine"
    assert train.main([*SINE, "--max-images", "32", "--out", str(out)]) == 0
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "run")


def test_a_finished_run_says_what_to_raise(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--resume", "--out", str(run)]) == 0
    output = capsys.readouterr().out
    assert f"{run} has reached its limit already, after 32 images" in output
    assert "raise --max-images to go on" in output
    assert train.main(["--resume", "--out", str(run), "--max-images", "64"]) == 0
    assert "reached" not in capsys.readouterr().out


def test_a_run_says_what_it_does_and_counts_every_kind_of_update(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FrameBuffer.create(tmp_path / "data", 20, (8, 8, 1), ram_size=2) as buffer:
        for number in range(20):
            frame = torch.full((8, 8, 1), number, dtype=torch.uint8).numpy()
            buffer.add(frame, ram=frame[0, :2, 0])
    words = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    words += ["--reconstruction-steps", "3", "--batch-size", "4", "--log", "none"]
    assert train.main([*words, "--max-images", "32", "--network", "mlp"]) == 0
    shown = capsys.readouterr()
    assert "6 reconstruction updates, 2 critic updates, 2 generator updates" in shown.out
    for phase in ("reading the data ...", "fitting the generator", "evaluating samples ...",
                  "drawing samples", "drawing curves ..."):  # fmt: skip
        assert phase in shown.out


def test_a_run_goes_on_from_another_kind_of_device(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = find_checkpoint(run)
    state = load_training_state(checkpoint)
    of_a_gpu = torch.zeros(16, dtype=torch.uint8)  # a seed and an offset
    state |= {"rng": of_a_gpu, "layers_rng": of_a_gpu, "num_threads": 300}
    del state["device"]  # as in files of earlier versions
    torch.save(state, checkpoint / "training_state.pt")
    (checkpoint / "SHA256SUMS").unlink()
    before = torch.get_num_threads()
    assert train.main(["--resume", "--out", str(run), "--max-images", "64"]) == 0
    assert "was saved on another kind of device than cpu" in capsys.readouterr().err
    after = load_training_state(find_checkpoint(run))
    assert (after["num_images"], after["num_threads"]) == (64, before)
    changed = (after["generator"][name] != state["generator"][name] for name in state["generator"])
    assert any(each.any() for each in changed)


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_anew(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = find_checkpoint(run).joinpath(WEIGHTS_FILE).read_bytes()
    shutil.rmtree(run / "checkpoints")
    assert train.main(["--resume", "--out", str(run)]) == 0
    assert f"{run} holds no checkpoint: the training begins anew" in capsys.readouterr().out
    assert find_checkpoint(run).joinpath(WEIGHTS_FILE).read_bytes() == whole


def test_a_read_only_run_ends_in_one_line(run: Path) -> None:
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" || exit 77; exec "$@"'
    isolated = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]
    if shutil.which("unshare") is None:
        pytest.skip("no unshare command to mount with")
    words = [sys.executable, "-m", "atarigan.train", "--resume", "--out", str(run)]
    done = subprocess.run(
        [*isolated, str(run), *words], capture_output=True, text=True, timeout=120
    )
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip(f"no read-only folder: {done.stderr.strip()}")
    assert done.returncode == 2
    expected = (
        f"python -m atarigan.train: {run} must be writable for --resume: read-only file system"
    )
    assert done.stderr == f"{expected}\n"


@pytest.mark.parametrize("name", ["meta.json", "notes.txt"])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    what = "a frame buffer" if name == "meta.json" else name
    with pytest.raises(InputError, match=f"must be a new or empty folder, and it holds {what}"):
        train.main([*SINE, "--out", str(tmp_path)])
    with pytest.raises(InputError, match="must be a folder, not a file"):
        train.main([*SINE, "--out", str(tmp_path / name)])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seed", "-1"], "--seed must be at least 0, not -1"),
        (["--num", str(10**12)], "--num 1,000,000,000,000 needs about .* are free: about"),
        (["--num", str(10**30)], "GB are free"),
        (["--label", "3"], "--label needs a generator with classes"),
    ],
)
def test_nonsense_for_sample_is_refused(
    run: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        sample.main(["--run", str(run), "--out", str(tmp_path / "new" / "a.npz"), *words])
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "setting",
    [
        {"max_epochs": float("inf")},
        {"max_minutes": float("nan")},
        {"penalty_weight": float("inf")},
        {"seed": -1},
        {"seed": 1 << 70},
        {"max_images": 1 << 60},
        {"leaky_slope": float("inf")},
        {"critic_steps": 1 << 17},
        {"reconstruction_steps": 10**12},
    ],
)
def test_nonsense_for_a_run_is_refused(setting: dict[str, float]) -> None:
    name = next(iter(setting)).replace("_", "-")
    with pytest.raises(InputError, match=f"--{name} must be at (least|most)"):
        dataclasses.replace(RunConfig(), **setting)


@pytest.mark.parametrize(
    "words",
    [["--max-minutes", "0"], ["--seed", "-1"], ["--seed", str(10**23)], ["--max-minutes", "inf"]],
)
def test_nonsense_for_the_demo_is_refused_before_it_collects(
    tmp_path: Path, words: list[str]
) -> None:
    with pytest.raises(InputError, match=f"{words[0]} must be"):
        demo.main(["--out", str(tmp_path / "demo"), *words])
    assert not (tmp_path / "demo").exists()


def test_a_number_of_threads_may_be_a_list_and_must_be_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "1,2")
    assert plan_for(RunConfig(device="cpu")).num_threads == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    with pytest.raises(InputError, match="OMP_NUM_THREADS must be a number .*, not 'many'"):
        plan_for(RunConfig(device="cpu"))
    torch.set_num_threads(before)


@pytest.mark.parametrize("flag", ["--latent-size", "--generator-width", "--critic-width"])
@pytest.mark.parametrize("size", [10**11, 10**15])
def test_networks_larger_than_memory_are_refused(tmp_path: Path, flag: str, size: int) -> None:
    with pytest.raises(InputError, match="the networks (have|cannot be made)"):
        train.main([*SINE, flag, str(size), "--out", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()


def test_a_lack_of_memory_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> int:
        raise MemoryError("Unable to allocate 373. GiB")

    with pytest.raises(SystemExit) as stop:
        run_command(work, command="sample")
    assert stop.value.code == 2
    line = "python -m atarigan.sample: not enough memory: Unable to allocate 373. GiB\n"
    assert capsys.readouterr().err == line


def test_quality_says_how_long_it_will_take(tmp_path: Path) -> None:
    arguments = QualityArguments(("a", "b"), "sine", str(tmp_path), minutes=(0.2, 0.5), seeds=3)
    runs = [(Candidate.parse(name), seed) for seed in range(3) for name in arguments.candidates]
    line = "6 of 6 runs (2 candidates, 3 seeds) are left, 1 at a time: 3 minutes of training, and"
    assert plan_line(arguments, runs).startswith(f"{line} about 12 of starting")
    done = scores_file(run_folder(arguments, *runs[0]), 0.5)
    done.parent.mkdir(parents=True)
    done.touch()
    two_jobs = dataclasses.replace(arguments, jobs=2)
    assert "5 of 6 runs" in plan_line(two_jobs, runs)
    assert "2 at a time: 1.5 minutes of training" in plan_line(two_jobs, runs)
