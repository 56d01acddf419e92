"""Loading stable-baselines3 models to act, and the causes that messages name."""

import contextlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.torch_layers import NatureCNN

from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.model_file import ModelFile, load_model
from atarigan.data.collection.model_policy import trained_preprocessing
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.policies import policy_maker
from atarigan.errors import InputError
from tests.fakes import policy_for, untrained_policy

SHAPE = (4, 84, 84)


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def rewritten(path: Path, **changes: Any) -> Path:
    """Replace entries of a model's data; None removes one."""
    changed = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "data":
                data = json.loads(content) | changes
                kept = {key: data[key] for key in data if data[key] is not None}
                content = json.dumps(kept).encode()
            elif name == "system_info.txt" and "versions" in changes:
                content = changes["versions"].encode()
            new.writestr(name, content)
    return changed


@pytest.mark.parametrize(
    ("algorithm", "options", "as_trained"),
    [
        (DQN, {"buffer_size": 8}, {"buffer_size": 100_000_000}),
        (PPO, {}, {"n_steps": 1_000_000, "n_envs": 64}),
        (A2C, {"n_steps": 8}, {"n_steps": 1_000_000, "n_envs": 64}),
    ],
)
def test_a_model_loads_without_the_buffers_of_its_training(
    algorithm: Any, options: dict[str, Any], as_trained: dict[str, Any], tmp_path: Path
) -> None:
    """At these sizes, they would take terabytes."""
    model = policy_for(SHAPE, gym.spaces.Discrete(4), algorithm, **options)
    for name, value in as_trained.items():
        setattr(model, name, value)
    model._last_obs = np.zeros((8, *SHAPE), np.uint8)
    path = saved(model, tmp_path / "model.zip")
    loaded = load_model(algorithm.__name__, path)
    stacks = np.random.default_rng(0).integers(256, size=(16, *SHAPE)).astype(np.uint8)
    acted = [each.predict(stacks, deterministic=True)[0].tolist() for each in (model, loaded)]
    assert acted[0] == acted[1]
    assert torch.get_num_threads() >= 1


def test_exploration_is_that_of_the_end_of_training(tmp_path: Path) -> None:
    model = policy_for(SHAPE, gym.spaces.Discrete(4), DQN, buffer_size=8)
    model.exploration_rate = 0.25
    loaded = load_model("DQN", saved(model, tmp_path / "model.zip"))
    assert loaded.exploration_rate == 0.25


def test_a_schedule_that_cannot_be_restored_does_not_matter(tmp_path: Path) -> None:
    path = saved(untrained_policy(4), tmp_path / "model.zip")
    broken = {":type:": "<class 'function'>", ":serialized:": "gASVBQAAAAAAAACMAXiULg=="}
    changed = rewritten(path, lr_schedule=broken, clip_range=broken, learning_rate=broken)
    assert load_model("PPO", changed).action_space == gym.spaces.Discrete(4)


def test_spaces_of_old_files_need_no_package_gym(tmp_path: Path) -> None:
    path = saved(untrained_policy(4), tmp_path / "model.zip")
    data = json.loads(zipfile.ZipFile(path).read("data"))
    spaces = {
        name: data[name] | {":type:": f"<class 'gym.spaces.{kind}'>", ":serialized:": "broken"}
        for name, kind in (("observation_space", "box.Box"), ("action_space", "discrete.Discrete"))
    }
    loaded = load_model("PPO", rewritten(path, **spaces))
    assert loaded.observation_space == gym.spaces.Box(0, 255, SHAPE, np.uint8)
    assert loaded.action_space == gym.spaces.Discrete(4)


class Extractor(NatureCNN):
    """A user's own features extractor."""


def test_an_extractor_in_a_missing_module_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It loads where the module is in the current folder."""
    source = "from stable_baselines3.common.torch_layers import NatureCNN\n"
    (tmp_path / "my_nets.py").write_text(source + "class MyCnn(NatureCNN): pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path, str(tmp_path)])
    import my_nets  # type: ignore[import-not-found]

    space = gym.spaces.Box(0, 255, SHAPE, np.uint8)
    env = type("Spaces", (gym.Env,), {})()
    env.observation_space, env.action_space = space, gym.spaces.Discrete(4)
    kwargs = {"features_extractor_class": my_nets.MyCnn}
    model = PPO("CnnPolicy", env, n_steps=8, batch_size=8, policy_kwargs=kwargs, device="cpu")
    path = saved(model, tmp_path / "model.zip")
    monkeypatch.delitem(sys.modules, "my_nets")
    monkeypatch.setattr("sys.path", [each for each in sys.path if each != str(tmp_path)])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"model.zip needs the module my_nets, which is not found"):
        load_model("PPO", path)
    monkeypatch.chdir(tmp_path)
    assert type(load_model("PPO", path).policy.features_extractor).__name__ == "MyCnn"
    monkeypatch.delitem(sys.modules, "my_nets")
    (tmp_path / "my_nets.py").write_text("")
    with pytest.raises(InputError, match=r"its policy_kwargs cannot be restored: .*MyCnn"):
        load_model("PPO", path)
    monkeypatch.delitem(sys.modules, "my_nets")


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ("DQN", "is not a model of DQN, but of PPO: write sb3:PPO:"),
        ("SAC", "is not a model of SAC, but of PPO: write sb3:PPO:"),
        ("PPPO", "no algorithm 'PPPO': did you mean 'PPO'"),
    ],
)
def test_another_algorithm_is_named(algorithm: str, message: str, tmp_path: Path) -> None:
    path = saved(untrained_policy(4), tmp_path / "model.zip")
    with pytest.raises(InputError, match=message):
        load_model(algorithm, path)


def test_an_algorithm_of_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sb3_contrib", None)
    path = saved(untrained_policy(4), tmp_path / "model.zip")
    with pytest.raises(InputError, match="QRDQN is in the package sb3-contrib, which is not inst"):
        load_model("QRDQN", path)


def test_damage_is_named(tmp_path: Path) -> None:
    path = saved(untrained_policy(4), tmp_path / "model.zip")
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo("policy.pth").header_offset
    cases = {
        "it is no zip file, or damaged": content[: len(content) // 2],
        "is damaged": content[: weights + 5000] + bytes(4000) + content[weights + 9000 :],
    }
    for message, damaged in cases.items():
        (tmp_path / "damaged.zip").write_bytes(damaged)
        with pytest.raises(InputError, match=f"damaged.zip is not a model of PPO: .*{message}"):
            load_model("PPO", tmp_path / "damaged.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("notes.txt", "")
    with pytest.raises(InputError, match=r"other.zip is not a model of PPO: it has no 'data'"):
        load_model("PPO", tmp_path / "other.zip")


def test_versions_that_differ_are_named(tmp_path: Path) -> None:
    path = saved(untrained_policy(4), tmp_path / "model.zip")
    versions = "- OS: Linux\n- Python: 3.7.10\n- Stable-Baselines3: 1.6.2\n"
    changed = rewritten(path, policy_class=None, versions=versions)
    with pytest.raises(InputError, match=r"it was saved by Python 3.7.10, not 3.* and Stable-"):
        load_model("PPO", changed)


def test_actions_of_the_whole_joystick_are_hinted_at(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    all_of_them = saved(untrained_policy(18), tmp_path / "all.zip")
    minimal = saved(untrained_policy(4), tmp_path / "minimal.zip")
    breakout = AgentSteps("ALE/Breakout-v5")
    with pytest.raises(InputError, match=r"""--env-kwargs '\{"full_action_space": true\}'"""):
        policy_maker(f"sb3:PPO:{all_of_them}", breakout)(rng)
    full = AgentSteps("ALE/Breakout-v5", env_kwargs={"full_action_space": True})
    with pytest.raises(InputError, match=r"""--env-kwargs '\{"full_action_space": false\}'"""):
        policy_maker(f"sb3:PPO:{minimal}", full)(rng)


def test_a_file_records_its_algorithm_and_training(tmp_path: Path) -> None:
    model = policy_for(SHAPE, gym.spaces.Discrete(4), A2C, n_steps=8)
    assert ModelFile.read(saved(model, tmp_path / "model.zip")).algorithm == "A2C"
    model.trained_on = {"preprocessing": "gymnasium", "frame_skip": 3}
    file = ModelFile.read(saved(model, tmp_path / "model.zip"))
    with contextlib.closing(AgentSteps("ALE/Breakout-v5")) as env:
        assert (trained_preprocessing(file, env).name, file.frame_skip) == ("gymnasium", 3)
        assert trained_preprocessing(file, env, "sb3-unpooled").name == "sb3-unpooled"
        with pytest.raises(InputError, match="unknown preprocessing of a policy 'sb4': did you"):
            trained_preprocessing(file, env, "sb4")


@pytest.mark.parametrize("algorithm", ["QRDQN", "RecurrentPPO"])
def test_models_of_sb3_contrib_play(algorithm: str, tmp_path: Path) -> None:
    contrib = pytest.importorskip("sb3_contrib")
    env = AgentSteps("ALE/Breakout-v5")
    options = {"QRDQN": {"buffer_size": 8}, "RecurrentPPO": {"n_steps": 8}}[algorithm]
    kind = getattr(contrib, algorithm)
    name = "CnnLstmPolicy" if algorithm == "RecurrentPPO" else "CnnPolicy"
    model = policy_for(
        SHAPE, env.action_space, lambda _, *args, **kwargs: kind(name, *args, **kwargs), **options
    )
    model.buffer_size = 100_000_000
    policy = policy_maker(f"sb3:{algorithm}:{saved(model, tmp_path / 'm.zip')}", env)(
        np.random.default_rng(0)
    )
    env.reset(0)
    policy.begin_episode()
    for _ in range(30):
        env.step(policy.act(env.screen))


def test_a_buffer_records_the_preprocessing(tmp_path: Path) -> None:
    model = untrained_policy(4)
    path = saved(model, tmp_path / "model.zip")
    origin = Origin(env_id="ALE/Breakout-v5", policy=f"sb3:PPO:{path}", frame_skip=4)
    buffer = create_buffer(tmp_path / "pooled", origin, capacity=8)
    assert buffer.meta.origin.policy_preprocessing == "sb3"
    assert not buffer.meta.origin.max_pool
    model.trained_on = {"preprocessing": "clone", "env_id": "PongNoFrameskip-v4"}
    saved(model, path)
    with pytest.warns(UserWarning, match="trained on PongNoFrameskip-v4, not ALE/Breakout-v5"):
        buffer = create_buffer(tmp_path / "newest", origin, capacity=8)
    assert buffer.meta.origin.policy_preprocessing == "clone"
