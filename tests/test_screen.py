"""What is read off an environment's screen."""

from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import AtariPreprocessing

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.new_buffer import screen_format
from atarigan.data.collection.screen import ImageScreen, PooledImageScreen, read_frame
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat, ale_grays, ale_palette
from tests.fakes import CountingEnv

gym.register_envs(ale_py)


def image_box(*shape: int) -> gym.spaces.Box:
    return gym.spaces.Box(0, 255, shape, np.uint8)


@pytest.mark.parametrize(
    ("env_id", "palette"), [("ALE/SpaceInvaders-v5", "ntsc"), ("ALE/AirRaid-v5", "pal")]
)
def test_palette_frames_give_the_emulators_colors_back(env_id: str, palette: str) -> None:
    env = AgentSteps(env_id)
    frame_format = screen_format(env.screen, "palette", None)
    assert frame_format.palette == palette
    env.reset(seed=0)
    env.action_space.seed(0)
    colors = set()
    for _ in range(60):
        env.step(env.action_space.sample())
        stored = read_frame(env.screen, frame_format)
        colors |= set(np.unique(stored))
        shown = env.env.unwrapped.ale.getScreenRGB()  # type: ignore[attr-defined]
        assert np.array_equal(frame_format.to_rgb(stored), shown)
    assert len(colors) > 4


def test_resized_palette_frames_mix_no_colors() -> None:
    env = AgentSteps("ALE/Breakout-v5")
    env.reset(seed=0)
    resized = read_frame(env.screen, screen_format(env.screen, "palette", (84, 84)))
    assert resized.shape == (84, 84, 1)
    assert len(np.unique(resized)) > 5
    assert set(np.unique(resized)) <= set(np.unique(env.screen.palette()))


def test_gray_frames_are_those_of_gymnasiums_preprocessing() -> None:
    """In a game whose sprites flicker, with two frames pooled and sticky actions."""
    base = gym.make("ALE/Asteroids-v5", frameskip=1)
    peer = AtariPreprocessing(base, noop_max=0, frame_skip=4, screen_size=84)
    env = AgentSteps("ALE/Asteroids-v5", frame_skip=4, max_pool=True)
    frame_format = screen_format(env.screen, "gray", (84, 84))
    expected, _ = peer.reset(seed=3)
    env.reset(seed=3)
    env.action_space.seed(3)
    for _ in range(100):
        assert np.array_equal(read_frame(env.screen, frame_format)[..., 0], expected)
        action = env.action_space.sample()
        expected, reward, *_ = peer.step(action)
        assert env.step(action)[0] == reward


def test_pooled_frames_keep_sprites_that_flicker_in_the_games_own_colors() -> None:
    plain = AgentSteps("ALE/Asteroids-v5", frame_skip=1)
    pooled = AgentSteps("ALE/Asteroids-v5", frame_skip=1, max_pool=True)
    for env in (plain, pooled):
        env.reset(seed=0)
    for _ in range(30):
        earlier = plain.screen.palette()
        for env in (plain, pooled):
            env.step(0)
    newest, shown = plain.screen.palette(), pooled.screen.palette()
    assert not np.array_equal(newest, earlier)
    assert ((shown == newest) | (shown == earlier)).all()
    assert np.array_equal(shown > 0, (newest > 0) | (earlier > 0))
    assert np.array_equal(pooled.screen.rgb(), ale_palette("ntsc")[shown[..., 0]])
    grays = ale_grays("ntsc")
    assert np.array_equal(pooled.screen.gray(), np.maximum(grays[newest], grays[earlier]))


@pytest.mark.parametrize("env_id", ["ALE/Asteroids-v5", "ALE/MsPacman-v5"])
def test_more_than_two_frames_can_be_pooled(env_id: str) -> None:
    """Four frames, of which three belong to this agent step and one to the last."""
    plain = AgentSteps(env_id, frame_skip=1)
    pooled = AgentSteps(env_id, frame_skip=3, max_pool=True, num_pooled=4)
    for env in (plain, pooled):
        env.reset(seed=0)
    recent = [plain.screen.palette()] * 4
    differs = 0
    for _ in range(40):
        for _ in range(3):
            plain.step(0)
            recent = [*recent[1:], plain.screen.palette()]
        pooled.step(0)
        grays = ale_grays("ntsc")[np.stack(recent)]
        assert np.array_equal(pooled.screen.gray(), grays.max(axis=0))
        shown = pooled.screen.palette()
        assert np.array_equal(ale_grays("ntsc")[shown], grays.max(axis=0))
        assert (shown == np.stack(recent)).any(axis=0).all()
        assert np.array_equal(pooled.screen.rgb(), ale_palette("ntsc")[shown[..., 0]])
        differs += not np.array_equal(grays.max(axis=0), grays[-2:].max(axis=0))
    assert differs > 0


def test_first_frame_of_an_episode_is_not_pooled_with_the_last_one() -> None:
    env = AgentSteps("ALE/Breakout-v5", max_pool=True)
    env.reset(seed=0)
    first = env.screen.rgb()
    for _ in range(20):
        env.step(3)
    assert not np.array_equal(env.screen.rgb(), first)
    env.reset(seed=0)
    assert np.array_equal(env.screen.rgb(), first)


@pytest.mark.filterwarnings("ignore::atarigan.images.layout.LayoutGuessWarning")
@pytest.mark.parametrize(
    ("space", "newest"),
    [
        (image_box(16, 12), np.s_[:, :, None]),
        (image_box(16, 12, 3), np.s_[:]),
        (image_box(4, 16, 12), np.s_[-1, :, :, None]),
        (image_box(16, 12, 4), np.s_[:, :, -1:]),
        (image_box(4, 16, 12, 3), np.s_[-1]),
    ],
)
def test_image_screen_shows_the_newest_frame_of_an_observation(
    space: gym.spaces.Box, newest: Any
) -> None:
    screen = ImageScreen(CountingEnv(space))
    observation = np.random.default_rng(0).integers(0, 256, space.shape, np.uint8)
    screen.observe(observation)
    shown = read_frame(screen, FrameFormat("rgb", 16, 12))
    assert np.array_equal(shown, np.broadcast_to(observation[newest], (16, 12, 3)))
    assert (screen.height, screen.width) == (16, 12)
    assert (screen.ram(), screen.lives(), screen.palette_name()) == (None, 0, None)


def test_environment_without_image_is_shown_by_its_rendering() -> None:
    env = CountingEnv(gym.spaces.Box(0, 1, (2,)), render_mode="rgb_array")
    screen = ImageScreen(env)
    assert (screen.height, screen.width) == (20, 30)
    env.reset(seed=1)
    screen.observe(None)
    assert (
        read_frame(screen, FrameFormat("gray", 10, 10)).tolist()
        == np.full((10, 10, 1), env.number).tolist()
    )


def test_environment_that_shows_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="must have image observations or render_mode='rgb_array'"):
        ImageScreen(CountingEnv(gym.spaces.Box(0, 1, (2,))))


def test_pooling_survives_an_environment_that_draws_into_one_array() -> None:
    screen = PooledImageScreen(CountingEnv(image_box(16, 12)))
    canvas = np.zeros((16, 12), np.uint8)
    for column in range(3):
        canvas[:] = 0
        canvas[:, column] = 200
        screen.observe(canvas)
    assert screen.gray()[0, :, 0].tolist()[:4] == [0, 200, 200, 0]


def test_images_are_pooled_over_as_many_frames_as_asked() -> None:
    screen = PooledImageScreen(CountingEnv(image_box(16, 12)), num_pooled=3)
    for column in range(5):
        frame = np.zeros((16, 12), np.uint8)
        frame[:, column] = 200
        screen.observe(frame)
    assert screen.gray()[0, :, 0].tolist()[:6] == [0, 0, 200, 200, 200, 0]


@pytest.mark.parametrize(
    ("format_name", "size", "message"),
    [
        ("grey", None, "unknown frame format 'grey': did you mean 'gray'"),
        ("gray", (0, 84), "at least 1x1, not 0x84"),
        ("palette", None, "palette needs an ALE environment"),
    ],
)
def test_impossible_format_is_refused(
    format_name: str, size: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        screen_format(ImageScreen(CountingEnv()), format_name, size)
