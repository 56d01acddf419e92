"""Short runs of the examples."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from stable_baselines3 import PPO

from atarigan import FrameGenerator, collect, train
from atarigan.errors import InputError
from examples import ppo_dream, ppo_mix
from tests.learned_games import learned_breakout
from tests.ray_nodes import running_cluster


@pytest.mark.slow  # trains a generator and a policy, and plays whole episodes
def test_ppo_trains_on_a_mix_of_real_and_generated_frames(tmp_path: Path, capsys: Any) -> None:
    game, data, run = "ALE/Breakout-v5", str(tmp_path / "data"), str(tmp_path / "run")
    assert collect.main(["--env-id", game, "--num-steps", "300", "--out", data]) == 0
    words = ["--recipe", "atari", "--data", data, "--out", run, "--log", "none"]
    assert train.main([*words, "--device", "cpu", "--max-images", "640"]) == 0
    out = tmp_path / "ppo.zip"
    words = ["--generator", run, "--env-id", game, "--num-envs", "2", "--num-steps", "512"]
    assert ppo_mix.main([*words, "--num-episodes", "1", "--out", str(out)]) == 0
    assert "return on real frames: " in capsys.readouterr().out
    assert PPO.load(out, device="cpu").num_timesteps == 512


def test_a_missing_generator_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        ppo_mix.main(["--generator", str(tmp_path / "nowhere"), "--num-envs", "1"])


@pytest.mark.slow  # plays real games to their end
@pytest.mark.parametrize(
    ("loop", "words"),
    [
        ("fast", []),
        ("fast", ["--real-share", "1"]),
        ("fast", ["--real-share", "0.5"]),
        ("sb3", []),
        ("sb3", ["--real-share", "1"]),
        ("sb3", ["--observations", "pixels"]),
        ("sb3", ["--observations", "pixels", "--real-share", "1"]),
    ],
)
def test_ppo_trains_in_a_dream_and_is_measured_in_the_real_game(
    tmp_path: Path, capsys: Any, loop: str, words: list[str]
) -> None:
    dream, out = tmp_path / "dream", tmp_path / "ppo"
    learned_breakout().save(dream)
    words = ["--dream", str(dream), "--num-envs", "4", "--loop", loop, *words]
    words += ["--num-steps", "512", "--num-games", "1"]
    assert ppo_dream.main([*words, "--out", str(out)]) == 0
    assert "0 steps, 0.00 minutes: " in capsys.readouterr().out
    lines = (out / "scores.csv").read_text().splitlines()
    assert lines[0] == "steps,minutes,mean_return"
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "512"]
    assert (out / "scores.png").exists()
    if loop == "fast":
        policy = out / "policy.safetensors"
        assert load_file(policy)["heads.weight"].shape == (5, 64)
    else:
        policy = out / "policy.zip"
        assert PPO.load(policy, device="cpu").num_timesteps == 512
    words += ["--begin-with", str(policy), "--out", str(tmp_path / "on")]
    assert ppo_dream.main(words) == 0
    if loop == "fast":
        counts = [load_file(each)["normalizer.count"] for each in tmp_path.glob("*/policy.s*")]
        assert max(counts) == 2 * min(counts)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num-steps", "0"], "--num-steps must be at least 1, not 0"),
        (["--real-share", "2"], "--real-share must be from 0 to 1, not 2.0"),
        (["--observations", "pixels"], "--observations pixels needs --loop sb3"),
        (["--loop", "sb3", "--real-share", "0.5"], "must be 0 or 1 with --loop sb3, not 0.5"),
        (["--begin-with", "nowhere"], "--begin-with must be a file, and nowhere is none"),
    ],
)
def test_arguments_that_do_not_go_together_are_named(
    tmp_path: Path, words: list[str], message: str
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match=message):
        ppo_dream.main(["--dream", "pong", "--out", str(out), *words])
    assert not out.exists()


@pytest.mark.slow  # starts a cluster, and two processes that train
@pytest.mark.filterwarnings("default")  # of what Ray Train imports
def test_ray_train_starts_the_processes_of_a_training(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("ray.train", exc_type=ImportError)
    from examples import ray_train

    data, run = str(tmp_path / "data"), tmp_path / "run"
    assert collect.main(["--num-steps", "300", "--num-envs", "1", "--out", data]) == 0
    words = ["--data", data, "--out", str(run), "--num-workers", "2", "--max-images", "256"]
    with running_cluster(2) as cluster:
        assert ray_train.main([*words, "--ray", cluster.address]) == 0
    assert "with 2 processes" in capsys.readouterr().out
    generator = FrameGenerator.load(run, device="cpu")
    assert generator.sample(2).shape == (2, 84, 84, 1)
