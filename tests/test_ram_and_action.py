"""States of RAM and the newest action: where they are read, and that every user gets the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ale_py
import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.atari_wrappers import FireResetEnv, StickyActionEnv
from stable_baselines3.common.vec_env import DummyVecEnv

from atarigan import FrameBuffer, FrameGenerator, GeneratedReplay, collect, train
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.joysticks import Joysticks, meanings_of
from atarigan.data.sources import SOURCES
from atarigan.data.states import StateSpec
from atarigan.envs import (
    DreamEnv,
    DreamVectorEnv,
    FrameCapture,
    GeneratedObservation,
    GeneratedVecEnv,
    GeneratedVectorObservation,
    RamInfo,
)
from atarigan.errors import InputError
from atarigan.images.pixels import FrameFormat
from atarigan.models.dynamics.controls import Controls, joysticks_of
from atarigan.models.web_pages.dream_tables import dream_model
from atarigan.pictures import play_page
from tests import test_sb3, test_vector
from tests.fakes import StateGenerator
from tests.learned_games import counting_dream, learned_breakout
from tests.node_pages import answer_of
from tests.test_dream_observations import PaletteGenerator
from tests.test_replayed_frames import collected

gym.register_envs(ale_py)
STATE = StateSpec.of("ram+action", 129)
KIND = STATE.kind
BREAKOUT = np.array([0, 1, 4, 8], np.uint8)  # NOOP, FIRE, RIGHT, LEFT
SHAPE = (12, 12, 1)


class ActionGenerator(StateGenerator):
    """Shows RAM and the action in the first 129 pixels of its frames."""

    state = STATE

    def decode(self, latents: np.ndarray, ram: np.ndarray | None = None) -> np.ndarray:
        return super().decode(latents, None if ram is None else self.state.with_no_op(ram))


def env_of(index: int) -> gym.Env:
    """Episodes of different lengths."""
    limit = {"max_num_frames_per_episode": 24 + 12 * index, "frameskip": 4}
    return gym.make("ALE/Breakout-v5", obs_type="grayscale", **limit)


def joysticks_shown(observations: Any) -> np.ndarray:
    """The byte behind RAM in real-sized frames of small ones; without their interpolation."""
    return np.array(observations).reshape(len(observations), -1)[:, 128]


@pytest.mark.parametrize(
    ("meaning", "byte"),
    [("NOOP", 0), ("FIRE", 1), ("UP", 2), ("RIGHT", 4), ("LEFT", 8), ("DOWN", 16)],
)
def test_each_part_of_the_joystick_is_a_bit(meaning: str, byte: int) -> None:
    assert Joysticks([meaning]).of(0) == byte


def test_actions_without_a_name_are_no_ops() -> None:
    joysticks = Joysticks(["DOWNLEFTFIRE", "UPRIGHT"])
    np.testing.assert_array_equal(joysticks.of([0, 1, -1, 2]), [25, 6, 0, 0])
    assert (joysticks.of_one(0), joysticks.of_one(np.int64(1)), joysticks.of_one(2)) == (25, 6, 0)
    assert Joysticks(()).of_one((np.ones(3), "any")) == 0


@pytest.fixture(scope="module", params=[0.25, 0.9], ids=["sticky", "very sticky"])
def played(request: Any, tmp_path_factory: pytest.TempPathFactory) -> FrameBuffer:
    """A ring of real steps that has gone round; with 0.9, actions persist through whole steps."""
    path = tmp_path_factory.mktemp("data") / "played"
    return collected(path, 350, capacity=250, sticky=request.param)


def test_a_buffer_tells_the_action_of_the_newest_frame(played: FrameBuffer) -> None:
    rows = np.arange(len(played))
    found = played.values_at(KIND, rows)
    np.testing.assert_array_equal(found[:, :-1], played.values_at("ram", rows))
    columns = ("actions", "persisted", "terminations", "truncations")
    steps = zip(*(played.values_at(name, rows).tolist() for name in columns), strict=True)
    expected: list[int | None] = []
    action: int | None = None
    for chosen, num_persisted, *ends in steps:
        expected.append(action)
        action = action if num_persisted == 4 else int(BREAKOUT[chosen])
        action = 0 if any(ends) else action
    known = [number for number, action in enumerate(expected) if action is not None]
    np.testing.assert_array_equal(found[known, -1], np.array(expected)[known].astype(np.uint8))
    assert not found[: known[0], -1].any()  # what came before is overwritten
    assert known[0] < 40
    assert {0, 1, 4, 8} == set(found[:, -1].tolist())


def test_that_is_the_action_that_the_emulator_got(tmp_path: Path) -> None:
    """The environment tells it by itself, as it does while a policy is evaluated."""
    env = AgentSteps("ALE/Breakout-v5", sticky=0.9)
    rng = np.random.default_rng(0)
    origin = Origin(
        "ALE/Breakout-v5", action_meanings=env.action_meanings, frame_skip=4, sticky=0.9
    )
    env.reset(seed=0)
    expected = []
    buffer = FrameBuffer.create(
        tmp_path / "b", 60, SHAPE, ram_size=128, stores_frames=False, origin=origin
    )
    player = env.frame_player
    assert player is not None
    with buffer:
        writer = buffer.new_writer()
        for _ in range(60):
            expected.append(env.state(STATE))
            writer.stage_state(env.screen.ram())
            action = int(rng.integers(4))
            env.step(action)
            writer.commit(action, persisted=player.num_persisted)
        found = buffer.values_at(KIND, np.arange(60))
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(found[:, -1])) == 4


def test_samples_hold_what_is_at_their_rows(played: FrameBuffer) -> None:
    rows = played.values_at(KIND, np.arange(len(played)))
    of_ram = {row[:-1].tobytes(): row for row in rows}
    batch = played.sample_transitions(40, 3, 0, KIND)
    for stacks in (batch.frames, batch.next_frames, played.sample_stacks(40, 4, 0, KIND)):
        for state in stacks.reshape(-1, 129):
            assert state[:-1].tobytes() in of_ram
    last = played.sample(40, 0, KIND)
    assert all((of_ram[state[:-1].tobytes()] == state).mean() > 0.99 for state in last)


def test_a_buffer_without_names_of_actions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nameless"
    with FrameBuffer.create(path, 20, SHAPE, ram_size=128) as buffer:
        for step in range(20):
            buffer.add(np.full(SHAPE, step, np.uint8), 1, ram=np.full(128, step, np.uint8))
        with pytest.raises(
            InputError, match=r"must store RAM and discrete actions with their names in ALE"
        ):
            buffer.values_at(KIND, np.arange(3))
    config = RunConfig(source="frames", data=str(path), condition=KIND)
    with pytest.raises(InputError, match=r"names in ALE, and .*: train with --condition ram"):
        SOURCES["frames"](config)
    for words in (["--data", str(path)], ["--data", str(path), "--recipe", "atari"]):
        assert train.base_config(words).condition == "ram"


def test_the_recipe_reads_the_action_where_it_is_told(played: FrameBuffer) -> None:
    for words in (["--recipe", "atari"], []):
        assert train.base_config(["--data", str(played.path), *words]).condition == KIND


@pytest.mark.parametrize("autoreset_mode", list(AutoresetMode))
def test_agents_of_all_wrappers_see_the_action(autoreset_mode: AutoresetMode) -> None:
    generator = ActionGenerator(FrameFormat("gray", 210, 160))

    def single(index: int) -> gym.Env:
        return RamInfo(GeneratedObservation(env_of(index), generator))

    singles = test_vector.sync(single, autoreset_mode)
    vector = GeneratedVectorObservation(test_vector.sync(env_of, autoreset_mode), generator)
    test_vector.assert_equal_steps(singles, vector, 14, seed=5)
    vector.reset(seed=0)
    for action in (2, 3, 1, 0):
        observations, *_, infos = vector.step([action] * vector.num_envs)
        is_played = ~(infos["_final_obs"] if "_final_obs" in infos else np.zeros(3, bool))
        assert (joysticks_shown(observations)[is_played] == BREAKOUT[action]).all()


def test_agents_in_stable_baselines3_see_the_action() -> None:
    generator = ActionGenerator(FrameFormat("gray", 210, 160))

    def dummy(make_env: Any) -> DummyVecEnv:
        return DummyVecEnv([lambda index=index: make_env(index) for index in range(3)])

    singles = dummy(lambda index: GeneratedObservation(env_of(index), generator))
    vector = GeneratedVecEnv(dummy(env_of), generator)
    test_sb3.assert_equal_steps(test_sb3.steps_of(vector, 15), test_sb3.steps_of(singles, 15))
    vector.reset()
    assert (joysticks_shown(vector.step(np.full(3, 3))[0]) == 8).all()


def test_infos_without_the_joystick_are_refused() -> None:
    class OnlyRam(gym.Wrapper):
        def reset(self, **kwargs: Any) -> Any:
            observation, info = self.env.reset(**kwargs)
            return observation, {"ram": info["ram"]}

    envs = gym.vector.SyncVectorEnv([lambda: OnlyRam(RamInfo(env_of(0)))])
    vector = GeneratedVectorObservation(envs, ActionGenerator(FrameFormat("gray", 210, 160)))
    envs.envs = [OnlyRam(RamInfo(env_of(0)))]
    with pytest.raises(InputError, match=r"reads the action, so infos must have 'joystick', not"):
        vector.reset()


def test_replay_draws_the_action(played: FrameBuffer) -> None:
    replay = GeneratedReplay(played, ActionGenerator())
    drawn = replay.sample(30, seed=0).reshape(30, -1)[:, :129]
    np.testing.assert_array_equal(drawn, played.sample(30, 0, KIND))
    transitions = replay.sample_transitions(30, 2, seed=1)
    stored = played.sample_transitions(30, 2, 1, KIND)
    np.testing.assert_array_equal(
        transitions.next_frames.reshape(30, 2, -1)[..., :129], stored.next_frames
    )


def test_ram_alone_is_drawn_with_a_resting_joystick() -> None:
    states = np.arange(4 * 129, dtype=np.uint8).reshape(4, 129)
    filled = STATE.with_no_op(states[:, :-1])
    np.testing.assert_array_equal(filled[:, :-1], states[:, :-1])
    assert not filled[:, -1].any()
    assert STATE.with_no_op(states) is states
    ram = StateSpec.of("ram", 128)
    assert ram.with_no_op(states) is states  # and is refused for its size


CHANGED: dict[str, Callable[[gym.Env], gym.Env]] = {
    "TransformAction": lambda env: gym.wrappers.TransformAction(
        env, lambda action: action + 2, gym.spaces.Discrete(2)
    ),
    "StickyAction": lambda env: gym.wrappers.StickyAction(env, 0.5),
    "sticky of stable-baselines3": lambda env: StickyActionEnv(env, 0.5),
    "fire at resets": FireResetEnv,
}


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("is_inside", [False, True])
def test_the_action_is_the_one_that_the_game_gets(
    name: str, is_inside: bool, tmp_path: Path
) -> None:
    """Whatever wrappers make of it; the same as a buffer stores, whoever is the inner one."""
    buffer = FrameBuffer.create(
        tmp_path / "captured", 60, (84, 84, 1), ram_size=128, stores_frames=False
    )
    generator = ActionGenerator(FrameFormat("gray", 210, 160))
    env: gym.Env = CHANGED[name](env_of(9))
    env = FrameCapture(env, buffer) if is_inside else env
    env = GeneratedObservation(env, generator)
    env = env if is_inside else FrameCapture(env, buffer)
    seen = [env.reset(seed=0)[0]]
    env.action_space.seed(1)
    for _ in range(20):
        seen.append(env.step(env.action_space.sample())[0])
    env.step(0)
    env.close()
    stored = FrameBuffer.open(buffer.path).values_at(KIND, np.arange(1, 21))
    shown = np.array(seen[1:]).reshape(20, -1)[:, :129]
    np.testing.assert_array_equal(shown, stored)
    assert len(np.unique(stored[:, -1])) > 1


@pytest.mark.parametrize("generator", [StateGenerator, ActionGenerator])
def test_actions_of_other_kinds_are_no_ops(generator: Any) -> None:
    def continuous(_: int) -> gym.Env:
        return gym.make("ALE/Breakout-v5", continuous=True, obs_type="grayscale")

    own = generator(FrameFormat("gray", 210, 160))
    singles = test_vector.sync(lambda index: RamInfo(GeneratedObservation(continuous(index), own)))
    vector = GeneratedVectorObservation(test_vector.sync(continuous), own)
    for envs in (singles, vector):
        envs.reset(seed=0)
        envs.action_space.seed(0)
        for _ in range(3):
            observations, *_ = envs.step(envs.action_space.sample())
        assert observations.shape == (3, 210, 160)
    if generator is ActionGenerator:
        assert not joysticks_shown(observations).any()


def test_replay_of_actions_without_names_is_refused_at_once(tmp_path: Path) -> None:
    buffer = FrameBuffer.create(
        tmp_path / "nameless", 9, (84, 84, 1), ram_size=128, stores_frames=False
    )
    with pytest.raises(InputError, match="discrete actions with their names in ALE"):
        GeneratedReplay(buffer, ActionGenerator())


def test_ram_and_action_are_stored_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must store ram and actions, from which ram\+action"):
        FrameBuffer.create(tmp_path / "b", 9, SHAPE, state=STATE)
    words = ["--env-id", "ALE/Breakout-v5", "--condition", KIND, "--out", str(tmp_path / "c")]
    with pytest.raises(InputError, match="is for training, on what collect stores with"):
        collect.main([*words, "--num-steps", "9", "--num-envs", "1"])


def test_inputs_of_dreams_tell_the_joystick() -> None:
    names = meanings_of(gym.make("ALE/Breakout-v5", full_action_space=True))
    inputs = Controls(names, has_paddle=True).frames(
        np.full(18, 1000, np.int32), np.arange(18)[:, None]
    )[1][:, 0]
    np.testing.assert_array_equal(joysticks_of(inputs), Joysticks(names).bytes)


class DreamGenerator(PaletteGenerator):
    """A FrameGenerator of RAM of two bytes and the action, whose frames show the action."""

    frame_format = FrameFormat("gray", 8, 9)
    state = StateSpec.of("ram+action", 3)

    def decode_on_device(self, latents: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        assert states.shape[1] == 3
        return states[:, 2:, None, None].repeat(1, *self.frame_format.shape)


@pytest.mark.parametrize("autoreset_mode", list(AutoresetMode))
def test_a_dream_is_drawn_with_the_action(autoreset_mode: AutoresetMode) -> None:
    generator: Any = DreamGenerator()
    envs = DreamVectorEnv(
        counting_dream(),
        2,
        generator,
        obs_type="both",
        stack_num=1,
        frameskip=2,
        autoreset_mode=autoreset_mode,
    )
    seen, _ = envs.reset(seed=0)
    assert not seen["pixels"].any()
    assert seen["ram"].shape == (2, 2)
    num_ends = 0
    for step in range(20):
        actions = np.array([step % 4, (step + 1) % 4])
        seen, _, terminations, _, infos = envs.step(actions)
        if terminations.any():
            num_ends += 1
            if autoreset_mode is AutoresetMode.SAME_STEP:
                finals = infos["final_obs"]
                shown = [finals["pixels"][index].max() for index in range(2)]
                np.testing.assert_array_equal(shown, BREAKOUT[actions])
                assert not seen["pixels"].any()
            else:
                envs.reset(options={"reset_mask": terminations})
            continue
        np.testing.assert_array_equal(seen["pixels"].max((1, 2, 3)), BREAKOUT[actions])
    assert num_ends


def test_ram_of_a_dream_is_whole_and_its_change_has_no_action() -> None:
    generator: Any = DreamGenerator()
    options: Any = {"obs_type": "both", "stack_num": 1, "frameskip": 2}
    envs = DreamVectorEnv(counting_dream(), 2, generator, output="torch", **options)
    envs.reset(seed=0)
    seen, *_ = envs.step(np.array([2, 3]))
    assert seen["ram"].is_contiguous()
    assert seen["ram"].view(-1).shape == (4,)
    env = DreamEnv(counting_dream(), generator, **options)
    env.reset(seed=0)
    assert env.step(2)[0]["pixels"].max() == 4
    assert not env.set_state(np.zeros(2, np.uint8))["pixels"].any()


def test_a_page_draws_the_action_of_its_dream(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    play_page.write_play_page(page, "Breakout", *dream_model(learned_breakout(), shows_action=True))
    shown = """(tables, actions) => {
      const game = new atarigan.DreamGame(tables);
      game.sticky = 0;
      game.reset(0n);
      const states = [Array.from(game.state)];
      const play = (action) => { game.step(action); states.push(Array.from(game.state)); };
      actions.forEach(play);
      game.setRam(Uint8Array.from(states[0].with(128, 16)));  // as a generator draws it
      states.push(Array.from(game.state));
      actions.forEach(play);
      return states;
    }"""
    actions = [0, 1, 2, 3, 2]
    states = np.array(answer_of(page, shown, actions))
    assert states.shape == (12, 129)
    np.testing.assert_array_equal(states[:, -1], 2 * [0, *BREAKOUT[actions]])
    np.testing.assert_array_equal(states[6], states[0])


def test_a_trained_generator_draws_it(tmp_path: Path) -> None:
    """Of frames that are bright after a step to the right, whatever RAM holds."""
    rng = np.random.default_rng(0)
    rams = rng.integers(9, size=(300, 128), dtype=np.uint8)
    actions = rng.integers(4, size=300)
    origin = Origin("ALE/Breakout-v5", action_meanings=("NOOP", "FIRE", "RIGHT", "LEFT"))
    buffer = FrameBuffer.create(tmp_path / "data", 300, SHAPE, ram_size=128, origin=origin)
    with buffer:
        for number, (ram, action) in enumerate(zip(rams, actions, strict=True)):
            level = 200 if number and actions[number - 1] == 2 else 0
            buffer.add(np.full(SHAPE, level, np.uint8), action, ram=ram)
    words = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--recipe", "atari"]
    words += ["--max-images", "12000", "--device", "cpu", "--log", "none"]
    assert train.main(words) == 0
    generator = FrameGenerator.load(tmp_path / "run", "cpu")
    assert generator.state == STATE
    states = np.concatenate([rams[:60].repeat(4, 0), np.tile(BREAKOUT, 60)[:, None]], 1)
    frames = generator.decode(generator.latents(240, 0), states)
    is_bright = frames.reshape(240, -1).mean(1) > 100
    assert (is_bright == (states[:, -1] == 4)).mean() > 0.95
    alone = generator.decode(generator.latents(240, 0), states[:, :-1])
    assert alone.mean() < 20
    assert generator.states(generator.latents(5, 0)).shape == (5, 129)
