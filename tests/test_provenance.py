"""What a generator learned travels with it, and is compared with what it is used on."""

import dataclasses
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from ale_py import AtariEnv
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.wrappers import AtariPreprocessing, DelayObservation, TransformObservation
from stable_baselines3.common.atari_wrappers import AtariWrapper
from stable_baselines3.common.vec_env import DummyVecEnv

from atarigan import (
    FrameBuffer,
    FrameGenerator,
    GeneratedReplay,
    demo,
    evaluate,
    pack,
    sample,
    train,
)
from atarigan.data.buffer.meta import Origin
from atarigan.data.provenance import Provenance, game_of, nondefault_kwargs
from atarigan.envs import (
    GeneratedObservation,
    GeneratedVecEnv,
    GeneratedVectorObservation,
    RamInfo,
)
from atarigan.envs.observation_stream import GeneratedFrames
from atarigan.errors import InputError
from atarigan.evaluation.evaluate_arguments import EvaluateArguments
from atarigan.files.npz_samples import note_of, read_samples
from atarigan.images.pixels import FrameFormat
from atarigan.models import model_source

gym.register_envs(ale_py)
pytestmark = pytest.mark.usefixtures("no_curves_in_module")
GAMES = ("pong", "boxing")
OTHER_GAME = "the generator learned ALE/Breakout-v5, and .* is of ALE/Pong-v5: "


@pytest.fixture(scope="module")
def breakout() -> FrameGenerator:
    return FrameGenerator.load("breakout", "cpu")


@pytest.fixture(scope="module")
def pong() -> FrameGenerator:
    return FrameGenerator.load("pong", "cpu")


def buffer_of(path: Path, shape: Any = (8, 6, 1), **origin: Any) -> FrameBuffer:
    """A buffer of twenty small frames that says it is of a game."""
    whole = {"env_id": "ALE/Pong-v5", "frame_skip": 4} | origin
    with FrameBuffer.create(path, 20, shape, ram_size=128, origin=Origin(**whole)) as buffer:
        rng = np.random.default_rng(0)
        for frame in rng.integers(256, size=(20, *shape), dtype=np.uint8):
            buffer.add(frame, ram=rng.integers(256, size=128, dtype=np.uint8))
        return buffer


def trained(data: Path, out: Path, *words: str) -> Path:
    """A run of one step on frames alone."""
    flags = ["--recipe", "mlp-gan", "--source", "frames", "--data", str(data), "--out", str(out)]
    flags += ["--log", "none", "--evaluate-every-s", "0", "--max-images", "1", "--device", "cpu"]
    assert train.main([*flags, *words]) == 0
    return out


def test_another_game_is_refused_whatever_is_wrapped(breakout: FrameGenerator) -> None:
    with pytest.raises(InputError, match=OTHER_GAME + "allow_other_game=True"):
        GeneratedObservation(gym.make("ALE/Pong-v5"), breakout)
    envs = gym.make_vec("ALE/Pong-v5", 2, "sync")
    with pytest.raises(InputError, match=OTHER_GAME):
        GeneratedVectorObservation(envs, breakout)
    with pytest.raises(InputError, match=OTHER_GAME):
        GeneratedVecEnv(DummyVecEnv([lambda: gym.make("ALE/Pong-v5")]), breakout)
    with pytest.raises(InputError, match=OTHER_GAME):
        gym.make("atarigan:atarigan/Generated-v0", env_id="ALE/Pong-v5", generator=breakout)
    gray = FrameFormat("gray", 84, 84)
    with pytest.raises(InputError, match=OTHER_GAME):
        GeneratedFrames(breakout, gym.make("ALE/Pong-v5"), gray, 1, 0, Provenance("ALE/Pong-v5"))
    env = GeneratedObservation(gym.make("ALE/Pong-v5"), breakout, allow_other_game=True)
    assert env.reset(seed=0)[0].shape == (210, 160, 3)


def test_the_argument_game_is_the_game(breakout: FrameGenerator, tmp_path: Path) -> None:
    """`gymnasium.make` takes the game of another id than its own."""
    refused = "learned ALE/Breakout-v5, and .* is of ALE/Breakout-v5 with game 'pong': "
    env = gym.make("ALE/Breakout-v5", game="pong")
    with pytest.raises(InputError, match=refused):
        GeneratedObservation(env, breakout)
    kwargs = {"full_action_space": True}
    two = [lambda game=game: gym.make("ALE/Pong-v5", game=game, **kwargs) for game in GAMES]
    with pytest.raises(InputError, match="is of Pong-v5 and Pong-v5 with game 'boxing'"):
        GeneratedVectorObservation(SyncVectorEnv(two), breakout)
    buffer = buffer_of(tmp_path, env_id="ALE/Breakout-v5", env_kwargs={"game": "pong"})
    with pytest.raises(InputError, match=refused):
        GeneratedReplay(buffer, breakout)
    same = gym.make("ALE/Pong-v5", game="breakout")
    with warnings.catch_warnings(action="error"):
        GeneratedObservation(same, breakout)


def test_environments_made_without_gymnasium_are_compared(pong: FrameGenerator) -> None:
    refused = "learned ALE/Pong-v5, and .* is of ALE/Breakout-v5: "
    with pytest.raises(InputError, match=refused):
        GeneratedObservation(AtariEnv("breakout"), pong)
    with pytest.raises(InputError, match=refused):
        GeneratedVecEnv(DummyVecEnv([lambda: AtariEnv("breakout")]), pong)
    both = [lambda game=game: AtariEnv(game, full_action_space=True) for game in ("pong", "boxing")]
    with pytest.raises(InputError, match="is of Boxing-v5 and Pong-v5"):
        GeneratedVectorObservation(SyncVectorEnv(both), pong)
    with pytest.warns(UserWarning, match="difficulty 0, not 1, frame skip 4, not 2$"):
        GeneratedObservation(AtariEnv("pong", difficulty=1, frameskip=2), pong)
    with warnings.catch_warnings(action="error"):
        GeneratedObservation(AtariEnv("pong", full_action_space=True), pong)


@pytest.mark.parametrize(
    ("game", "mode", "difficulty"), [("Galaxian", 1, 0), ("Pong", 0, 0), ("NameThisGame", 8, 0)]
)
def test_unset_modes_are_those_in_which_the_game_starts(
    game: str, mode: int, difficulty: int
) -> None:
    unset = Provenance(f"ALE/{game}-v5")
    first = Provenance(f"ALE/{game}-v5", {"mode": mode, "difficulty": difficulty})
    assert [*unset.differences(first)] == []
    assert [*unset.differences(Provenance(f"ALE/{game}-v5", {"mode": 9}))] == [
        f"mode {mode}, not 9"
    ]
    assert nondefault_kwargs(f"ALE/{game}-v5", {"mode": mode, "difficulty": None}) == {}


def test_a_delay_inside_is_warned_of(pong: FrameGenerator) -> None:
    def delayed() -> gym.Env:
        return DelayObservation(gym.make("ALE/Pong-v5"), 2)

    for wrap, env in (
        (GeneratedObservation, delayed()),
        (GeneratedVectorObservation, SyncVectorEnv([delayed])),
        (GeneratedVecEnv, DummyVecEnv([delayed])),
    ):
        with pytest.warns(UserWarning, match="DelayObservation does not delay frames"):
            wrap(env, pong)


def test_environments_in_other_processes_tell_their_game(
    breakout: FrameGenerator, pong: FrameGenerator
) -> None:
    envs = gym.make_vec("ALE/Pong-v5", 1, "async", wrappers=[RamInfo])
    try:
        GeneratedVectorObservation(envs, pong)  # without a warning of wrappers
        with pytest.raises(InputError, match=OTHER_GAME):
            GeneratedVectorObservation(envs, breakout)
    finally:
        envs.close()


def test_environments_in_other_processes_survive_wrappers_that_take_functions(
    breakout: FrameGenerator,
) -> None:
    """Their specification cannot be pickled, which would end the process."""

    def make() -> gym.Env:
        env = gym.make("ALE/Pong-v5", obs_type="grayscale")
        return TransformObservation(env, lambda observation: observation, None)

    envs = AsyncVectorEnv([make])
    with pytest.raises(InputError, match=OTHER_GAME):
        GeneratedVectorObservation(envs, breakout)
    assert envs.reset()[0].shape == (1, 210, 160)
    envs.close()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"mode": 1}, "learned ALE/Pong-v5 with other settings .*: mode 0, not 1"),
        ({"difficulty": 1, "frameskip": 2}, "difficulty 0, not 1, frame skip 4, not 2"),
    ],
)
def test_other_settings_of_the_game_are_warned_of(
    pong: FrameGenerator, kwargs: dict[str, Any], message: str
) -> None:
    with pytest.warns(UserWarning, match=message):
        GeneratedObservation(gym.make("ALE/Pong-v5", **kwargs), pong)


def test_skipping_and_pooling_wrappers_are_seen(pong: FrameGenerator) -> None:
    unskipped = gym.make("ALE/Pong-v5", frameskip=1)
    with pytest.warns(UserWarning, match="frames pooled 1, not 2$"):
        GeneratedObservation(AtariPreprocessing(unskipped), pong)
    with pytest.warns(UserWarning, match="frame skip 4, not 3, frames pooled 1, not 2"):
        GeneratedVecEnv(DummyVecEnv([lambda: AtariWrapper(unskipped, frame_skip=3)]), pong)


def test_what_does_not_change_the_picture_is_silent(pong: FrameGenerator) -> None:
    with warnings.catch_warnings(action="error"):
        for kwargs in ({"mode": 0}, {"full_action_space": True, "obs_type": "ram"}):
            GeneratedObservation(gym.make("ALE/Pong-v5", **kwargs), pong)
        GeneratedObservation(gym.make("PongNoFrameskip-v4", frameskip=4), pong)


@pytest.mark.parametrize(
    ("env_id", "game"),
    [
        ("ALE/SpaceInvaders-v5", "spaceinvaders"),
        ("SpaceInvadersNoFrameskip-v4", "spaceinvaders"),
        ("Unregistered-ramDeterministic-v0", "unregistered"),
        ("some.module:Own/Maze-v12", "maze"),
    ],
)
def test_all_ids_of_a_game_name_it(env_id: str, game: str) -> None:
    assert game_of(env_id) == game


def test_a_replay_compares_its_buffer(pong: FrameGenerator, tmp_path: Path) -> None:
    buffer = buffer_of(tmp_path / "breakout", env_id="ALE/Breakout-v5")
    with pytest.raises(InputError, match="learned ALE/Pong-v5, and .*breakout is of ALE/Breakout"):
        GeneratedReplay(buffer, pong)
    assert len(GeneratedReplay(buffer, pong, allow_other_game=True)) == 20
    kwargs = {"difficulty": 3, "max_episode_steps": 40}
    other = buffer_of(tmp_path / "hard", env_kwargs=kwargs, max_pool=True, num_pooled=4)
    with pytest.warns(UserWarning, match="settings than .*: difficulty 0, not 3, .* 1, not 4$"):
        GeneratedReplay(other, pong)


def test_it_travels_from_the_buffer_to_what_is_packed(tmp_path: Path) -> None:
    buffer_of(tmp_path / "data", env_kwargs={"mode": 1})
    run = trained(tmp_path / "data", tmp_path / "run")
    assert pack.main(["--run", str(run), "--out", str(tmp_path / "packed")]) == 0
    gray = FrameFormat("gray", 8, 6)
    expected = Provenance("ALE/Pong-v5", {"mode": 1}, 4, 1, gray)
    for source in (run, tmp_path / "packed"):
        assert FrameGenerator.load(source, "cpu").provenance == expected


def test_generators_of_earlier_releases_are_silent(tmp_path: Path) -> None:
    old = shutil.copytree(model_source.resolved("pong"), tmp_path / "old")
    (old / "SHA256SUMS").unlink()
    config = json.loads((old / "config.json").read_text())
    del config["provenance"]
    (old / "config.json").write_text(json.dumps(config))
    with warnings.catch_warnings(action="error"):
        GeneratedObservation(gym.make("ALE/Breakout-v5"), old)


def test_a_run_goes_on_with_its_own_game(tmp_path: Path) -> None:
    for name in ("Pong", "Breakout"):
        buffer_of(tmp_path / name, env_id=f"ALE/{name}-v5")
    run = trained(tmp_path / "Pong", tmp_path / "run")
    words = ["--out", str(run), "--resume", "--data", str(tmp_path / "Breakout")]
    with pytest.warns(UserWarning, match="learned ALE/Pong-v5, and .*Breakout is of ALE/Breakout"):
        assert train.main(words) == 0
    assert train.main([*words, "--max-images", "400", "--allow-other-game"]) == 0
    assert FrameGenerator.load(run, "cpu").model.provenance.env_id == "ALE/Breakout-v5"


def test_a_run_refuses_another_game_before_the_work_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("Pong", "Breakout"):
        buffer_of(tmp_path / name, env_id=f"ALE/{name}-v5")
    run = trained(tmp_path / "Pong", tmp_path / "run", "--condition", "ram")
    assert "fitting the generator" in capsys.readouterr().out
    with pytest.raises(
        InputError, match="Breakout is of ALE/Breakout-v5: --allow-other-game draws"
    ):
        train.main(["--out", str(run), "--resume", "--data", str(tmp_path / "Breakout")])
    assert "fitting the generator" not in capsys.readouterr().out


def test_evaluation_compares_run_and_data(tmp_path: Path) -> None:
    buffer_of(tmp_path / "data", env_id="ALE/Breakout-v5")
    words = ["--run", "pong", "--num", "4", "--out", str(tmp_path / "out")]
    with pytest.raises(InputError, match=r"learned ALE/Pong-v5, and .* --allow-other-game"):
        evaluate.main([*words, "--data", str(tmp_path / "data")])
    with pytest.raises(InputError, match=r"pong comes without its data: .* --env-id ALE/Pong-v5 "):
        evaluate.main(words)


def test_the_demo_keeps_to_its_game(tmp_path: Path) -> None:
    buffer_of(tmp_path / "demo" / "frames", policy="scripted")
    with pytest.raises(InputError, match="--env-id must be ALE/Pong-v5, as in .*not ALE/Boxing"):
        demo.main(["--out", str(tmp_path / "demo"), "--env-id", "ALE/Boxing-v5"])
    with pytest.raises(InputError, match="--policy must be scripted"):
        demo.main(
            ["--out", str(tmp_path / "demo"), "--env-id", "ALE/Pong-v5", "--policy", "random"]
        )


def test_samples_in_a_file_tell_their_game(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    for out in (path, tmp_path / "samples.png"):
        assert sample.main(["--run", "pong", "--num", "8", "--out", str(out)]) == 0
        assert b'"env_id": "ALE/Pong-v5"' in out.read_bytes()
    limit = {"max_num_frames_per_episode": 64_000}
    expected = Provenance("ALE/Pong-v5", limit, 4, 1, FrameFormat("gray", 84, 84))
    assert Provenance.from_note(note_of(path), path) == expected
    arguments = EvaluateArguments(
        samples=str(path),
        source="frames",
        data=str(buffer_of(tmp_path / "other", (84, 84, 1), env_id="ALE/Breakout-v5").path),
        features="thumbnails-8x8",
    )
    with pytest.warns(UserWarning, match="learned ALE/Pong-v5, and .*other is of ALE/Breakout"):
        evaluate.evaluate_samples(arguments)
    allowed = dataclasses.replace(arguments, allow_other_game=True)
    assert warned_of(lambda: evaluate.evaluate_samples(allowed)) == []
    np.savez(path, frames=read_samples(path))  # as other programs and earlier releases do
    assert warned_of(lambda: evaluate.evaluate_samples(arguments)) == []


def warned_of(call: Callable[[], object]) -> list[str]:
    """Return the warnings that name games."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(each.message) for each in caught if "ALE/" in str(each.message)]


@pytest.mark.parametrize(
    "note", ["{", "[]", '{"frame_skip": "x"}', '{"frame_skip": -1}', "[" * 9999]
)
def test_damaged_notes_are_refused_in_one_line(note: str) -> None:
    with pytest.raises(InputError, match="x.npz") as caught:
        Provenance.from_note("atarigan provenance: " + note, "x.npz")
    assert "\n" not in str(caught.value)
    assert Provenance.from_note("another program's", "x.npz") == Provenance()
