"""Generators of vector states: training, drawing, wrappers, evaluation, pack and export."""

import dataclasses
import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_util import make_vec_env

from atarigan import FrameBuffer, FrameGenerator, GeneratedReplay, evaluate, pack, train
from atarigan.config.recipes import load_recipe
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.envs import GeneratedObservation, GeneratedVecEnv, GeneratedVectorObservation
from atarigan.errors import InputError
from atarigan.models.checkpoint import write_checkpoint
from atarigan.training.build import build_trainer
from tests.moving_square import ENV_ID, HEIGHT, SPEC, WIDTH, SquareEnv, picture, write_squares

GRAY = picture(9, 12)[:, :, :1]


CONFIG = dataclasses.replace(
    load_recipe("vector-frames"), generator_width=32, latent_size=2, evaluate_every_s=0.0
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The checkpoint of a few updates."""
    folder = tmp_path_factory.mktemp("square")
    config = dataclasses.replace(CONFIG, data=str(folder / "data"), batch_size=8)
    torch.manual_seed(0)
    trainer = build_trainer(config, source=squares(folder / "data", 200))
    batches = trainer.open_batches()
    for _ in range(20):
        trainer.updates.update_reconstruction(*next(batches))
    weights = trainer.updates.generator.state_dict()
    write_checkpoint(folder / "run", trainer.model, weights, trainer.state_dict())
    return folder / "run"


@pytest.fixture(scope="module")
def generator(run: Path) -> FrameGenerator:
    return FrameGenerator.load(run, device="cpu")


@pytest.mark.slow
def test_pictures_of_states_that_were_never_seen_are_right(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with torch.random.fork_rng():
        trainer = build_trainer(CONFIG, source=squares(tmp_path / "data", 1200))
        batches = trainer.open_batches()
        for step in range(900):
            trainer.updates.set_learning_rates(1e-2 * (1 - step / 900), 1e-3)
            trainer.updates.update_reconstruction(*next(batches))
    unseen = squares(tmp_path / "unseen", 100, seed=9)
    numbers = np.arange(100)
    true, states = unseen.samples_at(numbers), unseen.conditions_at(numbers)
    with torch.inference_mode():
        latents = torch.zeros(100, CONFIG.latent_size)
        drawn = trainer.updates.generator.frames(latents, torch.from_numpy(states)).numpy()
    foreground = true != 0
    apart = np.abs(true.astype(int) - drawn)
    assert (apart <= 8)[foreground].mean() > 0.95
    assert (apart <= 40)[foreground].mean() > 0.98
    assert (apart <= 8).mean() > 0.99


def squares(path: Path, num: int, seed: int = 0) -> BufferedFrames:
    """A source of squares anywhere."""
    return BufferedFrames(write_squares(path, num, seed=seed), load_recipe("vector-frames"))


def test_a_run_draws_states_and_their_frames(generator: FrameGenerator) -> None:
    assert generator.state == SPEC
    assert not generator.reads_ram
    latents = generator.latents(12, seed=0)
    states = generator.states(latents)
    assert (states.dtype, states.shape) == (np.float32, (12, 3))
    assert (states[:, 2] == 5).all()
    frames = generator.decode(latents, states)
    assert (frames == generator.decode(latents)).all()
    assert (frames == generator.sample(12, seed=0)).all()
    one_by_one = [generator.decode(latents[i : i + 1], states[i : i + 1])[0] for i in range(12)]
    assert np.abs(frames.astype(int) - np.stack(one_by_one)).max() <= 1
    assert generator.num_clipped == 0


def test_numbers_outside_of_the_data_are_clipped_and_counted(run: Path) -> None:
    generator = FrameGenerator.load(run, device="cpu")
    states = np.array([[8, 10, 5], [8, 999, 5], [8, -999, 5], [8, 10, 6]], np.float32)
    frames = generator.decode(generator.latents(4, seed=0).repeat(1, axis=0), states)
    assert generator.num_clipped == 3
    assert generator.num_outside(states) == 3
    most = states.copy()
    most[1, 1] = 1e6
    again = generator.decode(generator.latents(4, seed=0), most)
    assert (frames[1] == again[1]).all()
    with pytest.raises(InputError, match="states must hold finite numbers, not nan"):
        generator.decode(generator.latents(1), np.array([[1, np.nan, 5]]))


def test_single_and_vector_wrappers_show_the_same(generator: FrameGenerator) -> None:
    rendered = SquareEnv.num_rendered
    env = GeneratedObservation(gym.make("Square-v0"), generator)
    assert env.observation_space == gym.spaces.Box(0, 255, (HEIGHT, WIDTH, 1), np.uint8)
    seen = [env.reset(seed=3)[0]]
    for _ in range(7):
        observation, _, terminated, *_ = env.step(1)
        seen.append(observation)
    assert terminated
    assert env.num_clipped == 0
    for mode in AutoresetMode:
        made = {"autoreset_mode": mode}
        envs = gym.make_vec("Square-v0", 2, "sync", vector_kwargs=made)
        envs = GeneratedVectorObservation(envs, generator)
        shown = [envs.reset(seed=2)[0][1]]
        for _ in range(6):
            shown.append(envs.step(np.array([0, 1]))[0][1])
        observations, _, terminations, _, infos = envs.step(np.array([0, 1]))
        assert terminations.all()
        is_same_step = mode is AutoresetMode.SAME_STEP
        shown.append(infos["final_obs"][1] if is_same_step else observations[1])
        assert (np.stack(shown) == np.stack(seen)).all()
    venv = GeneratedVecEnv(make_vec_env("Square-v0", n_envs=2, seed=2), generator)
    shown = [venv.reset()[1]]
    for _ in range(6):
        shown.append(venv.step(np.array([0, 1]))[0][1])
    shown.append(venv.step(np.array([0, 1]))[3][1]["terminal_observation"])
    assert (np.stack(shown) == np.stack(seen)).all()
    assert SquareEnv.num_rendered == rendered  # no renderer


class InfoGenerator:
    """Shows the two numbers of info["spot"] in its first pixels."""

    def __init__(self, generator: FrameGenerator) -> None:
        self.state = dataclasses.replace(SPEC, kind="info:spot", size=2)
        self.reads_ram = False
        self.frame_format = generator.frame_format
        self.latent_size, self.latent_distribution = 2, "normal"
        self.latents = lambda num, seed=None: np.zeros((num, 2), np.float32)

    def decode(self, latents, states):
        frames = np.zeros((len(latents), *self.frame_format.shape), np.uint8)
        frames[:, 0, :2, 0] = np.round(states * 10)
        return frames


def test_entries_of_info_reach_the_generator(generator: FrameGenerator) -> None:
    reader = InfoGenerator(generator)

    def assert_spots(observation: np.ndarray, info: dict) -> None:
        expected = np.round([info["spot"]["a"] * 10, info["spot"]["b"] * 10])
        np.testing.assert_allclose(observation[0, :2, 0], expected, atol=1)

    env = GeneratedObservation(gym.make("Square-v0"), reader)
    assert_spots(*env.reset(seed=0))
    observation, *_, info = env.step(1)
    assert_spots(observation, info)
    for mode in AutoresetMode:
        envs = gym.make_vec("Square-v0", 2, "sync", vector_kwargs={"autoreset_mode": mode})
        envs = GeneratedVectorObservation(envs, reader)
        envs.reset(seed=0)
        for _ in range(7):
            observations, *_, infos = envs.step(np.array([0, 1]))
        spots = {name: infos["spot"][name][1] for name in "ab"}
        assert_spots(observations[1], {"spot": spots})
        if mode is AutoresetMode.SAME_STEP:
            finals = infos["final_info"]["spot"]
            assert_spots(infos["final_obs"][1], {"spot": {name: finals[name][1] for name in "ab"}})
    venv = GeneratedVecEnv(make_vec_env("Square-v0", n_envs=2, seed=0), reader)
    assert_spots(venv.reset()[1], venv.reset_infos[1])
    for _ in range(7):
        observations, _, _, infos = venv.step(np.array([0, 1]))
    assert_spots(infos[1]["terminal_observation"], infos[1])


def test_environments_of_other_observations_are_refused(generator: FrameGenerator) -> None:
    message = "this generator reads observations of 3 numbers, not"
    for env_id in ("CartPole-v1", "tests.fakes:Counting-v0"):
        with pytest.raises(InputError, match=message):
            GeneratedObservation(gym.make(env_id), generator, allow_other_game=True)
        envs = gym.make_vec(env_id, 2, "sync")
        with pytest.raises(InputError, match=message):
            GeneratedVectorObservation(envs, generator, allow_other_game=True)
    with pytest.raises(InputError, match="draws one game from the states of another"):
        GeneratedObservation(gym.make("CartPole-v1"), generator)
    env = GeneratedObservation(gym.make("Spoiled-v0"), generator, allow_other_game=True)
    env.reset(seed=0)
    env.step(0)
    env.step(0)
    with pytest.raises(InputError, match="must hold finite numbers, but its number 2 is nan"):
        env.step(0)


@pytest.mark.slow
def test_evaluation_compares_frames_of_the_same_states(run: Path, tmp_path: Path, capsys) -> None:
    write_squares(tmp_path / "test", 200, has_shade=True, seed=4)
    words = ["--run", str(run), "--data", str(tmp_path / "test"), "--num", "100"]
    assert evaluate.main([*words, "--json", str(tmp_path / "metrics.json")]) == 0
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert {"pixel_accuracy", "variance_explained", "episode_variance"} <= record["metrics"].keys()
    assert "were clipped to it" in capsys.readouterr().err
    assert record["states_clipped"] > 0


def test_a_packed_and_an_exported_generator_draw_the_same(
    run: Path, generator: FrameGenerator, tmp_path: Path
) -> None:
    latents, states = generator.latents(30, seed=0), generator.states(generator.latents(30, seed=0))
    expected = generator.decode(latents, states).astype(int)
    assert pack.main(["--run", str(run), "--out", str(tmp_path / "packed")]) == 0
    packed = FrameGenerator.load(tmp_path / "packed", device="cpu")
    assert np.abs(packed.decode(latents, states) - expected).mean() < 2
    assert (packed.states(latents)[:, 2] == 5).all()


@pytest.mark.slow
def test_an_exported_generator_draws_the_same(generator: FrameGenerator, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    from atarigan.models.onnx_file import write_onnx
    from atarigan.models.onnx_generator import OnnxGenerator

    write_onnx(generator, tmp_path / "square.onnx")
    exported = OnnxGenerator.load(tmp_path / "square.onnx")
    assert exported.state == SPEC
    latents = generator.latents(30, seed=0)
    states = generator.states(latents)
    expected = generator.decode(latents, states).astype(int)
    assert np.abs(exported.decode(latents, states) - expected).max() <= 1
    env = GeneratedObservation(gym.make("Square-v0"), exported)
    other = GeneratedObservation(gym.make("Square-v0"), generator)
    apart = env.reset(seed=0)[0].astype(int) - other.reset(seed=0)[0]
    assert np.abs(apart).max() <= 1


def test_a_replay_draws_frames_of_stored_vectors(generator: FrameGenerator, tmp_path: Path) -> None:
    shape = (HEIGHT, WIDTH, 1)
    with FrameBuffer.create(tmp_path / "s", 9, shape, state=SPEC, stores_frames=False) as buffer:
        for number in range(9):
            buffer.add(None, state=np.array([4 + number, 9, 5], np.float32))
    replay = GeneratedReplay(buffer, generator)
    frames = replay.frames_of(buffer.values_at("state", np.arange(9)))
    assert (replay.sample(30, seed=0)[:, None] == frames).all((2, 3, 4)).any(1).all()


@pytest.mark.slow
def test_a_run_goes_on_as_it_began(tmp_path: Path) -> None:
    write_squares(tmp_path / "data", 200)
    words = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--batch-size", "8"]
    quick = ["--evaluate-every-s", "0", "--log", "none", "--device", "cpu"]
    assert train.main([*words, *quick, "--generator-width", "8", "--max-images", "776"]) == 0
    assert train.main([*words[2:4], "--resume", "--max-images", "1552"]) == 0
    generator = FrameGenerator.load(tmp_path / "run", device="cpu")
    assert generator.sample(2).shape == (2, HEIGHT, WIDTH, 1)
    assert (tmp_path / "run/index.html").exists()


def test_frames_without_states_say_which_recipe_needs_none(tmp_path: Path) -> None:
    with FrameBuffer.create(tmp_path / "data", 5, (HEIGHT, WIDTH, 1)) as buffer:
        buffer.add(GRAY)
    words = [
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(tmp_path / "run"),
        "--condition",
        "observation",
    ]
    with pytest.raises(InputError, match="stores none: use --recipe codes, which needs none"):
        train.main(words)


def test_states_that_never_vary_are_refused(tmp_path: Path) -> None:
    with FrameBuffer.create(tmp_path / "data", 9, (HEIGHT, WIDTH, 1), state=SPEC) as buffer:
        for number in range(9):
            buffer.add(GRAY + number, state=np.array([1, 2, 5], np.float32))
    words = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]
    message = "needs states that vary, and all 9 of the data are the same in all of their 3 numbers"
    with pytest.raises(InputError, match=message):
        train.main(words)
    assert not (tmp_path / "run").exists()


def test_the_environment_is_named_in_the_run(generator: FrameGenerator) -> None:
    assert generator.provenance.env_id == ENV_ID
