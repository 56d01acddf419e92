"""WalkingVectorEnv: latents walk, a seed determines them, and episodes are truncated."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from atarigan import FrameGenerator
from atarigan.envs import GeneratedVectorObservation, WalkingVectorEnv
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat

ID = "atarigan:atarigan/Generated-v0"


@pytest.fixture(scope="module")
def pong() -> FrameGenerator:
    return FrameGenerator.load("pong", device="cpu")


class RecordingGenerator:
    """A FrameGenerator with black frames that records the latents that it is given."""

    frame_format = FrameFormat("gray", 4, 4)
    device = torch.device("cpu")
    largest_batch = 64
    latent_distribution = "normal"
    latent_size = 24
    num_classes = 0

    def __init__(self) -> None:
        self.latents: list[np.ndarray] = []

    def decode_on_device(self, latents: torch.Tensor, conditions: None) -> torch.Tensor:
        self.latents.append(latents.numpy().copy())
        return torch.zeros(len(latents), *self.frame_format.shape, dtype=torch.uint8)


def played(envs: WalkingVectorEnv, num_steps: int, seed: int | None = 0) -> list[Any]:
    seen = [envs.reset(seed=seed)[0]]
    seen += [envs.step(envs.action_space.sample())[0] for _ in range(num_steps)]
    return seen


def test_make_vec_gives_frames_of_the_generator(pong: FrameGenerator) -> None:
    envs = gym.make_vec(ID, num_envs=3, env_id=None, generator="pong", walk_length=5, device="cpu")
    assert isinstance(envs, WalkingVectorEnv)
    assert envs.spec is not None
    assert envs.single_observation_space.shape == pong.frame_shape
    for seen in played(envs, 3):
        assert seen in envs.observation_space
    values = {int(value) for value in np.unique(pong.sample(2000))}
    assert {int(value) for value in np.unique(seen)} <= values


def test_a_seed_determines_everything(pong: FrameGenerator) -> None:
    envs = WalkingVectorEnv(pong, 4, episode_steps=2)
    first, other = played(envs, 4), played(envs, 4, seed=1)
    np.testing.assert_array_equal(first, played(WalkingVectorEnv(pong, 4, episode_steps=2), 4))
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, played(envs, 4, seed=None))


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("seeds", [5, [9, 3, 40, 7]])
def test_a_sub_environment_does_not_depend_on_the_others(
    pong: FrameGenerator, mode: AutoresetMode, seeds: Any
) -> None:
    envs = WalkingVectorEnv(pong, 4, episode_steps=3, autoreset_mode=mode)
    alone = WalkingVectorEnv(pong, 1, episode_steps=3, autoreset_mode=mode)
    own_seed = 5 + 2 if seeds == 5 else 40
    np.testing.assert_array_equal(envs.reset(seed=seeds)[0][2], alone.reset(seed=own_seed)[0][0])
    for _ in range(7):
        steps = [each.step(None) for each in (envs, alone)]
        np.testing.assert_array_equal(steps[0][0][2], steps[1][0][0])
        if "final_obs" in steps[0][4]:
            finals = [step[4]["final_obs"] for step in steps]
            np.testing.assert_array_equal(finals[0][2], finals[1][0])
        if mode is AutoresetMode.DISABLED and steps[0][3].all():
            seen = [each.reset()[0] for each in (envs, alone)]
            np.testing.assert_array_equal(seen[0][2], seen[1][0])


def test_every_autoreset_mode_shows_the_same_frames(pong: FrameGenerator) -> None:
    def shown(mode: AutoresetMode) -> list[np.ndarray]:
        envs = WalkingVectorEnv(pong, 2, episode_steps=2, autoreset_mode=mode)
        seen = [envs.reset(seed=4)[0]]
        while len(seen) < 7:
            observations, _, _, truncations, infos = envs.step(None)
            if truncations.all() and mode is AutoresetMode.SAME_STEP:
                assert infos["_final_obs"].all()
                seen.append(infos["final_obs"])
            seen.append(observations)
            if truncations.all() and mode is AutoresetMode.DISABLED:
                seen.append(envs.reset(options={"reset_mask": truncations})[0])
        return seen[:7]

    expected = shown(AutoresetMode.NEXT_STEP)
    assert len(np.unique(expected, axis=0)) > 3
    np.testing.assert_array_equal(shown(AutoresetMode.SAME_STEP), expected)
    np.testing.assert_array_equal(shown(AutoresetMode.DISABLED), expected)


def test_a_masked_reset_begins_some_episodes(pong: FrameGenerator) -> None:
    envs, whole = (
        WalkingVectorEnv(pong, 3, episode_steps=3, autoreset_mode="Disabled") for _ in range(2)
    )
    for each in (envs, whole):
        played(each, 1)
    before, _ = envs.reset(seed=0)
    mask = np.array([False, True, False])
    after, _ = envs.reset(seed=20, options={"reset_mask": mask})
    np.testing.assert_array_equal(after[~mask], before[~mask])
    np.testing.assert_array_equal(after[1], whole.reset(seed=20)[0][1])
    for _ in range(3):
        truncations = envs.step(None)[3]
    assert truncations.all()
    envs.reset(options={"reset_mask": mask})
    with pytest.raises(gym.error.ResetNeeded, match="reset_mask"):
        envs.step(None)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([True, False], r"must be an array bool \(2,\), not \[True, False\]"),
        (np.array([1, 0]), r"bool \(2,\), not int64 \(2,\)"),
        (np.array([True]), r"bool \(2,\), not bool \(1,\)"),
        (np.array([False, False]), "at least one sub-environment"),
    ],
)
def test_a_wrong_mask_is_named(pong: FrameGenerator, mask: Any, message: str) -> None:
    envs = WalkingVectorEnv(pong, 2)
    envs.reset(seed=0)
    with pytest.raises(InputError, match=message):
        envs.reset(options={"reset_mask": mask})


def test_the_first_reset_must_be_whole(pong: FrameGenerator) -> None:
    envs = WalkingVectorEnv(pong, 2, render_mode="rgb_array")
    with pytest.raises(InputError, match="the first reset must be of all sub-environments"):
        envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(gym.error.ResetNeeded):
        envs.step(None)
    with pytest.raises(gym.error.ResetNeeded):
        envs.render()


def test_unseeded_walks_follow_from_np_random(pong: FrameGenerator) -> None:
    def first(rng: int | None) -> Any:
        envs = WalkingVectorEnv(pong, 8)
        if rng is not None:
            envs.np_random = np.random.default_rng(rng)
        return envs.reset()[0]

    np.testing.assert_array_equal(first(1), first(1))
    assert not np.array_equal(first(None), first(None))


@pytest.mark.parametrize("output", ["numpy", "torch"])
def test_the_last_frames_of_episodes_are_in_infos(pong: FrameGenerator, output: Any) -> None:
    envs = WalkingVectorEnv(
        pong, 3, episode_steps=3, output=output, autoreset_mode=AutoresetMode.SAME_STEP
    )
    envs.reset(seed=1)
    envs.step(None)
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    envs.step(None)
    *_, truncations, infos = envs.step(None)
    assert truncations.tolist() == infos["_final_obs"].tolist() == [True, False, True]
    assert type(infos["final_obs"]) is type(truncations)
    reference = WalkingVectorEnv(pong, 3, episode_steps=9)
    reference.reset(seed=1)
    expected = [reference.step(None)[0] for _ in range(3)][-1]
    np.testing.assert_array_equal(infos["final_obs"][[0, 2]], expected[[0, 2]])


def test_longer_walks_change_frames_more_slowly(pong: FrameGenerator) -> None:
    def changed(walk_length: float) -> float:
        seen = np.array(played(WalkingVectorEnv(pong, 32, walk_length=walk_length), 20))
        return float((seen[1:] != seen[:-1]).mean())

    assert changed(1000) < changed(20) < changed(0.01)


def test_walks_keep_their_distribution_and_forget_at_their_length() -> None:
    generator: Any = RecordingGenerator()
    envs = WalkingVectorEnv(generator, 32, walk_length=10)
    played(envs, 400)
    walked = np.array(generator.latents)
    np.testing.assert_allclose(walked.var(), 1, atol=0.1)
    correlation = np.corrcoef(walked[:-10].ravel(), walked[10:].ravel())[0, 1]
    np.testing.assert_allclose(correlation, np.exp(-1), atol=0.07)


def test_an_episode_is_truncated_and_the_next_step_begins_another() -> None:
    generator: Any = RecordingGenerator()
    envs = WalkingVectorEnv(generator, 2, walk_length=1e6, episode_steps=3)
    envs.reset(seed=0)
    ends = []
    for _ in range(8):
        _, rewards, terminations, truncations, _ = envs.step(envs.action_space.sample())
        assert not rewards.any()
        assert not terminations.any()
        ends.append(truncations.tolist())
    assert ends == [[False] * 2] * 2 + [[True] * 2] + [[False] * 2] * 3 + [[True] * 2] + [
        [False] * 2
    ]
    moved = np.abs(np.diff(generator.latents, axis=0)).mean(axis=(1, 2))
    np.testing.assert_array_equal(moved > 0.5, np.isin(range(8), (3, 7)))  # two new walks


def test_torch_output_equals_numpy_and_can_be_trained_on(pong: FrameGenerator) -> None:
    arrays = played(WalkingVectorEnv(pong, 2), 2)
    envs = WalkingVectorEnv(pong, 2, output="torch")
    tensors = played(envs, 2)
    for array, tensor in zip(arrays, tensors, strict=True):
        np.testing.assert_array_equal(array, tensor.numpy())
    _, rewards, terminations, truncations, _ = envs.step(None)
    assert all(isinstance(each, torch.Tensor) for each in (rewards, terminations, truncations))
    layer = torch.nn.Embedding(256, 3)
    layer(tensors[0].int()).sum().backward()
    assert layer.weight.grad is not None


def test_render_returns_the_observed_frames(pong: FrameGenerator) -> None:
    envs = WalkingVectorEnv(pong, 2, render_mode="rgb_array")
    seen = played(envs, 1)[-1]
    for frame, picture in zip(seen, envs.render(), strict=True):
        np.testing.assert_array_equal(np.repeat(frame, 3, axis=2), picture)


def test_make_vec_with_a_game_equals_make() -> None:
    envs = gym.make_vec(ID, num_envs=2, env_id="ALE/Pong-v5", obs_type="grayscale")
    assert isinstance(envs, GeneratedVectorObservation)
    single = gym.make(ID, env_id="ALE/Pong-v5", obs_type="grayscale")
    seen, _ = envs.reset(seed=3)
    np.testing.assert_array_equal(seen[1], single.reset(seed=4)[0])
    for _ in range(3):
        seen = envs.step(np.array([0, 2]))[0]
        alone = single.step(2)[0]
    np.testing.assert_array_equal(seen[1], alone)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_envs": 0}, "num_envs must be at least 1, not 0"),
        ({"walk_length": 0}, "walk_length must be above 0, not 0"),
        ({"episode_steps": 0}, "episode_steps must be at least 1, not 0"),
        ({"render_mode": "human"}, "render_mode must be None or 'rgb_array', not 'human'"),
        ({"autoreset_mode": "SameSteps"}, "did you mean 'SameStep'"),
        ({"output": "jax"}, "output must be 'numpy' or 'torch', not 'jax'"),
        ({"generator": "no-such"}, "no-such"),
    ],
)
def test_a_wrong_argument_is_named(
    pong: FrameGenerator, kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        WalkingVectorEnv(**{"generator": pong, **kwargs})


def test_frames_without_a_game_need_make_vec_and_a_generator() -> None:
    with pytest.raises(
        InputError, match="env_id must name an environment for gymnasium.make, not None"
    ):
        gym.make(ID, env_id=None, generator="pong")
    with pytest.raises(InputError, match="env_id=None needs a generator, .* not None"):
        gym.make_vec(ID, num_envs=2, env_id=None)
