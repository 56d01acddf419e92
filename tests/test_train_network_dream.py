"""`train --recipe dream` of vectors, and `evaluate` and `pack` of what it writes."""

import json
import signal
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from atarigan import FrameBuffer, evaluate, pack, train
from atarigan.cli import command_line
from atarigan.data.buffer.meta import Origin
from atarigan.data.states import StateSpec
from atarigan.errors import InputError
from atarigan.models.network_dreams.network_dream import NetworkDream
from atarigan.training.network_dream.network_trainer import NetworkTrainer
from tests.network_dreams import collected

FLAGS = ["--recipe", "dream", "--hidden-size", "32", "--max-updates"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collected(tmp_path_factory.mktemp("data") / "cartpole", "CartPole-v1", 2500)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "dream"
    assert train.main([*FLAGS, "250", "--data", str(data), "--out", str(out)]) == 0
    return out


def test_cartpole_is_learned(run: Path) -> None:
    found = json.loads((run / "exactness.json").read_text())
    position, velocity, angle, spin = found["errors"][0]
    assert max(position, angle) < 1e-6  # they change by their velocities
    assert max(velocity, spin) < 0.01
    assert max(found["errors"][1]) < 0.05
    assert found["num_ends"] >= 5
    assert found["end_recall"] >= 0.5
    assert found["reward_error"] == 0
    assert (run / "trajectories.png").stat().st_size > 1000


def test_the_dream_is_like_the_environment(run: Path) -> None:
    dream, real = gym.make("atarigan:atarigan/Dream-v0", model=run), gym.make("CartPole-v1")
    assert dream.observation_space == real.observation_space
    assert dream.action_space == real.action_space
    settings = NetworkDream.load(run).settings
    assert (settings.env_id, settings.max_steps) == ("CartPole-v1", 500)

    def length(env: gym.Env, seed: int) -> int:
        (_, _, angle, spin), _ = env.reset(seed=seed)
        for step in range(1, 40):
            (_, _, angle, spin), _, terminated, _, _ = env.step(int(angle + 0.3 * spin > 0))
            if terminated:
                return step
        return 40

    assert [length(dream, seed) for seed in range(3)] == [40] * 3  # it balances there, too
    dream.reset(seed=0)
    falling = [*iter(lambda: dream.step(1)[2], True)]
    assert 6 <= len(falling) <= 13


def test_evaluate_and_pack_know_the_dream(run: Path, tmp_path: Path, capsys) -> None:
    other = collected(tmp_path / "other", "CartPole-v1", 300, seed=9)
    out = str(tmp_path / "page")
    assert evaluate.main(["--run", str(run), "--data", str(other), "--out", out]) == 0
    assert "10 steps ahead" in capsys.readouterr().out
    record = json.loads((tmp_path / "page" / "metrics.json").read_text())
    assert max(record["exactness"]["errors"][0]) < 0.02
    assert "number 3" in (tmp_path / "page" / "evaluation.html").read_text()
    assert pack.main(["--run", str(run), "--out", str(tmp_path / "packed")]) == 0
    assert NetworkDream.load(tmp_path / "packed").settings == NetworkDream.load(run).settings
    pendulum = collected(tmp_path / "pendulum", "Pendulum-v1", 10)
    with pytest.raises(InputError, match=r"--data must store observation \(4,\)"):
        evaluate.main(["--run", str(run), "--data", str(pendulum), "--out", out])


def test_a_signal_keeps_what_is_there(data: Path, tmp_path: Path, monkeypatch) -> None:
    update = NetworkTrainer.update

    def interrupted(trainer: NetworkTrainer, progress: float) -> float:
        if trainer.num_updates == 3:
            signal.raise_signal(signal.SIGINT)
        return update(trainer, progress)

    monkeypatch.setattr(NetworkTrainer, "update", interrupted)
    out = tmp_path / "dream"
    status = train.main([*FLAGS, "0", "--data", str(data), "--out", str(out)])
    assert status == command_line.EXIT_INTERRUPTED
    assert NetworkDream.load(out).dynamics.state_size == 4
    assert (out / "exactness.json").is_file()


def test_continuous_actions_and_rewards_are_learned(tmp_path: Path) -> None:
    data = collected(tmp_path / "pendulum", "Pendulum-v1", 1200, max_episode_steps=60)
    out = tmp_path / "dream"
    assert train.main([*FLAGS, "120", "--data", str(data), "--out", str(out)]) == 0
    found = json.loads((out / "exactness.json").read_text())
    assert max(found["errors"][0]) < 0.15
    assert found["reward_error"] < 0.3 * found["reward_deviation"]
    assert found["end_recall"] is None
    env = gym.make("atarigan:atarigan/Dream-v0", model=out)
    assert env.action_space == gym.make("Pendulum-v1").action_space
    env.reset(seed=0)
    truncated = [env.step(np.ones(1, np.float32))[3] for _ in range(60)]
    assert truncated == [False] * 59 + [True]


def test_what_cannot_be_learned_is_named(data: Path, run: Path, tmp_path: Path) -> None:
    def refused(match: str, path: Path, *flags: str) -> None:
        out = str(tmp_path / "new")
        with pytest.raises(InputError, match=match):
            train.main([*FLAGS, "2", "--data", str(path), "--out", out, *flags])
        assert not (tmp_path / "new").exists()

    few = collected(tmp_path / "few", "CartPole-v1", 20)
    refused("must hold at least 4 whole episodes for a dream, not", few)
    FrameBuffer.create(tmp_path / "images", 4, (8, 8, 1))
    refused("must store states that are vectors of numbers.* not no states", tmp_path / "images")
    state = StateSpec.of("code", 16)
    FrameBuffer.create(tmp_path / "codes", 4, (8, 8, 1), state=state)
    refused("not 16 bytes of a code", tmp_path / "codes")
    state = StateSpec.of("observation", 4)
    for env_id, match in ((None, "does not say which"), ("os:CartPole-v1", "without a module")):
        path = tmp_path / str(env_id)
        FrameBuffer.create(path, 4, (8, 8, 1), state=state, origin=Origin(env_id=env_id))
        refused(match, path)
    refused("--resume is for dreams of ALE's games", data, "--resume")
    refused("--test-share must be above 0", data, "--test-share", "0")
    refused(r"--generator must draw observation \(4,\)", data, "--generator", "pong")
    with pytest.raises(InputError, match="must be a new folder"):
        train.main([*FLAGS, "2", "--data", str(data), "--out", str(run)])
