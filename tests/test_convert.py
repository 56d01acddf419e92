"""`python -m atarigan.convert`: buffers as datasets of Minari, and datasets as buffers."""

import dataclasses
import gc
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from atarigan import convert
from atarigan.cli import command_line
from atarigan.data.buffer.episodes import EpisodeSet, whole_episodes
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.data.dataset_formats import DATASET_FORMATS, dataset_format
from atarigan.data.dataset_formats.minari_format import MinariFormat
from atarigan.errors import InputError
from tests.test_whole_episodes import SPECIMENS, filled, same_files

minari = pytest.importorskip("minari")
pytest.importorskip("h5py")

NAME = "tests/numbers-v0"


@pytest.fixture(autouse=True)
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "sets"))
    return tmp_path / "sets"


def run(*words: Any) -> int:
    return convert.main([str(word) for word in words])


def there_and_back(buffer: FrameBuffer, out: Path) -> FrameBuffer:
    assert run("--data", buffer.path, "--to", f"minari:{NAME}") == 0
    assert run("--from", f"minari:{NAME}", "--out", out) == 0
    return FrameBuffer.open(out)


def made_by_minari(observations: Any, space: gym.Space[Any], num: int = 3, **options: Any) -> Any:
    """A set of one episode of `num` steps."""
    episode = minari.data_collector.EpisodeBuffer(
        seed=options.pop("seed", None),
        observations=observations,
        actions=options.pop("actions", np.arange(num)),
        rewards=np.arange(num) / 2,
        terminations=np.arange(num) == num - 1,
        truncations=np.zeros(num, bool),
        infos=options.pop("infos", None),
    )
    settings = {"action_space": gym.spaces.Discrete(num), "jpeg_encoding": False} | options
    text = dict.fromkeys(("code_permalink", "author", "author_email", "algorithm_name"), "x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is no environment
        return minari.create_dataset_from_buffers(
            NAME, [episode], observation_space=space, description="x", **text, **settings
        )


@pytest.mark.parametrize(
    "options",
    [
        {"origin": Origin(env_id="ALE/Breakout-v5", frame_skip=3, sticky=0.5, seed=1)},
        {"action_dtype": "float32"},
    ],
)
def test_there_and_back_gives_the_same_files(
    tmp_path: Path, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    buffer = filled(tmp_path / "one", [[3, 1, 4], [5, 2]], **options)
    there_and_back(buffer, tmp_path / "other")
    assert same_files(tmp_path / "one", tmp_path / "other")
    assert capsys.readouterr().out == (
        f"wrote minari:{NAME}, 5 episodes of 15 agent steps\n"
        f"wrote {tmp_path / 'other'}, 5 episodes of 15 agent steps\n"
    )


@pytest.mark.parametrize("name", ["toy", "breakout-ram", "vectors"])
def test_frames_and_states_of_any_kind_come_back(name: str, tmp_path: Path) -> None:
    buffer = FrameBuffer.open(SPECIMENS / name)
    back, everything = there_and_back(buffer, tmp_path / "back"), np.arange(len(buffer))
    assert back.meta.state == buffer.meta.state
    assert back.meta.origin == buffer.meta.origin
    for column in buffer.meta.columns:
        values = buffer.values_at(column, everything)
        assert back.values_at(column, everything).tobytes() == values.tobytes(), column


def test_minari_reads_what_was_written(tmp_path: Path) -> None:
    origin = Origin(
        env_id="ALE/Breakout-v5",
        env_kwargs={"mode": 4},
        frame_skip=3,
        sticky=0.5,
        action_meanings=("NOOP", "FIRE", "RIGHT", "LEFT", "UP"),
    )
    buffer = filled(tmp_path / "buffer", [[3, 4]], origin=origin)
    run("--data", buffer.path, "--to", f"minari:{NAME}")
    assert list(minari.list_local_datasets()) == [NAME]
    dataset = minari.load_dataset(NAME)
    assert (len(dataset), dataset.total_steps) == (2, 7)
    assert dataset.action_space == gym.spaces.Discrete(5)
    env = dataset.recover_environment()
    kwargs = {"mode": 4, "frameskip": 3, "repeat_action_probability": 0.5}
    assert kwargs.items() <= env.spec.kwargs.items()
    env.close()
    episode = dataset[1]
    assert dataset.observation_space.contains(episode.observations[0])
    assert episode.observations[:, 0, 0, 0].tolist() == [3, 4, 5, 6, 6]
    assert episode.infos["ram"][:, 1].tolist() == [3, 4, 5, 6, 6]
    assert episode.rewards.tolist() == [3, 4, 5, 6]
    assert episode.terminations.tolist() == [False, False, False, True]
    [first, _] = dataset.storage.get_episode_metadata([0, 1])
    assert first["seed"] == 2**63


def test_cut_episodes_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    buffer = filled(tmp_path / "buffer", [[6, 6, 6]], capacity=10)
    run("--data", buffer.path, "--to", f"minari:{NAME}")
    assert capsys.readouterr().out == (
        f"wrote minari:{NAME}, 1 episodes of 6 agent steps; left out 1 episodes whose beginning "
        "was overwritten\n"
    )


def test_nothing_has_the_name_before_the_end_nor_after_an_interruption(
    tmp_path: Path, sets: Path
) -> None:
    whole = whole_episodes(filled(tmp_path / "buffer", [[2, 2]]))

    def interrupted() -> Iterator[Any]:
        first, _ = whole.episodes
        yield first
        assert list(sets.rglob("*.hdf5"))
        assert not (sets / NAME).exists()
        assert list(minari.list_local_datasets()) == []  # nor is a half one warned of
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        MinariFormat().write(NAME, dataclasses.replace(whole, episodes=interrupted()))
    assert [path for path in sets.rglob("*") if path.is_file()] == []
    run("--data", tmp_path / "buffer", "--to", f"minari:{NAME}")
    assert list(minari.list_local_datasets()) == [NAME]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")  # Minari's folders
def test_minaris_collector_is_a_source(tmp_path: Path) -> None:
    """Frames, actions, rewards, ends, seed and environment are those that were played."""
    pytest.importorskip("jax")  # which the collector needs
    env = minari.DataCollector(
        gym.make("ALE/Breakout-v5", frameskip=2, max_episode_steps=20), jpeg_encoding=False
    )
    frames, rewards = [env.reset(seed=2**40)[0]], []
    actions = np.random.default_rng(0).integers(4, size=20)
    for action in actions:
        frame, reward, _, truncated, _ = env.step(action)
        frames.append(frame)
        rewards.append(reward)
    assert truncated
    text = dict.fromkeys(("code_permalink", "author", "author_email", "algorithm_name"), "x")
    with pytest.warns(UserWarning, match="eval_env"):
        env.create_dataset(NAME, description="x", **text)
    env.close()
    del env
    gc.collect()
    run("--from", f"minari:{NAME}", "--out", tmp_path / "buffer")
    buffer, everything = FrameBuffer.open(tmp_path / "buffer"), np.arange(20)
    assert np.array_equal(buffer.values_at("frames", everything), frames[:-1])
    assert buffer.values_at("actions", everything).tolist() == actions.tolist()
    assert buffer.values_at("rewards", everything).tolist() == rewards
    assert buffer.values_at("truncations", everything).tolist() == [False] * 19 + [True]
    origin = buffer.meta.origin
    assert (origin.env_id, origin.frame_skip) == ("ALE/Breakout-v5", 2)
    assert origin.env_kwargs == {"max_episode_steps": 20}
    seeds = (buffer.path / "writer-000" / "seeds.jsonl").read_text()
    assert json.loads(seeds) == {"first_step": 0, "env_seed": 2**40, "policy_seed": None}
    run("--data", buffer.path, "--to", "minari:again-v0")  # and back to Minari
    again = minari.load_dataset("again-v0")[0]
    assert np.array_equal(again.observations[:-1], frames[:-1])


def test_a_stack_gives_its_newest_frames_and_ram_in_infos_the_states(tmp_path: Path) -> None:
    stacks = np.arange(16, dtype=np.uint8)[:, None, None] * np.ones((9, 10), np.uint8)
    ram = np.arange(8, dtype=np.uint8).reshape(4, 2)
    space = gym.spaces.Box(0, 255, (4, 9, 10), np.uint8)
    made_by_minari(stacks.reshape(4, 4, 9, 10), space, infos={"ram": ram})
    run("--from", f"minari:{NAME}", "--out", tmp_path / "buffer")
    buffer, everything = FrameBuffer.open(tmp_path / "buffer"), np.arange(3)
    assert buffer.meta.frame_format.shape == (9, 10, 1)
    assert buffer.values_at("frames", everything)[:, 0, 0, 0].tolist() == [3, 7, 11]
    assert buffer.values_at("ram", everything).tolist() == ram[:3].tolist()


def test_jpeg_is_warned_of(tmp_path: Path) -> None:
    frames = np.zeros((4, 40, 40, 3), np.uint8)
    made_by_minari(frames, gym.spaces.Box(0, 255, (40, 40, 3), np.uint8), jpeg_encoding=True)
    with pytest.warns(UserWarning, match=f"the frames of {NAME} were compressed as JPEG"):
        run("--from", f"minari:{NAME}", "--out", tmp_path / "buffer")


VECTOR = gym.spaces.Box(-1, 1, (3,), np.float32)
IMAGE = gym.spaces.Box(0, 255, (8, 9, 3), np.uint8)
IMAGES = np.zeros((4, 8, 9, 3), np.uint8)
TUPLE = gym.spaces.Tuple([gym.spaces.Discrete(2)])


@pytest.mark.parametrize(
    ("observations", "space", "options", "message"),
    [
        (np.zeros((4, 3), np.float32), VECTOR, {}, r"observations must be images, not Box\(-1.0"),
        (
            IMAGES,
            IMAGE,
            {"action_space": TUPLE, "actions": (np.zeros(3, int),)},
            r"actions must be Discrete, .* to be stored, not Tuple\(Discrete\(2\)\)",
        ),
        (IMAGES[:3], IMAGE, {}, "episode 0 must hold 1 observation more than its 3 rewards, not 3"),
    ],
)
def test_a_set_that_a_buffer_cannot_hold_is_refused(
    tmp_path: Path, observations: Any, space: Any, options: dict[str, Any], message: str
) -> None:
    made_by_minari(observations, space, **options)
    with pytest.raises(InputError, match=f"the Minari dataset {NAME} cannot be read: {message}"):
        run("--from", f"minari:{NAME}", "--out", tmp_path / "buffer")
    assert not list(tmp_path.glob("*buffer*"))


def damage_hdf5(data: Path) -> None:
    path = data / "main_data.hdf5"
    path.write_bytes(path.read_bytes()[:2000])


def damage_meta(data: Path) -> None:
    metadata = json.loads((data / "metadata.json").read_text())
    metadata["atarigan"]["frame_format"]["height"] = "tall"
    (data / "metadata.json").write_text(json.dumps(metadata))


def name_code(data: Path) -> None:
    metadata = json.loads((data / "metadata.json").read_text())
    del metadata["action_space"]
    metadata["env_spec"] = json.dumps({"id": "Evil-v0", "entry_point": "tests.no_module:run"})
    (data / "metadata.json").write_text(json.dumps(metadata))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_hdf5, "OSError"),
        (damage_meta, "the metadata 'atarigan': frame_format: height must be int, not 'tall'"),
        (name_code, "the metadata must tell the action_space"),
    ],
)
def test_a_damaged_set_is_refused_in_one_line(
    tmp_path: Path, sets: Path, damage: Any, message: str
) -> None:
    run("--data", filled(tmp_path / "buffer", [[2]]).path, "--to", f"minari:{NAME}")
    damage(sets / NAME / "data")
    with pytest.raises(InputError, match=f"{NAME} cannot be read: .*{message}") as error:
        run("--from", f"minari:{NAME}", "--out", tmp_path / "other")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--data buffer", "or --data with --codes and --out, not --data"),
        ("--data buffer --to minari:a-v0 --out b", "with --codes and --out, not --data --to --out"),
        (
            "--data buffer --to minari",
            "--to must be a format and a name, minari:NAME, not 'minari'",
        ),
        (
            "--data buffer --to minary:a-v0",
            "unknown dataset format 'minary': did you mean 'minari'?",
        ),
        (
            "--data buffer --to minari:a",
            "must be named NAME-v0 or NAMESPACE/NAME-v0, of at least two characters each, not 'a'",
        ),
        (
            "--data buffer --to minari:../a-v0",
            "or NAMESPACE/NAME-v0, of at least two characters each, not '../a-v0'",
        ),
        ("--data nothing --to minari:a-v0", "nothing does not exist"),
        (
            "--data buffer --to minari:there-v0",
            "the Minari dataset there-v0 exists: choose another",
        ),
        (
            "--from minari:their-v0 --out new",
            "unknown Minari dataset 'their-v0': did you mean 'there",
        ),
        ("--from minari:there-v0 --out buffer", "--out must be a new folder, and buffer exists"),
    ],
)
def test_mistakes_are_one_line_and_status_2(
    words: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run("--data", filled(tmp_path / "buffer", [[2]]).path, "--to", "minari:there-v0")
    monkeypatch.setattr(sys, "argv", ["convert", *words.split()])
    with pytest.raises(SystemExit) as end:
        command_line.run(convert.main, command="convert")
    assert end.value.code == 2
    complaint = capsys.readouterr().err.splitlines()[-1]
    assert complaint.startswith("python -m atarigan.convert: ")
    assert message in complaint


@pytest.mark.parametrize("module", ["minari", "h5py"])
def test_a_missing_extra_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"{module} is not installed: pip install 'atarigan\[min"):
        run("--data", "buffer", "--to", "minari:a-v0")


def test_another_format_is_one_registered_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[str, EpisodeSet] = {}

    class Kept:
        def check_new(self, name: str) -> None:
            assert name not in kept

        def write(self, name: str, episodes: EpisodeSet) -> None:
            kept[name] = dataclasses.replace(episodes, episodes=list(episodes.episodes))

        def read(self, name: str) -> EpisodeSet:
            return kept[name]

    monkeypatch.setattr(DATASET_FORMATS, "_entries", {})
    dataset_format.DATASET_FORMATS.register("kept")(Kept)
    run("--data", filled(tmp_path / "one", [[3, 1], [2]]).path, "--to", "kept:a")
    run("--from", "kept:a", "--out", tmp_path / "other")
    assert same_files(tmp_path / "one", tmp_path / "other")
