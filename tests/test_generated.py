"""GeneratedObservation on single environments."""

import copy
import pickle
import warnings
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.wrappers import (
    AtariPreprocessing,
    DtypeObservation,
    FlattenObservation,
    FrameStackObservation,
    NormalizeObservation,
    RescaleObservation,
    ReshapeObservation,
    TransformObservation,
)
from stable_baselines3.common.env_checker import check_env as check_env_of_sb3

from atarigan.envs import GeneratedObservation
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.layout import layout_of_space
from atarigan.images.pixels import FrameFormat
from atarigan.models.latent_stream import LatentStream
from tests.fakes import CountingEnv, FakeGenerator

gym.register_envs(ale_py)
GRAY = FrameFormat("gray", 84, 84)


def rollout(env: gym.Env, num_steps: int, seed: int | None = 0) -> list[np.ndarray]:
    """Return the observations of a rollout that resets after each episode."""
    observations = [env.reset(seed=seed)[0]]
    for _ in range(num_steps):
        observation, _, terminated, truncated, _ = env.step(1)
        observations.append(observation)
        if terminated or truncated:
            observations.append(env.reset()[0])
    return observations


def generated_frames(generator: FakeGenerator, seed: int, num: int) -> np.ndarray:
    """Return the frames of an episode's first observations, in the generator's own format."""
    latents = LatentStream(generator, "step", 1)
    latents.seed(seed)
    return generator.decode(
        np.array([latents.begin()] + [latents.advance() for _ in range(num - 1)])
    )


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((84, 84), np.uint8),
        ((60, 70), np.uint8),
        ((210, 160, 3), np.uint8),
        ((84, 84, 1), np.uint8),
        ((84, 84), np.float32),
        ((3, 40, 50), np.float64),
        ((4, 84, 84), np.uint8),
        ((84, 84, 4), np.uint8),
        ((4, 60, 70, 3), np.uint8),
        ((12, 60, 70), np.uint8),
    ],
)
@pytest.mark.filterwarnings("ignore::atarigan.images.layout.LayoutGuessWarning")
@pytest.mark.parametrize("name", ["gray", "rgb", "palette"])
def test_generated_frames_replace_real_ones_in_every_layout(
    shape: tuple[int, ...], dtype: Any, name: Any
) -> None:
    source = FrameFormat(name, 84, 84, "ntsc" if name == "palette" else None)
    space = gym.spaces.Box(0, 255 if dtype is np.uint8 else 1, shape, dtype)
    env = GeneratedObservation(CountingEnv(space, length=100), FakeGenerator(source))
    assert env.observation_space == space
    observations = rollout(env, 6, seed=5)
    assert all(observation in space for observation in observations)

    layout = layout_of_space(space)
    assert layout is not None
    raw = generated_frames(FakeGenerator(source), 5, 7)
    expected = layout.from_frames(pixels.convert(raw, source, layout.frame_format))
    for step, observation in enumerate(observations):
        for back, frame in enumerate(layout.stack(observation)[::-1]):
            np.testing.assert_array_equal(frame, expected[max(0, step - back)])


def test_palette_frames_have_the_exact_colors_and_grays_of_ale() -> None:
    source = FrameFormat("palette", 20, 30, "pal")
    indices = generated_frames(FakeGenerator(source), 0, 1)[0]
    for channels, table in ((3, pixels.ale_palette("pal")), (1, pixels.ale_grays("pal"))):
        space = gym.spaces.Box(0, 255, (20, 30, channels), np.uint8)
        env = GeneratedObservation(CountingEnv(space), FakeGenerator(source))
        shown = env.reset(seed=0)[0]
        np.testing.assert_array_equal(shown, table[indices[..., 0]].reshape(20, 30, channels))


@pytest.mark.parametrize("mode", ["replace", "mix", "info"])
@pytest.mark.parametrize("latent", ["step", "episode", "walk"])
def test_a_seeded_reset_determines_everything(mode: Any, latent: Any) -> None:
    env = GeneratedObservation(CountingEnv(length=3), FakeGenerator(), mode, latent=latent)
    once, again, other = rollout(env, 8, 1), rollout(env, 8, 1), rollout(env, 8, 2)
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def test_without_a_seed_the_latents_follow_from_the_environments_generator() -> None:
    def unseeded_rollout(seed: int) -> list[np.ndarray]:
        env = CountingEnv()
        env.reset(seed=seed)
        return rollout(GeneratedObservation(env, FakeGenerator()), 3, seed=None)

    np.testing.assert_array_equal(unseeded_rollout(1), unseeded_rollout(1))
    assert not np.array_equal(unseeded_rollout(1), unseeded_rollout(2))


@pytest.mark.parametrize("mode", ["replace", "mix", "info"])
@pytest.mark.parametrize("seed", [3, None])
def test_the_environment_runs_as_without_the_wrapper(mode: Any, seed: int | None) -> None:
    plain, wrapped = CountingEnv(length=3), CountingEnv(length=3)
    for env in (plain, wrapped):
        env.reset(seed=9)
    rollout(plain, 10, seed)
    rollout(GeneratedObservation(wrapped, FakeGenerator(), mode), 10, seed)
    assert wrapped.number == plain.number
    assert wrapped.np_random.bit_generator.state == plain.np_random.bit_generator.state


def test_mix_shows_generated_frames_with_its_probability() -> None:
    space = gym.spaces.Box(0, 255, (84, 84), np.uint8)

    def shown(**options: Any) -> np.ndarray:
        env = GeneratedObservation(CountingEnv(space, length=150), FakeGenerator(), **options)
        return np.array(rollout(env, 100))

    real, generated = shown(mode="info"), shown()
    mixed = shown(mode="mix", probability=0.3)
    is_real = (mixed == real).all(axis=(1, 2))
    is_generated = (mixed == generated).all(axis=(1, 2))
    assert (is_real ^ is_generated).all()
    assert 0.15 < is_generated.mean() < 0.45
    np.testing.assert_array_equal(shown(mode="mix", probability=0), real)
    np.testing.assert_array_equal(shown(mode="mix", probability=1), generated)


def test_a_mixed_stack_remembers_what_was_shown() -> None:
    def shown(mode: Any) -> np.ndarray:
        env = FrameStackObservation(CountingEnv(length=50), 4)
        return np.array(rollout(GeneratedObservation(env, FakeGenerator(), mode), 40))

    mixed, real, generated = shown("mix"), shown("info"), shown("replace")
    newest = mixed[:, -1]
    for frames, chosen in ((real[:, -1], 0), (generated[:, -1], 1)):
        assert (newest == frames).all(axis=(1, 2)).any(), chosen
    np.testing.assert_array_equal(mixed[1:, :-1], mixed[:-1, 1:])


def test_mix_decodes_only_frames_that_it_shows() -> None:
    generator = FakeGenerator()
    env = GeneratedObservation(CountingEnv(), generator, "mix", probability=0)
    rollout(env, 10)
    assert sum(generator.batch_sizes) == 0


def test_info_leaves_the_observation_and_adds_the_generated_one() -> None:
    plain = CountingEnv()
    env = GeneratedObservation(CountingEnv(), FakeGenerator(), "info")
    replaced = GeneratedObservation(CountingEnv(), FakeGenerator(), "replace")
    observation, info = env.reset(seed=4)
    np.testing.assert_array_equal(observation, plain.reset(seed=4)[0])
    np.testing.assert_array_equal(info["generated_observation"], replaced.reset(seed=4)[0])
    observation, *_, info = env.step(0)
    np.testing.assert_array_equal(observation, plain.step(0)[0])
    np.testing.assert_array_equal(info["generated_observation"], replaced.step(0)[0])


def test_one_frame_is_decoded_a_step() -> None:
    generator = FakeGenerator()
    env = GeneratedObservation(FrameStackObservation(CountingEnv(length=50), 4), generator)
    rollout(env, 10)
    assert generator.batch_sizes == [1] * 11


def test_observations_that_are_not_images_become_frames() -> None:
    ram = gym.make("ALE/Pong-v5", obs_type="ram")
    env = GeneratedObservation(ram, FakeGenerator(GRAY))
    assert env.observation_space == gym.spaces.Box(0, 255, (84, 84, 1), np.uint8)
    assert env.reset(seed=0)[0] in env.observation_space
    kept = GeneratedObservation(ram, FakeGenerator(GRAY), "info")
    observation, info = kept.reset(seed=0)
    assert observation.shape == (128,)
    assert info["generated_observation"].shape == (84, 84, 1)
    with pytest.raises(InputError, match="mode 'mix' needs image observations"):
        GeneratedObservation(ram, FakeGenerator(), "mix")


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_render_shows_what_the_agent_sees(probability: float) -> None:
    inner = FrameStackObservation(
        gym.make("ALE/Breakout-v5", obs_type="grayscale", render_mode="rgb_array"), 2
    )
    env = GeneratedObservation(inner, FakeGenerator(), "mix", probability=probability)
    env.reset(seed=0)
    observation = env.step(1)[0]
    picture = env.render()
    assert picture.shape == (210, 160, 3)
    np.testing.assert_array_equal(picture[..., 0], observation[-1])
    np.testing.assert_array_equal(picture[..., 2], observation[-1])


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 255)])
def test_rescaled_observations_keep_their_space(low: float, high: float) -> None:
    real = DtypeObservation(gym.make("ALE/Pong-v5", obs_type="grayscale"), np.float32)
    bounds = (np.full((210, 160), value, np.float32) for value in (low, high))
    env = GeneratedObservation(RescaleObservation(real, *bounds), FakeGenerator(GRAY))
    assert env.observation_space == gym.spaces.Box(low, high, (210, 160), np.float32)
    observation = env.reset(seed=0)[0]
    frames = generated_frames(FakeGenerator(GRAY), 0, 1)
    shown = pixels.convert(frames, GRAY, FrameFormat("gray", 210, 160))[0, ..., 0]
    np.testing.assert_allclose(observation, low + shown / 255 * (high - low), atol=1e-4)


def test_normalized_observations_are_replaced_with_a_warning() -> None:
    normalized = NormalizeObservation(gym.make("ALE/Pong-v5", obs_type="grayscale"))
    with pytest.warns(UserWarning, match=r"not float32 \(210, 160\) from -inf to inf: agents see"):
        env = GeneratedObservation(normalized, FakeGenerator(GRAY))
    assert env.observation_space == gym.spaces.Box(0, 255, (84, 84, 1), np.uint8)


def in_a_dict(env: gym.Env) -> gym.Env:
    space = gym.spaces.Dict({"image": env.observation_space})
    return TransformObservation(env, lambda image: {"image": image}, space)


@pytest.mark.parametrize(
    ("wrap", "shape"),
    [
        (FlattenObservation, r"\(1200,\)"),
        (lambda env: FrameStackObservation(FrameStackObservation(env, 3), 3), r"\(3, 3, 40, 30\)"),
        (lambda env: ReshapeObservation(env, (1, 1200)), r"\(1, 1200\)"),
        (in_a_dict, r"\(40, 30\)"),
    ],
)
def test_images_that_no_layout_describes_are_replaced_with_a_warning(wrap: Any, shape: str) -> None:
    env = CountingEnv(gym.spaces.Box(0, 255, (40, 30), np.uint8))
    with pytest.warns(UserWarning, match=f"not uint8 {shape} from 0 to 255: agents see the gener"):
        generated = GeneratedObservation(wrap(env), FakeGenerator(GRAY))
    assert generated.observation_space == gym.spaces.Box(0, 255, (84, 84, 1), np.uint8)


def test_render_in_mode_info_shows_the_real_observation() -> None:
    env = GeneratedObservation(CountingEnv(render_mode="rgb_array"), FakeGenerator(), "info")
    observation = env.reset(seed=0)[0]
    np.testing.assert_array_equal(env.render()[..., 1], observation)


@pytest.mark.parametrize("mode", ["replace", "info"])
def test_render_beside_shows_the_real_picture_left_of_the_generated_one(mode: Any) -> None:
    inner = CountingEnv(render_mode="rgb_array")
    env = GeneratedObservation(inner, FakeGenerator(), mode, render="beside")
    observation, info = env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (20, 60, 3)
    np.testing.assert_array_equal(picture[:, :30], inner.number)
    generated = observation if mode == "replace" else info["generated_observation"]
    enlarged = pixels.resize(generated[..., None], 20, 30)
    np.testing.assert_array_equal(picture[:, 30:, 0], enlarged[..., 0])


def test_inside_atari_preprocessing_it_warns_once() -> None:
    inner = GeneratedObservation(gym.make("ALE/Pong-v5", frameskip=1), FakeGenerator())
    env = FrameStackObservation(AtariPreprocessing(inner), 4)
    with pytest.warns(UserWarning, match="place GeneratedObservation outside") as caught:
        env.reset(seed=0)
    assert len(caught) == 1
    env.reset(seed=0)  # warnings are errors


def test_outside_atari_preprocessing_it_does_not_warn() -> None:
    env = AtariPreprocessing(gym.make("ALE/Pong-v5", frameskip=1), scale_obs=True)
    env = GeneratedObservation(FrameStackObservation(env, 4), FakeGenerator())
    assert env.reset(seed=0)[0] in env.observation_space


IMAGES, NUMBERS = gym.spaces.Box(0, 255, (60, 50, 3), np.uint8), gym.spaces.Box(0, 255, (128,))


@pytest.mark.parametrize(
    ("env_id", "options", "mode"),
    [
        ("tests.fakes:Counting-v0", {"space": IMAGES}, "replace"),
        ("tests.fakes:Counting-v0", {"space": IMAGES}, "mix"),
        ("tests.fakes:Counting-v0", {"space": IMAGES}, "info"),
        ("tests.fakes:Counting-v0", {"space": NUMBERS}, "replace"),
        ("tests.fakes:Counting-v0", {"space": NUMBERS}, "info"),
        pytest.param("ALE/Breakout-v5", {"obs_type": "rgb"}, "mix", marks=pytest.mark.slow),
        pytest.param("ALE/Breakout-v5", {"obs_type": "ram"}, "info", marks=pytest.mark.slow),
    ],
)
def test_the_checkers_of_gymnasium_and_sb3_accept_it(
    env_id: str, options: dict[str, Any], mode: Any
) -> None:
    env = gym.make(env_id, render_mode="rgb_array", **options)
    wrapped = GeneratedObservation(env, FakeGenerator(FrameFormat("rgb", 60, 50)), mode)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version")
        check_env(wrapped)
    check_env_of_sb3(wrapped)


def test_spec_and_pickle_give_an_equal_environment() -> None:
    env = GeneratedObservation(
        gym.make("ALE/Pong-v5"), FakeGenerator(), latent="walk", walk_length=5
    )
    assert env.spec is not None
    for again in (gym.make(env.spec), pickle.loads(pickle.dumps(env))):
        np.testing.assert_array_equal(rollout(again, 3), rollout(env, 3))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
@pytest.mark.parametrize(
    ("env_id", "options"),
    [
        ("ALE/Breakout-v5", {"mode": "info"}),
        ("ALE/SpaceInvaders-v5", {"latent": "walk", "mode": "mix"}),
        ("tests.fakes:Counting-v0", {}),
    ],
)
def test_a_copy_in_mid_game_goes_on_alike(
    copied: Any, env_id: str, options: dict[str, Any]
) -> None:
    """Sticky actions, and frames that are skipped at random, are drawn alike as well."""
    kwargs = {"frameskip": (2, 5)} if env_id.startswith("ALE/") else {}
    env = GeneratedObservation(gym.make(env_id, **kwargs), FakeGenerator(), **options)
    outer = FrameStackObservation(env, 2)
    rollout(outer, 21)
    again = copied(outer)
    actions = np.random.default_rng(0).integers(4, size=60)
    for action in actions:
        step, like = outer.step(int(action)), again.step(int(action))
        assert data_equivalence(step, like, exact=True)
        if step[2] or step[3]:
            assert data_equivalence(outer.reset(), again.reset(), exact=True)


def test_an_environment_that_needs_no_reset_needs_none_within_the_wrapper() -> None:
    class Restless(CountingEnv):
        number, _age = 0, 0

    def seeded() -> gym.Env:
        env = Restless(length=50)
        env.np_random = np.random.default_rng(3)
        return GeneratedObservation(env, FakeGenerator())

    one, other = seeded(), seeded()
    for _ in range(3):
        np.testing.assert_array_equal(one.step(0)[0], other.step(0)[0])


def test_render_before_the_first_reset_is_refused() -> None:
    for mode in ("replace", "info"):
        env = GeneratedObservation(CountingEnv(render_mode="rgb_array"), FakeGenerator(), mode)
        with pytest.raises(gym.error.ResetNeeded):
            env.render()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "replce"}, "did you mean 'replace'"),
        ({"latent": "walks"}, "did you mean 'walk'"),
        ({"probability": 1.5}, "probability must be between 0 and 1, not 1.5"),
        ({"walk_length": 0}, "walk_length must be above 0 agent steps, not 0"),
        ({"render": "both"}, "render must be a known name, not 'both': known: agent, beside"),
        ({"render": "beside"}, "render_mode 'rgb_array' with render='beside', not None"),
        ({"layout": "HWC"}, r"layout 'HWC' does not fit observations of shape \(16, 12\)"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GeneratedObservation(CountingEnv(), FakeGenerator(), **options)


def test_a_window_on_the_real_game_is_refused() -> None:
    with pytest.raises(InputError, match="HumanRendering"):
        GeneratedObservation(CountingEnv(render_mode="human"), FakeGenerator())


def test_a_missing_generator_is_named(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="nothing"):
        GeneratedObservation(CountingEnv(), tmp_path / "nothing")


def test_three_stacked_gray_frames_are_three_generated_frames() -> None:
    env = FrameStackObservation(CountingEnv(length=100), 3)
    observations = rollout(GeneratedObservation(env, FakeGenerator()), 4, seed=5)
    raw = generated_frames(FakeGenerator(), 5, 5)
    frames = pixels.convert(raw, FakeGenerator().frame_format, FrameFormat("gray", 16, 12))
    for step, observation in enumerate(observations):
        for back in range(3):
            np.testing.assert_array_equal(
                observation[2 - back], frames[max(0, step - back), ..., 0]
            )


def test_rgba_observations_stay_opaque() -> None:
    space = gym.spaces.Box(0, 255, (16, 12, 4), np.uint8)
    env = GeneratedObservation(CountingEnv(space), FakeGenerator(), layout="HWC")
    observation = env.reset(seed=5)[0]
    assert observation in space
    assert (observation[..., 3] == 255).all()
    assert len(np.unique(observation[..., :3])) > 5


@pytest.mark.parametrize("mode", ["replace", "mix", "info"])
def test_a_copied_stack_goes_on_alike(mode: Any) -> None:
    space = gym.spaces.Box(0, 255, (4, 16, 12), np.uint8)
    env = GeneratedObservation(CountingEnv(space), FakeGenerator(), mode, latent="walk")
    env.reset(seed=1)
    env.step(0)
    twin = copy.deepcopy(env)
    for _ in range(3):
        assert data_equivalence(env.step(1), twin.step(1), exact=True)
    assert data_equivalence(env.reset(), twin.reset(), exact=True)
