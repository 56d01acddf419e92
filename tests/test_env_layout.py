"""Layouts of environments are what their wrappers made, not a guess by the shape."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.wrappers import (
    AtariPreprocessing,
    FlattenObservation,
    FrameStackObservation,
    GrayscaleObservation,
    ReshapeObservation,
    ResizeObservation,
    TransformObservation,
)
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecFrameStack,
    VecNormalize,
    VecTransposeImage,
)

from atarigan.errors import InputError
from atarigan.images.env_layout import layout_of_env
from atarigan.images.layout import LayoutGuessWarning
from tests.fakes import CountingEnv


def image_env(*shape: int) -> CountingEnv:
    return CountingEnv(gym.spaces.Box(0, 255, shape, np.uint8))


def gray(keep_dim: bool = False) -> gym.Env:
    return GrayscaleObservation(image_env(40, 30, 3), keep_dim=keep_dim)


def stacked(num_stack: int) -> gym.Env:
    return FrameStackObservation(gray(), num_stack)


def pong(**options: Any) -> gym.Env:
    return AtariPreprocessing(gym.make("ALE/Pong-v5", frameskip=1), screen_size=40, **options)


def dummy(env: gym.Env) -> DummyVecEnv:
    return DummyVecEnv([lambda: env])


@pytest.mark.parametrize(
    "num_stack", [1, 2, 3, *(pytest.param(num, marks=pytest.mark.slow) for num in (6, 9)), 12]
)
def test_a_stack_of_gray_frames_is_one_whatever_its_size(num_stack: int) -> None:
    made: dict[str, Any] = {
        "KHW": [
            stacked(num_stack),
            FrameStackObservation(pong(), num_stack),
            SyncVectorEnv([lambda: stacked(num_stack)]),
            dummy(stacked(num_stack)),
            gym.make_vec(
                "ALE/Pong-v5", vectorization_mode="vector_entry_point", stack_num=num_stack
            ),
        ],
        "KHWC": [FrameStackObservation(gray(keep_dim=True), num_stack)],
    }
    if num_stack > 1:
        below = VecFrameStack(dummy(gray(keep_dim=True)), num_stack)
        made["HWK"] = [below, VecNormalize(below, norm_obs=False)]
        made["KHW"] += [VecTransposeImage(below)]
    for axes, envs in made.items():
        for env in envs:
            layout = layout_of_env(env)
            assert layout is not None
            assert (layout.axes, layout.num_stack, layout.num_channels) == (axes, num_stack, 1)


@pytest.mark.parametrize("num_stack", [2, 3])
def test_a_stack_of_rgb_frames_is_one_of_rgb(num_stack: int) -> None:
    below = VecFrameStack(dummy(image_env(40, 30, 3)), num_stack)
    made = {
        "KHWC": FrameStackObservation(image_env(40, 30, 3), num_stack),
        "HWKC": below,
        "KCHW": VecTransposeImage(below),
    }
    for axes, env in made.items():
        layout = layout_of_env(env)
        assert layout is not None
        assert (layout.axes, layout.num_stack, layout.num_channels) == (axes, num_stack, 3)


@pytest.mark.parametrize(
    ("make", "axes", "num_channels"),
    [
        (lambda: image_env(40, 30, 3), "HWC", 3),
        (lambda: VecTransposeImage(dummy(image_env(40, 30, 3))), "CHW", 3),
        (lambda: pong(grayscale_newaxis=True), "HWC", 1),
        (lambda: pong(grayscale_obs=False), "HWC", 3),
        (lambda: pong(scale_obs=True), "HW", 1),
        (lambda: ResizeObservation(image_env(40, 30, 3), (20, 20)), "HWC", 3),
        (lambda: ReshapeObservation(image_env(40, 30), (40, 30, 1)), "HWC", 1),
    ],
)
def test_single_frames_are_known(make: Callable[[], Any], axes: str, num_channels: int) -> None:
    layout = layout_of_env(make())
    assert layout is not None
    assert (layout.axes, layout.num_stack, layout.num_channels) == (axes, 1, num_channels)


@pytest.mark.parametrize(
    "make",
    [
        lambda: FrameStackObservation(stacked(3), 3),
        lambda: FrameStackObservation(stacked(4), 4),
        lambda: ReshapeObservation(image_env(40, 30, 3), (40, 90)),
        lambda: FlattenObservation(image_env(40, 30)),
        lambda: FrameStackObservation(image_env(128), 8),
    ],
)
def test_arrangements_that_no_layout_describes_are_not_taken_for_another(
    make: Callable[[], Any],
) -> None:
    assert layout_of_env(make()) is None


def test_what_no_wrapper_tells_is_guessed_and_said() -> None:
    gray_to_three = TransformObservation(
        gray(keep_dim=True),
        lambda observation: np.repeat(observation, 3, axis=2),
        gym.spaces.Box(0, 255, (40, 30, 3), np.uint8),
    )
    for env in (image_env(3, 40, 30), image_env(40, 30, 4), image_env(40, 30, 6), gray_to_three):
        with pytest.warns(LayoutGuessWarning, match="by their shape alone"):
            assert layout_of_env(env) is not None


def test_axes_that_are_given_decide() -> None:
    layout = layout_of_env(image_env(40, 30, 3), "HWK")
    assert layout is not None
    assert (layout.num_stack, layout.num_channels) == (3, 1)
    with pytest.raises(InputError, match="layout 'KHW' does not fit"):
        layout_of_env(image_env(40, 30, 3), "KHW")
    assert layout_of_env(CountingEnv(gym.spaces.Box(0, 255, (128,), np.uint8))) is None


@pytest.mark.slow  # processes that load torch
def test_stacks_in_other_processes_are_known() -> None:
    asynchronous = AsyncVectorEnv([lambda: stacked(3)])
    processes = SubprocVecEnv([lambda: stacked(3)])
    for env in (asynchronous, processes, VecFrameStack(processes, 2)):
        layout = layout_of_env(env)
        assert layout is not None
        assert (layout.axes, layout.num_channels) == ("KHW", 1)
    asynchronous.close()
    processes.close()
