"""`python -m atarigan.collect` as a user types it."""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan import collect
from atarigan.cli.command_line import run as run_command
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.errors import InputError
from atarigan.images.layout import LayoutGuessWarning
from tests.small_disk import run_on_small_disk

COMMAND = [sys.executable, "-m", "atarigan.collect"]
APPEND = ["--append", "--env-id", "tests.fakes:Counting-v0"]
COUNTING = ["--env-id", "tests.fakes:Counting-v0", "--frame-size", "native"]
ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("light_workers")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "buffer"


def run_collect(*words: Any) -> int:
    return collect.main([str(word) for word in words])


def test_buffer_holds_what_the_flags_say(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--env-id", "ALE/Pong-v5", "--num-steps", 90, "--num-envs", 2, "--policy", "scripted",
             "--epsilon", 0.5, "--frame-format", "rgb", "--frame-size", "20x30", "--frame-skip", 3,
             "--vary-epsilon", "--max-pool", "--capacity", 200, "--seed", 5,
             "--env-kwargs", '{"repeat_action_probability": 0.0}']  # fmt: skip
    assert run_collect("--out", out, *words) == 0
    buffer = FrameBuffer.open(out)
    meta, origin = buffer.meta, buffer.meta.origin
    assert len(buffer) == 90
    assert meta.frame_format.shape == (20, 30, 3)
    assert meta.capacity == 100
    assert (origin.env_id, origin.policy) == ("ALE/Pong-v5", "scripted")
    assert (origin.epsilon, origin.vary_epsilon) == (0.5, True)
    assert (origin.frame_skip, origin.max_pool, origin.seed) == (3, True, 5)
    assert origin.env_kwargs == {"repeat_action_probability": 0.0}
    printed = capsys.readouterr().out
    assert re.fullmatch(
        r"stored 90 agent steps at [\d,]+ agent steps per second, 0 episodes; 90 agent steps, "
        rf"\d+\.\d MB on disk in {re.escape(str(out))}\n",
        printed,
    )


def test_defaults_are_gray_84x84_frames_of_breakout(out: Path) -> None:
    assert run_collect("--out", out, "--num-steps", 3) == 0
    meta = FrameBuffer.open(out).meta
    assert (meta.frame_format.name, meta.frame_format.shape) == ("gray", (84, 84, 1))
    assert (meta.origin.env_id, meta.origin.policy) == ("ALE/Breakout-v5", "random")
    assert (meta.origin.frame_skip, meta.ram_size, meta.capacity) == (4, 128, 3)


def test_append_goes_on_with_new_episodes(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*COUNTING, "--num-steps", 30, "--capacity", 81, "--num-envs", 2]
    assert run_collect("--out", out, *words) == 0
    assert run_collect("--out", out, *words, "--append", "--seed", 0, "--frame-skip", 1) == 0
    buffer = FrameBuffer.open(out)
    levels = buffer.values_at("frames", np.arange(60))[:, 0, 0, 0]
    assert levels[:30].tolist() != levels[30:].tolist()
    more = ["--append", "--env-id", COUNTING[1], "--num-steps", 40, "--num-envs", 2]
    more += ["--overwrite-oldest"]
    assert run_collect("--out", out, *more) == 0
    last_line = capsys.readouterr().out.splitlines()[-1]
    assert "mean return" in last_line
    assert "82 agent steps, the oldest 18 overwritten" in last_line


def test_full_buffer_is_kept_unless_overwriting_or_growing_is_asked_for(out: Path) -> None:
    words = ["--out", out, *COUNTING, "--num-envs", 1]
    assert run_collect(*words, "--num-steps", 20) == 0
    stored = all_frames(out)
    ways = "--num-steps 10 would overwrite the oldest: .*--capacity 30, or add --overwrite-oldest"
    with pytest.raises(InputError, match=rf"keeps 20 steps and holds 20, so that {ways}"):
        run_collect(*words, "--append", "--num-steps", 10)
    with pytest.raises(InputError, match="--capacity 30"):
        run_collect(*words, "--append", "--num-steps", 10, "--capacity", 25)
    assert FrameBuffer.open(out).num_writers == 1
    assert run_collect(*words, "--append", "--num-steps", 10, "--capacity", 30) == 0
    assert all_frames(out)[:20] == stored
    assert FrameBuffer.open(out).capacity == 40
    assert run_collect(*words, "--append", "--num-steps", 10) == 0
    assert all_frames(out)[:20] == stored
    assert run_collect(*words, "--append", "--num-steps", 10, "--overwrite-oldest") == 0
    assert all_frames(out)[:20] != stored
    assert len(FrameBuffer.open(out)) == 40


def all_frames(out: Path) -> list[Any]:
    buffer = FrameBuffer.open(out)
    frames: list[Any] = buffer.values_at("frames", np.arange(len(buffer))).tolist()
    return frames


def test_room_in_one_ring_is_used_when_another_is_full(out: Path) -> None:
    """Rings of 20 steps, of which one is full and the other holds 5."""
    words = ["--out", out, *COUNTING]
    assert run_collect(*words, "--num-steps", 10, "--num-envs", 2, "--capacity", 40) == 0
    assert run_collect(*words, "--num-steps", 15, "--num-envs", 1, "--append") == 0
    assert run_collect(*words, "--num-steps", 15, "--num-envs", 1, "--append") == 0
    buffer = FrameBuffer.open(out)
    assert (buffer.writer_lengths, buffer.num_collected) == ([20, 20], 40)


def test_number_of_processes_that_was_chosen_is_told(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_collect("--out", out, *COUNTING, "--num-steps", 3) == 0
    assert "collecting with --num-envs 1, by the number of CPU cores" in capsys.readouterr().out


def test_pooling_over_more_frames_is_stored_and_gone_on_with(out: Path) -> None:
    words = ["--out", out, "--env-id", "ALE/MsPacman-v5", "--num-envs", 1]
    assert run_collect(*words, "--num-steps", 3, "--capacity", 9, "--num-pooled", 4) == 0
    origin = FrameBuffer.open(out).meta.origin
    assert (origin.max_pool, origin.num_pooled) == (True, 4)
    assert run_collect(*words, "--num-steps", 3, "--append", "--max-pool", "--num-pooled", 4) == 0
    with pytest.raises(InputError, match="--num-pooled must be 4, as in .* not 2"):
        run_collect(*words, "--num-steps", 3, "--append", "--num-pooled", 2)


def test_huge_seed_is_a_seed_like_others(out: Path) -> None:
    words = ["--out", out, *COUNTING, "--num-envs", 1, "--num-steps", 3, "--seed", 10**30]
    assert run_collect(*words) == 0
    assert FrameBuffer.open(out).meta.origin.seed == 10**30
    assert run_collect(*words, "--append", "--overwrite-oldest") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--env-id", "ALE/Brekout-v5"], "'ALE/Brekout-v5': did you mean 'ALE/Breakout-v5'"),
        (["--env-id", "tests.fakes:Unseen-v0"], "must have image observations or render_mode"),
        ([*COUNTING, "--frame-format", "palette"], "palette needs an ALE environment"),
        (["--env-id", "tests.fakes:NamedActions-v0"], "actions must be Discrete"),
        (["--policy", "scriptd"], "unknown policy 'scriptd': did you mean 'scripted'"),
        (
            ["--env-id", "ALE/Qbert-v5", "--policy", "scripted"],
            "plays Pong, Breakout, .* not qbert",
        ),
        (["--policy", "sb3:PPO:nowhere.zip"], "nowhere.zip does not exist"),
        (["--policy", "nowhere:play"], "No module named 'nowhere'"),
        ([*COUNTING, "--policy", "tests.fakes:silent_policy"], "an action of .* not None"),
        ([*COUNTING, "--policy", "tests.fakes:brightnes_policy"], "mean 'brightness_policy'"),
        (["--frame-size", "0x84"], "HEIGHTxWIDTH or native, both sides at least 1, not '0x84'"),
        (
            ["--frame-size", "84"],
            "--frame-size must be HEIGHTxWIDTH or native, both sides at least 1, not '84'",
        ),
        (["--frame-format", "grey"], "unknown frame format 'grey': did you mean 'gray'"),
        (["--num-steps", "0"], "--num-steps must be at least 1, not 0"),
        (["--num-envs", "-1"], "--num-envs must be at least 0, not -1"),
        (["--frame-skip", "0"], "--frame-skip must be at least 1, not 0"),
        (["--capacity", "0"], "--capacity must be at least 1, not 0"),
        (["--epsilon", "1.5"], "epsilon must be from 0 to 1, not 1.5"),
        (["--epsilon", "nan"], "epsilon must be from 0 to 1, not nan"),
        (["--seed", "-1"], "--seed must be at least 0, not -1"),
        (["--num-envs", "100000"], "--num-envs must be at most 1024, not 100000"),
        (["--frame-skip", "1000000000"], "--frame-skip must be at most 108000, not 1000000000"),
        (["--num-pooled", "1"], "--num-pooled must be at least 2, not 1"),
        (["--num-pooled", "101"], "--num-pooled must be at most 100, not 101"),
        (["--max-still-frames", "-1"], "--max-still-frames must be at least 0, not -1"),
        (["--patience-s", "nan"], "--patience-s must be at least 0, not nan"),
        (["--vary-epsilon"], "--vary-epsilon needs --epsilon above 0"),
        (["--vary-epsilon", "--epsilon", "0"], "--vary-epsilon needs --epsilon above 0"),
        (["--num-steps", "1000000000000000000"], "frames.npy must be at most .* bytes, not"),
        (["--num-steps", "1000000000000000"], "frames.npy must be small enough for the file sys"),
        (["--frame-size", "99999x99999"], "at most 67108864 pixels, not 99999x99999"),
        (["--env-kwargs", "[1]"], r"--env-kwargs must be a JSON object, not '\[1\]'"),
        (["--env-kwargs", "{"], "--env-kwargs must be JSON, not '{'"),
        *(
            (
                ["--env-kwargs", f'{{"{name}": {value}}}'],
                f"{name} must be a .*number from 0 to {most}, not {shown}",
            )
            for name, value, most, shown in (
                ("repeat_action_probability", "2", 1, "2"),
                ("repeat_action_probability", "NaN", 1, "nan"),
                ("repeat_action_probability", "null", 1, "None"),
                ("repeat_action_probability", '"often"', 1, "'often'"),
                ("continuous_action_threshold", "-0.5", 1, "-0.5"),
                ("max_num_frames_per_episode", "2.5", 2147483647, "2.5"),
                ("max_num_frames_per_episode", "3000000000", 2147483647, "3000000000"),
            )
        ),
        (["--append"], "does not exist: name the folder of a buffer"),
        (["--num-steps", "many"], "--num-steps"),
    ],
)
def test_mistake_is_one_line_and_leaves_no_folder(
    out: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    words = ["--out", str(out), "--num-steps", "20", *words]
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: run_collect(*words), command="collect")
    assert stop.value.code == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if not is_progress(line)]
    assert len(errors) == 1
    assert re.match(f"python -m atarigan.collect: .*{message}", errors[0])
    assert not out.exists()


def is_progress(line: str) -> bool:
    return line.startswith("collecting ")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A buffer with 20 steps, which nobody adds to."""
    path = tmp_path_factory.mktemp("begun") / "buffer"
    assert run_collect("--out", path, *COUNTING, "--num-steps", 20) == 0
    return path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "holds a buffer already: add --append"),
        (["--append"], "--env-id must be given with --append, .*'tests.fakes:Counting-v0'"),
        (["--append", "--env-id", "ALE/Pong-v5"], "--env-id must be 'tests.fakes:Counting-v0'"),
        ([*APPEND, "--env-kwargs", '{"length": 3}'], "--env-kwargs must be {}, .*'length': 3"),
        ([*APPEND, "--policy", "scripted"], "--policy must be 'random', as .* not 'scripted'"),
        ([*APPEND, "--epsilon", "0.5"], "--epsilon must be 0.0, as .* not 0.5"),
        ([*APPEND, "--vary-epsilon"], "--vary-epsilon must be False, as .* not True"),
        ([*APPEND, "--seed", "3"], "--seed must be 0, as .* not 3"),
        ([*APPEND, "--frame-format", "rgb"], "--frame-format must be 'gray', as .* not 'rgb'"),
        ([*APPEND, "--frame-size", "9x9"], r"--frame-size must be \(16, 12\), .* not \(9, 9\)"),
        ([*APPEND, "--frame-skip", "2"], "--frame-skip must be 1, as .* not 2"),
        ([*APPEND, "--max-pool"], "--max-pool must be False, as .* not True"),
        ([*APPEND, "--num-pooled", "3"], "--max-pool must be False, as .* not True"),
        ([*APPEND, "--max-still-frames", "9"], "--max-still-frames must be 8000, as .* not 9"),
        ([*APPEND, "--capacity", "25"], "--num-steps 20000 would .* with --capacity 20020, or"),
    ],
)
def test_buffer_is_gone_on_with_as_it_was_begun(
    begun: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run_command(lambda: run_collect("--out", begun, *words, "--num-envs", 1), command="collect")
    assert stop.value.code == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert re.search(message, errors)
    assert len(FrameBuffer.open(begun)) == 20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": "nowhere:play"}, "--policy must be given with --append, .*'nowhere:play'"),
        ({"policy": "sb3:PPO:absent.zip"}, "--policy must be given .*'sb3:PPO:absent.zip'"),
        ({"env_id": "nowhere:Game-v0"}, "--env-id must be given .*'nowhere:Game-v0'"),
        ({"env_id": "CartPole-v1", "env_kwargs": {"a": 1}}, "--env-kwargs must be .*{'a': 1}"),
    ],
)
def test_no_code_runs_because_a_buffer_names_it(
    begun: Path, out: Path, changes: dict[str, Any], message: str
) -> None:
    shutil.copytree(begun, out)
    meta = json.loads((out / "meta.json").read_text())
    meta["origin"] |= {"env_id": "ALE/Pong-v5", **changes}
    (out / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match=message):
        run_collect("--out", out, "--append")


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_stop_signal_to_all_processes_keeps_what_was_stored(
    out: Path, number: signal.Signals
) -> None:
    """As Ctrl-C in a terminal, or `timeout`, sends it."""
    words = [*COUNTING, "--num-steps", "1000000", "--num-envs", "2", "--out", str(out)]
    process = subprocess.Popen(
        [*COMMAND, *words],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(process, lambda: out.exists() and is_filling(out))
    os.killpg(process.pid, number)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert all(is_progress(line) for line in errors.splitlines())
    stored, advice = printed.splitlines()
    buffer = FrameBuffer.open(out)
    assert stored.startswith(f"stored {len(buffer):,} agent steps")
    assert advice == (
        f"stopped; {out} holds {len(buffer):,} agent steps: continue with "
        f"--append --num-steps {1_000_000 - len(buffer)}"
    )
    last = np.array([len(buffer) - 1])
    assert buffer.values_at("truncations", last) | buffer.values_at("terminations", last)


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    while not condition():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            raise AssertionError(process.communicate())


def is_filling(out: Path) -> bool:
    return (out / "meta.json").exists() and FrameBuffer.open(out).num_collected > 0


@pytest.mark.filterwarnings("ignore:the process of environment")
def test_process_killed_time_and_again_is_reported_in_one_line(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*COUNTING, "--policy", "tests.fakes:dying_policy", "--num-steps", 100_000]
    assert run_collect("--out", out, *words, "--num-envs", 1) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if not is_progress(line)]
    assert len(errors) == 1
    assert "the process of environment 0 (seed " in errors[0]
    assert re.search(r"was killed by SIGKILL after \d+ steps$", errors[0])
    assert len(FrameBuffer.open(out)) > 0


def test_file_size_limit_is_one_line_and_what_was_stored_stays(begun: Path, out: Path) -> None:
    """The second process would need a ring of its own, which the limit leaves no room for."""
    shutil.copytree(begun, out)
    frames = (out / "writer-000" / "frames.npy").stat().st_size
    words = ["--append", *COUNTING, "--out", str(out), "--num-steps", "500", "--num-envs", "2"]
    words += ["--overwrite-oldest"]
    result = subprocess.run(
        [*COMMAND, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (frames - 1, frames - 1)),
    )
    errors = [line for line in result.stderr.splitlines() if not is_progress(line)]
    assert result.returncode == 2
    assert len(errors) == 1
    assert errors[0].endswith("file too large")
    buffer = FrameBuffer.open(out)
    assert len(buffer.values_at("frames", np.arange(len(buffer)))) == 20


@pytest.mark.slow  # tests/test_killed_collection.py fills a disk with one process
def test_full_disk_is_one_line_and_what_was_stored_can_be_read(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    read_back = (
        "import sys; from atarigan import FrameBuffer; buffer = FrameBuffer.open(sys.argv[1]);"
        "import numpy as np; print(len(buffer.values_at('ram', np.arange(len(buffer)))))"
    )
    script = '"$0" -m atarigan.collect --out "$1" $3; echo "status $?"; "$0" -c "$2" "$1"'
    flags = "--num-steps 20000 --num-envs 2 --frame-size native --frame-format palette"
    command = ["sh", "-c", script, sys.executable, str(disk / "buffer"), read_back, flags]
    result = run_on_small_disk(disk, command, num_mib=40)
    errors = [line for line in result.stderr.splitlines() if not is_progress(line)]
    assert len(errors) == 1
    assert "no space left on device" in errors[0]
    status, num_steps = result.stdout.splitlines()
    assert status == "status 2"
    assert int(num_steps) > 200


def test_layout_says_what_observations_of_three_channels_are(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--env-id", "tests.fakes:Triple-v0", "--num-steps", 20, "--num-envs", 1,
             "--frame-size", "native", "--frame-format", "rgb", "--capacity", 40]  # fmt: skip
    with pytest.warns(LayoutGuessWarning, match="'KHW' would mean 3 gray frames"):
        assert run_collect("--out", out, *words) == 0
    assert FrameBuffer.open(out).meta.frame_format.shape == (16, 12, 3)

    stacked = out.parent / "stacked"
    assert run_collect("--out", stacked, *words, "--layout", "KHW") == 0
    append = ["--append", "--env-id", "tests.fakes:Triple-v0", "--num-steps", 5, "--num-envs", 1]
    assert run_collect("--out", stacked, *append) == 0
    buffer = FrameBuffer.open(stacked)
    assert buffer.meta.origin.layout == "KHW"
    frames = buffer.values_at("frames", np.arange(len(buffer)))
    newest = frames[:, 0, 0, 0]
    assert (frames == newest[:, None, None, None]).all()  # gray: the third channel is the newest
    assert (frames[1:5, 0, 0, 0] - frames[:4, 0, 0, 0] == 1).all()
    with pytest.raises(InputError, match="--layout must be 'KHW', as in .*, not 'CHW'"):
        run_collect("--out", stacked, *append, "--layout", "CHW")
    with pytest.raises(InputError, match="the emulator's screen needs none"):
        run_collect("--out", out.parent / "ale", "--num-steps", 20, "--layout", "KHW")
