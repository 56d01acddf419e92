"""Short runs of the examples."""

from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import PPO

from atarigan import collect, train
from atarigan.errors import InputError
from examples import ppo_mix


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
