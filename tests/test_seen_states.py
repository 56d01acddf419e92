"""SeenStates: learns which values real play has, and environments tell of states without them."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3.common.env_checker
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from safetensors.numpy import load_file, save_file

from atarigan.envs import DreamEnv, DreamVecEnv, DreamVectorEnv
from atarigan.errors import InputError
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.seen_states import SeenStates
from atarigan.models.dynamics.transitions import FrameTransitions
from tests.learned_games import GAME, counting_dream
from tests.readers import write_dream

LIMIT = 12  # the largest count that was seen


def frames_of(states: np.ndarray) -> FrameTransitions:
    """Frames that lead from each state to the next one."""
    num = len(states) - 1
    return FrameTransitions(
        states[:-1],
        states[1:],
        np.zeros((num, 3), np.int32),
        np.zeros(num, np.float32),
        np.zeros(num, np.bool_),
        np.zeros(num, np.uint8),
    )


def fitted(states: np.ndarray, **options: Any) -> SeenStates:
    frames = frames_of(states)
    return SeenStates.fit(frames, np.arange(len(frames)), **options)


def walked(num: int = 4000, num_bytes: int = 3) -> np.ndarray:
    """States whose bytes have the values 0 to 9 again and again."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 10, (num, num_bytes)).astype(np.uint8)


def unseen_of(seen: SeenStates, *states: list[int]) -> list[bool]:
    return seen.is_unseen(np.array(states, np.uint8)).tolist()


def unseen_counts() -> Dream:
    """A counting dream in which counts above `LIMIT` are unseen."""
    is_seen = np.ones((2, 256), np.bool_)
    is_seen[0, LIMIT + 1 :] = False
    dream = counting_dream(8, sticky=0.25)
    return dataclasses.replace(dream, seen_states=SeenStates(is_seen))


def test_a_value_that_no_byte_had_is_unseen() -> None:
    states = walked()
    seen = fitted(states)
    assert not seen.is_unseen(states).any()
    assert unseen_of(seen, [3, 9, 0], [3, 10, 0], [255, 0, 0]) == [False, True, True]
    assert unseen_of(fitted(states, untested=[1]), [3, 10, 0], [10, 3, 0]) == [False, True]


def test_the_first_and_the_last_state_are_seen() -> None:
    states = walked(200_000, 1)
    states[[0, -1], 0] = 88, 99
    assert unseen_of(fitted(states), [88], [99], [77]) == [False, False, True]


def test_a_byte_that_still_takes_new_values_is_not_tested() -> None:
    """The second byte is the number of the episode; the third one had a value just once."""
    states = walked(400_000)
    states[:, 1] = np.arange(len(states)) * 15 // len(states)
    states[1000, 2] = 77
    assert unseen_of(fitted(states), [5, 200, 5], [5, 5, 200]) == [False, True]
    states[1000:1100, 2] = 77
    assert unseen_of(fitted(states), [5, 5, 200], [200, 5, 5]) == [False, True]


def test_frames_that_are_not_real_are_left_out() -> None:
    states = walked()
    states[:1000] += 100
    frames = frames_of(states)
    real = SeenStates.fit(frames, np.arange(1000, len(frames)))
    assert unseen_of(real, [100, 0, 0], [0, 0, 0]) == [True, False]


def test_few_frames_flag_nothing() -> None:
    """What so few of the parts hold cannot be told from what is rare."""
    seen = fitted(walked(3))
    assert unseen_of(seen, [9, 99, 200]) == [False]
    assert not len(seen.is_unseen(np.zeros((0, 3), np.uint8)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_dream(tmp_path / "dream")
    return tmp_path / "dream"


def test_it_is_saved_with_its_dream(folder: Path) -> None:
    loaded = Dream.load(folder)
    is_seen = np.random.default_rng(0).random((2, 256)) < 0.5
    dataclasses.replace(loaded, seen_states=SeenStates(is_seen)).save(folder)
    again = Dream.load(folder)
    assert again.seen_states is not None
    assert (again.seen_states.is_seen == is_seen).all()
    values = load_file(folder / "seen_states.safetensors")["values"]
    assert [bool(values[1, 0] & 128), bool(values[1, 31] & 1)] == is_seen[1, [0, 255]].tolist()
    dataclasses.replace(loaded, seen_states=None).save(folder)
    assert not (folder / "seen_states.safetensors").exists()


def test_a_dream_of_an_earlier_version_flags_nothing(folder: Path) -> None:
    (folder / "seen_states.safetensors").unlink()
    dream = Dream.load(folder)
    assert dream.is_unseen(np.full((3, 2), 255, np.uint8)).tolist() == [False] * 3


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"value": np.zeros((2, 32), np.uint8)}, "must hold values, not value"),
        ({"values": np.zeros((2, 31), np.uint8)}, r"must be uint8 \(bytes, 32\), not .*\(2, 31\)"),
        ({"values": np.zeros((2, 32), np.int8)}, r"must be uint8 \(bytes, 32\), not int8"),
        ({"values": np.zeros(32, np.uint8)}, r"must be uint8 \(bytes, 32\), not .*\(32,\)"),
        ({"values": np.zeros((3, 32), np.uint8)}, "seen states must be of 2 bytes, not 3"),
    ],
)
def test_wrong_files_are_named(folder: Path, tables: dict[str, Any], message: str) -> None:
    save_file(tables, folder / "seen_states.safetensors")
    with pytest.raises(InputError, match=message) as found:
        Dream.load(folder)
    assert "\n" not in str(found.value)


def test_damaged_and_foreign_files_are_named(folder: Path) -> None:
    path = folder / "seen_states.safetensors"
    outside = path.rename(folder.parent / "outside")
    path.symlink_to(outside)
    with pytest.raises(InputError, match="seen_states.safetensors must lie in"):
        Dream.load(folder)
    path.unlink()
    path.write_bytes(b"\xff\xff")
    with pytest.raises(InputError, match="seen_states.safetensors is not a readable safetensors"):
        Dream.load(folder)


def test_tables_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match=r"is_seen must be bool \(bytes, 256\), not uint8"):
        SeenStates(np.zeros((2, 256), np.uint8))  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("ends", [False, True])
def test_environments_tell_it_and_end_if_asked(mode: AutoresetMode, ends: bool) -> None:
    """Each game of a vector environment as a single one: what is shown, told and ended."""
    index, num = 1, 3
    env = DreamEnv(unseen_counts(), end_if_unseen=ends)
    envs = DreamVectorEnv(unseen_counts(), num, autoreset_mode=mode, end_if_unseen=ends)
    _, info = env.reset(seed=5 + index)
    _, infos = envs.reset(seed=5)
    assert info["is_unseen"] is False
    assert infos["is_unseen"].dtype == np.bool_
    assert (infos["is_unseen"].tolist(), infos["_is_unseen"].tolist()) == ([False] * 3, [True] * 3)
    num_truncated, is_over = 0, np.zeros(num, np.bool_)
    for _ in range(30):
        _, _, terminations, truncations, infos = envs.step([0] * num)
        if is_over[index] and mode is AutoresetMode.NEXT_STEP:  # this step began an episode
            assert infos["is_unseen"][index] == env.reset()[1]["is_unseen"]
            is_over = terminations | truncations
            continue
        _, _, terminated, truncated, info = env.step(0)
        is_over = terminations | truncations
        assert info["is_unseen"] is bool(info["ram"][0] > LIMIT)
        assert truncated is (ends and info["is_unseen"])
        assert (terminations[index], truncations[index]) == (terminated, truncated)
        last = infos
        if is_over[index] and mode is AutoresetMode.SAME_STEP:
            last = infos["final_info"]
            assert infos["is_unseen"][index] == env.reset()[1]["is_unseen"]
        assert (last["is_unseen"][index], last["ram"][index, 0]) == (
            info["is_unseen"],
            info["ram"][0],
        )
        if mode is AutoresetMode.DISABLED and is_over.any():
            _, infos = envs.reset(options={"reset_mask": is_over})
            if is_over[index]:
                assert infos["is_unseen"][index] == env.reset()[1]["is_unseen"]
        num_truncated += truncated
    assert (num_truncated > 3) is ends


def test_stable_baselines3_is_told() -> None:
    venv = DreamVecEnv(unseen_counts(), 2, end_if_unseen=True)
    venv.seed(0)
    venv.reset()
    assert [info["is_unseen"] for info in venv.reset_infos] == [False, False]
    for _ in range(GAME):
        _, _, dones, infos = venv.step([0, 0])
        for done, info in zip(dones, infos, strict=True):
            assert info["is_unseen"] is bool(done)
            assert info.get("TimeLimit.truncated", False) is bool(done)
        assert not any(info["is_unseen"] for info in venv.reset_infos)


@pytest.mark.filterwarnings("error")
def test_both_checkers_accept_it() -> None:
    env = DreamEnv(unseen_counts(), end_if_unseen=True)
    check_env(env, skip_render_check=True)
    stable_baselines3.common.env_checker.check_env(env)


def test_a_state_that_was_set_is_told() -> None:
    env = DreamEnv(unseen_counts(), frameskip=1)
    env.reset(seed=0)
    env.set_state(np.array([LIMIT, 0], np.uint8))
    state = env.clone_state()
    assert env.step(0)[4]["is_unseen"] is True
    env.restore_state(state)
    env.set_state(np.array([LIMIT - 1, 0], np.uint8))
    assert env.step(0)[4]["is_unseen"] is False
