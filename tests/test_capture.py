"""FrameCapture and VectorFrameCapture store every agent step once and change nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import (
    AtariPreprocessing,
    Autoreset,
    FlattenObservation,
    FrameStackObservation,
)

from atarigan import FrameBuffer
from atarigan.envs import FrameCapture, VectorFrameCapture
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.pixels import FrameFormat
from tests.fakes import CountingEnv

gym.register_envs(ale_py)
COLUMNS = ("frames", "actions", "rewards", "terminations", "truncations")


Capture = Callable[..., FrameCapture]


@pytest.fixture
def capture() -> Iterator[Capture]:
    """Makes a FrameCapture and closes it after the test."""
    made = []

    def make(*args: Any, **options: Any) -> FrameCapture:
        made.append(FrameCapture(*args, **options))
        return made[-1]

    yield make
    for env in made:
        env.close()


def gray_buffer(path: Path, height: int = 16, width: int = 12, **options: Any) -> FrameBuffer:
    return FrameBuffer.create(path, 1000, (height, width, 1), **options)


def rows_of(buffer: FrameBuffer) -> dict[str, np.ndarray]:
    """Return all rows, writer by writer; for a frame, the first value of its first pixel."""
    everything = np.arange(len(buffer))
    rows = {column: buffer.values_at(column, everything) for column in COLUMNS}
    return {**rows, "frames": rows["frames"][:, 0, 0, 0]}


def test_a_row_is_the_frame_acted_on_with_the_action_and_its_outcome(
    capture: Capture, tmp_path: Path
) -> None:
    buffer = gray_buffer(tmp_path / "buffer")
    env = capture(CountingEnv(length=3), buffer)
    env.reset(seed=0)
    first = env.unwrapped.number
    for action in (2, 0, 1):
        env.step(action)
    env.reset()
    second = env.unwrapped.number
    env.step(3)
    rows = rows_of(buffer)
    np.testing.assert_array_equal(rows["frames"], [first, first + 1, first + 2, second])
    np.testing.assert_array_equal(rows["actions"], [2, 0, 1, 3])
    np.testing.assert_array_equal(rows["rewards"], [2, 0, 1, 3])
    np.testing.assert_array_equal(rows["terminations"], [False, False, True, False])
    np.testing.assert_array_equal(rows["truncations"], [False] * 4)


def test_a_reset_in_the_middle_of_an_episode_truncates_it(capture: Capture, tmp_path: Path) -> None:
    buffer = gray_buffer(tmp_path / "buffer")
    env = capture(CountingEnv(length=10), buffer)
    env.reset(seed=0)
    env.reset(seed=0)
    env.step(0)
    env.reset()
    env.step(0)
    np.testing.assert_array_equal(rows_of(buffer)["truncations"], [True, False])
    env.close()
    env.close()
    np.testing.assert_array_equal(rows_of(buffer)["truncations"], [True, True])


def test_it_changes_nothing(capture: Capture, tmp_path: Path) -> None:
    plain, inner = CountingEnv(length=3), CountingEnv(length=3)
    captured = capture(inner, tmp_path / "buffer")
    assert captured.observation_space == plain.observation_space
    for _ in range(3):
        assert data_equivalence(plain.reset(seed=3), captured.reset(seed=3), exact=True)
        for _ in range(2):
            assert data_equivalence(plain.step(1), captured.step(1), exact=True)
    assert inner.np_random.bit_generator.state == plain.np_random.bit_generator.state


def test_steps_that_only_reset_are_not_stored(capture: Capture, tmp_path: Path) -> None:
    buffer = gray_buffer(tmp_path / "buffer")
    env = capture(Autoreset(CountingEnv(length=2)), buffer)
    env.reset(seed=0)
    for action in (1, 1, 3, 1, 1):  # the third only resets
        env.step(action)
    rows = rows_of(buffer)
    np.testing.assert_array_equal(rows["actions"], [1, 1, 1, 1])
    np.testing.assert_array_equal(rows["terminations"], [False, True, False, True])
    assert env.unwrapped.num_steps == 4


@pytest.mark.filterwarnings("ignore::atarigan.images.layout.LayoutGuessWarning")
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((40, 30, 3), np.uint8), ((4, 40, 30), np.uint8), ((40, 30, 4), np.float32)],
)
def test_observations_are_converted_to_the_colors_and_size_of_the_buffer(
    capture: Capture, tmp_path: Path, shape: tuple[int, ...], dtype: Any
) -> None:
    class Picture(CountingEnv):
        """A stack's newest frame, or the only one, is a ramp; older ones are black."""

        def _observation(self) -> Any:
            ramp = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None] * 4, (40, 30))
            observation = np.zeros(shape, np.uint8)
            if shape[0] == 4:
                observation[-1] = ramp
            elif shape[2] == 4:
                observation[..., -1] = ramp
            else:
                observation[:] = ramp[..., None]
            return observation if dtype is np.uint8 else observation / np.float32(255)

    buffer = gray_buffer(tmp_path / "buffer", 20, 15)
    space = gym.spaces.Box(0, 255 if dtype is np.uint8 else 1, shape, dtype)
    env = capture(Picture(space), buffer)
    env.reset(seed=0)
    env.step(0)
    expected = (np.arange(20) * 8 + 2)[:, None] * np.ones(15)
    np.testing.assert_array_equal(buffer.values_at("frames", np.arange(1))[0, ..., 0], expected)


def test_layout_overrides_the_shape(capture: Capture, tmp_path: Path) -> None:
    space = gym.spaces.Box(0, 255, (16, 12, 3), np.uint8)
    assert capture(CountingEnv(space), tmp_path / "rgb").buffer.meta.frame_format.name == "rgb"
    stack = capture(CountingEnv(space), tmp_path / "gray", layout="HWK")
    assert stack.buffer.meta.frame_format == FrameFormat("gray", 16, 12)


def pong(**options: Any) -> gym.Env:
    return gym.make("ALE/Pong-v5", repeat_action_probability=0, **options)


def test_palette_indices_and_ram_are_those_of_the_frame_acted_on(
    capture: Capture, tmp_path: Path
) -> None:
    palette = FrameFormat("palette", 210, 160, "ntsc")
    buffer = FrameBuffer.create(
        tmp_path / "buffer", 100, palette.shape, frame_format=palette, ram_size=128
    )
    env = capture(AtariPreprocessing(pong(frameskip=1), noop_max=0), buffer)
    twin = AtariPreprocessing(pong(frameskip=1), noop_max=0)
    env.reset(seed=1)
    twin.reset(seed=1)
    pictures, memories = [], []
    for action in [2] * 8 + [3] * 8:
        pictures.append(twin.get_wrapper_attr("ale").getScreenRGB())
        memories.append(twin.get_wrapper_attr("ale").getRAM())
        env.step(action)
        twin.step(action)
    everything = np.arange(16)
    np.testing.assert_array_equal(buffer.values_at("ram", everything), memories)
    frames = buffer.values_at("frames", everything)
    np.testing.assert_array_equal(palette.to_rgb(frames), pictures)
    assert len(np.unique(memories, axis=0)) == 16


def test_preprocessed_observations_are_stored_as_the_agent_sees_them(
    capture: Capture, tmp_path: Path
) -> None:
    env = FrameStackObservation(AtariPreprocessing(pong(frameskip=1)), 4)
    env = capture(env, gray_buffer(tmp_path / "buffer", 84, 84))
    seen = [env.reset(seed=0)[0][-1]]
    for _ in range(10):
        seen.append(env.step(env.action_space.sample())[0][-1])
    stored = env.buffer.values_at("frames", np.arange(10))
    np.testing.assert_array_equal(stored[..., 0], seen[:10])


def test_without_images_the_emulator_screen_or_the_rendering_is_stored(
    capture: Capture, tmp_path: Path
) -> None:
    env = capture(pong(obs_type="ram"), tmp_path / "ram")
    env.reset(seed=0)
    screen, memory = env.unwrapped.ale.getScreenRGB(), env.unwrapped.ale.getRAM()
    env.step(0)
    np.testing.assert_array_equal(env.buffer.values_at("frames", np.arange(1))[0], screen)
    np.testing.assert_array_equal(env.buffer.values_at("ram", np.arange(1))[0], memory)

    numbers = CountingEnv(gym.spaces.Box(0, 255, (2,)), render_mode="rgb_array")
    rendered = capture(numbers, gray_buffer(tmp_path / "rendered", 10, 10))
    rendered.reset(seed=0)
    number = numbers.number
    rendered.step(0)
    assert (rendered.buffer.values_at("frames", np.arange(1)) == number).all()


def test_images_without_a_layout_are_not_replaced_without_a_word(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"not uint8 \(100800,\) .* emulator's screen is stored"):
        FrameCapture(FlattenObservation(gym.make("ALE/Pong-v5")), tmp_path / "pong").close()
    buffer = gray_buffer(tmp_path / "flat", 20, 30)
    flat = FlattenObservation(
        CountingEnv(gym.spaces.Box(0, 255, (40, 30), np.uint8), 5, "rgb_array")
    )
    with pytest.warns(
        UserWarning, match=r"not uint8 \(1200,\) .* what render\(\) returns is stored"
    ):
        FrameCapture(flat, buffer).close()


def test_a_folder_becomes_a_buffer_and_is_opened_again(capture: Capture, tmp_path: Path) -> None:
    for _ in range(2):
        env = capture(pong(), tmp_path / "pong", capacity=50)
        env.reset(seed=0)
        env.step(0)
        env.close()
    buffer = FrameBuffer.open(tmp_path / "pong")
    assert len(buffer) == 2
    assert buffer.meta.frame_format == FrameFormat("rgb", 210, 160)
    assert (buffer.meta.capacity, buffer.meta.ram_size) == (50, 128)
    assert buffer.meta.origin.env_id == "ALE/Pong-v5"


def test_spec_makes_another_writer_of_the_same_buffer(capture: Capture, tmp_path: Path) -> None:
    env = capture(pong(), tmp_path / "pong", capacity=50)
    assert env.spec is not None
    twin = gym.make(env.spec)
    for each in (env, twin):
        each.reset(seed=0)
        each.step(0)
    twin.close()
    assert len(FrameBuffer.open(tmp_path / "pong")) == 2


def test_buffers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stores RAM, which needs ALE environments"):
        FrameCapture(CountingEnv(), gray_buffer(tmp_path / "ram", ram_size=128))
    floats = gray_buffer(tmp_path / "floats", action_dtype="float32", action_shape=(2,))
    with pytest.raises(InputError, match=r"actions as int64 \(\), not float32 \(2,\)"):
        FrameCapture(CountingEnv(), floats)
    palette = FrameFormat("palette", 16, 12, "ntsc")
    indices = gray_buffer(tmp_path / "palette", frame_format=palette)
    with pytest.raises(InputError, match="frame format palette needs ALE environments"):
        FrameCapture(CountingEnv(), indices)
    blind = CountingEnv(gym.spaces.Box(0, 1, (2,)))
    with pytest.raises(InputError, match="render_mode='rgb_array', not render_mode=None"):
        FrameCapture(blind, gray_buffer(tmp_path / "blind"))


NUM_ENVS = 3


def counting_env(index: int) -> gym.Env:
    return CountingEnv(length=3 + index, truncates=index == 1)


def step_on(envs: VectorEnv, num_steps: int) -> list[np.ndarray]:
    """Step with varying actions, resetting without autoreset; return the observations."""
    observations = [envs.reset(seed=0)[0]]
    for step in range(num_steps):
        actions = (np.arange(envs.num_envs) + step) % 4
        observation, _, terminations, truncations, _ = envs.step(actions)
        observations.append(observation)
        is_over = terminations | truncations
        if envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED and is_over.any():
            envs.reset(options={"reset_mask": is_over})
    return observations


@pytest.mark.parametrize("autoreset_mode", list(AutoresetMode))
def test_a_vector_environment_stores_each_sub_environments_steps(
    tmp_path: Path, autoreset_mode: AutoresetMode
) -> None:
    def sync(make_env: Callable[[int], gym.Env]) -> SyncVectorEnv:
        makers = [lambda index=index: make_env(index) for index in range(NUM_ENVS)]
        return SyncVectorEnv(makers, autoreset_mode=autoreset_mode)

    buffer = gray_buffer(tmp_path / "buffer", num_writers=NUM_ENVS)
    inner = sync(counting_env)
    captured = VectorFrameCapture(inner, buffer)
    observations = step_on(captured, 20)
    captured.close()
    np.testing.assert_array_equal(observations, step_on(sync(counting_env), 20))
    assert len(buffer) == sum(env.get_wrapper_attr("num_steps") for env in inner.envs)

    singles = [gray_buffer(tmp_path / f"single-{index}") for index in range(NUM_ENVS)]
    alone = sync(lambda index: FrameCapture(counting_env(index), singles[index]))
    step_on(alone, 20)
    alone.close()
    start = 0
    together = rows_of(buffer)
    for single in singles:
        for column, values in rows_of(single).items():
            np.testing.assert_array_equal(together[column][start : start + len(values)], values)
        start += len(single)


@pytest.mark.parametrize("autoreset_mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_ales_own_vector_environment_is_stored(
    tmp_path: Path, autoreset_mode: AutoresetMode
) -> None:
    envs = gym.make_vec(
        "ALE/Breakout-v5",
        num_envs=2,
        vectorization_mode="vector_entry_point",
        autoreset_mode=autoreset_mode,
        max_num_frames_per_episode=60,
        noop_max=0,
    )
    captured = VectorFrameCapture(envs, tmp_path / "buffer")
    observations = step_on(captured, 20)
    captured.close()
    is_same = autoreset_mode is AutoresetMode.SAME_STEP
    seen = [*range(15), *range(15, 20)] if is_same else [*range(15), *range(16, 20)]
    expected = np.array(observations)[seen, :, -1]
    stored = captured.buffer.values_at("frames", np.arange(len(captured.buffer)))
    np.testing.assert_array_equal(stored[..., 0], np.concatenate([expected[:, 0], expected[:, 1]]))
    truncations = rows_of(captured.buffer)["truncations"]
    assert np.flatnonzero(truncations)[0] == 14


def test_ram_of_a_vector_environment_in_this_process(tmp_path: Path) -> None:
    envs = VectorFrameCapture(SyncVectorEnv([pong, pong]), tmp_path / "buffer")
    envs.reset(seed=0)
    memories = [env.unwrapped.ale.getRAM() for env in envs.unwrapped.envs]
    envs.step(np.array([2, 3]))
    np.testing.assert_array_equal(envs.buffer.values_at("ram", np.arange(2)), memories)
    envs.close()


def test_buffers_store_frames_converted_by_pixels(capture: Capture, tmp_path: Path) -> None:
    buffer = gray_buffer(tmp_path / "buffer", 84, 84)
    env = capture(pong(), buffer)
    observation, _ = env.reset(seed=0)
    env.step(0)
    rgb = FrameFormat("rgb", 210, 160)
    expected = pixels.convert(observation[None], rgb, buffer.meta.frame_format)
    np.testing.assert_array_equal(buffer.values_at("frames", np.arange(1)), expected)
