"""What DreamEnv and DreamVectorEnv show: frames of the generator, stacked, in their colors."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from ale_py.vector_env import AtariVectorEnv

from atarigan import FrameGenerator
from atarigan.data.provenance import Provenance
from atarigan.data.states import StateSpec
from atarigan.envs import DreamVectorEnv
from atarigan.images.env_layout import layout_of_env
from atarigan.images.pixels import FrameFormat, ale_palette
from tests.learned_games import (
    assert_equal,
    counting_dream,
    learned,
    learned_breakout,
)

ID = "atarigan:atarigan/Dream-v0"


@pytest.fixture(scope="module")
def breakout() -> FrameGenerator:
    return FrameGenerator.load("breakout", device="cpu")


def test_frames_are_those_of_the_generator(breakout: FrameGenerator) -> None:
    """One latent for all, so that RAM determines a frame."""
    envs = DreamVectorEnv(learned_breakout(), 5, breakout, obs_type="both", stack_num=1)
    seen, _ = envs.reset(seed=0)
    latents = np.repeat(breakout.latents(1, 0), 5, axis=0)
    for _ in range(3):
        np.testing.assert_array_equal(
            seen["pixels"][:, 0], breakout.decode(latents, seen["ram"])[..., 0]
        )
        seen = envs.step(envs.action_space.sample())[0]


@pytest.mark.parametrize("stack_num", [1, 4])
def test_a_stack_is_that_of_atari_vector_env(breakout: FrameGenerator, stack_num: int) -> None:
    """Zeros before the first frame, then the frames of the last agent steps, oldest first."""
    envs = DreamVectorEnv(
        learned_breakout(), 2, breakout, stack_num=stack_num, max_num_frames_per_episode=24
    )
    real = AtariVectorEnv(
        "breakout",
        2,
        stack_num=stack_num,
        noop_max=0,
        use_fire_reset=False,
        max_num_frames_per_episode=24,
    )
    assert envs.single_observation_space == real.single_observation_space
    seen, expected = envs.reset(seed=0)[0], real.reset(seed=0)[0]
    for _ in range(9):
        np.testing.assert_array_equal(seen.any(axis=(2, 3)), expected.any(axis=(2, 3)))
        previous = seen
        seen, expected = (each.step(np.zeros(2, int))[0] for each in (envs, real))
        if seen[:, :-1].any():
            np.testing.assert_array_equal(seen[:, :-1], previous[:, 1:])


class PaletteGenerator:
    """A FrameGenerator of RAM of two bytes whose frames have the first byte's color all over."""

    frame_format = FrameFormat("palette", 8, 9, "ntsc")
    device = torch.device("cpu")
    provenance = Provenance()
    state = StateSpec.of("ram", 2)
    largest_batch = 2

    def latents(self, num: int, seed: int) -> np.ndarray:
        return np.zeros((num, 1), np.float32)

    def decode_on_device(self, latents: torch.Tensor, rams: torch.Tensor) -> torch.Tensor:
        return rams[:, :1, None, None].repeat(1, *self.frame_format.shape)


def test_colors_of_a_palette_are_shown_as_rgb() -> None:
    generator: Any = PaletteGenerator()
    envs = DreamVectorEnv(
        counting_dream(), 5, generator, stack_num=2, frameskip=2, render_mode="rgb_array"
    )
    envs.reset(seed=0)
    seen = envs.step([0] * 5)[0]
    assert seen.shape == (5, 2, 8, 9, 3)
    expected = np.broadcast_to(ale_palette("ntsc")[[0, 2]][:, None, None], seen.shape[1:])
    for observation, picture in zip(seen, envs.render() or (), strict=True):
        np.testing.assert_array_equal(observation, expected)
        np.testing.assert_array_equal(picture, expected[-1])


def test_other_wrappers_know_its_layout(breakout: FrameGenerator) -> None:
    """By its shape alone, a stack of three would be taken for colors."""
    env = learned(breakout, stack_num=3)
    envs = DreamVectorEnv(learned_breakout(), 2, breakout, stack_num=3)
    for each in (env, envs):
        layout = layout_of_env(each)
        assert layout is not None
        assert (layout.axes, layout.num_stack, layout.num_channels) == ("KHW", 3, 1)


def test_observations_can_be_changed_and_kept(breakout: FrameGenerator) -> None:
    envs = DreamVectorEnv(learned_breakout(), 2, breakout, obs_type="both", stack_num=3)
    other = DreamVectorEnv(learned_breakout(), 2, breakout, obs_type="both", stack_num=3)
    seen, infos = envs.reset(seed=0)
    other.reset(seed=0)
    for _ in range(4):
        for array in (*seen.values(), infos["ram"], infos["episode_frame_number"]):
            array[:] = 7
        seen, *_, infos = envs.step([1, 2])
        expected, *_, expected_infos = other.step([1, 2])
        assert_equal((seen, infos), (expected, expected_infos))


@pytest.mark.parametrize("obs_type", ["pixels", "ram"])
def test_render_returns_the_newest_frame(breakout: FrameGenerator, obs_type: Any) -> None:
    dream = learned_breakout()
    envs = DreamVectorEnv(dream, 2, breakout, obs_type=obs_type, render_mode="rgb_array")
    shown = DreamVectorEnv(dream, 2, breakout)
    for each in (envs, shown):
        each.reset(seed=0)
    seen = shown.step([2, 3])[0]
    envs.step([2, 3])
    pictures = envs.render()
    assert pictures is not None
    for stack, picture in zip(seen, pictures, strict=True):
        assert picture.shape == (84, 84, 3)
        np.testing.assert_array_equal(picture, np.repeat(stack[-1][..., None], 3, axis=2))
    assert shown.render() is None


@pytest.mark.filterwarnings("ignore:.*You are trying to use 'human' rendering")
def test_gymnasium_shows_it_in_a_window(breakout: FrameGenerator) -> None:
    env = gym.make(ID, model=learned_breakout(), generator=breakout, render_mode="human")
    assert isinstance(env, gym.wrappers.HumanRendering)
    assert env.env.render_mode == "rgb_array"
