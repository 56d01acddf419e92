"""Models on the Hugging Face Hub: huggingface_hub itself, against a server on loopback."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import yaml
from gymnasium.envs.registration import EnvSpec

from atarigan import Dream, FrameBuffer, FrameGenerator, GeneratedReplay, pack, sample
from atarigan.cli import command_line
from atarigan.envs import GeneratedObservation, WalkingVectorEnv
from atarigan.errors import InputError
from atarigan.evaluation.evaluate_arguments import EvaluateArguments
from atarigan.models import hub, hub_card, model_source, shipped
from atarigan.models.dream_frames import generator_of
from tests.hub_server import TOKEN, Hub, running_hub
from tests.readers import write_generator

pytest.importorskip("huggingface_hub")
# huggingface_hub passes a file to httpx in a way that httpx deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

PONG = shipped.FOLDER / "pong"


def files_in(folder: Path) -> dict[str, bytes]:
    """The files of a generator that are read."""
    names = ("config.json", "generator.safetensors")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where huggingface_hub keeps what it has downloaded."""
    return tmp_path_factory.mktemp("huggingface")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Hub]:
    with running_hub(home) as server:
        yield server


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The checkpoint of a small generator of 8×8 frames."""
    write_generator(tmp_path)
    return tmp_path / "run"


@pytest.fixture
def small(run: Path) -> dict[str, bytes]:
    """Its files."""
    return files_in(run)


def files_of(server: Hub, name: str, revision: str = "main") -> dict[str, bytes]:
    repository = server.repositories[name]
    return repository.commits[repository.resolved(revision)]


def card_of(server: Hub, name: str) -> tuple[dict[str, Any], str]:
    """The metadata of a card, and its text."""
    _, metadata, text = files_of(server, name)["README.md"].decode().split("---\n", 2)
    return yaml.safe_load(metadata), text


def write_metrics(folder: Path, generator: FrameGenerator | Dream) -> None:
    score = {"value": 0.25, "floor": 0.125, "interval": [0.2, 0.3], "better": "lower"}
    facts = {"weights_sha256": generator.weights_sha256, "evaluated_on": "held-out data", "num": 99}
    record = {"metrics": {"frechet_distance": score}, "data": "/secret/place", **facts}
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(json.dumps(record))


def test_a_generator_comes_back_as_it_was_pushed(server: Hub, run: Path) -> None:
    address = FrameGenerator.load(run, "cpu").push_to_hub("lab/small")
    assert address.startswith(f"{server.address}/lab/small/commit/")
    assert set(files_of(server, "lab/small")) == {
        *(".gitattributes", "README.md", "config.json", "frames.png", "generator.safetensors")
    }
    back = FrameGenerator.from_pretrained("lab/small", device="cpu")
    pack.main(["--run", str(run), "--out", str(run.parent / "packed")])
    packed = FrameGenerator.load(run.parent / "packed", "cpu")
    np.testing.assert_array_equal(back.sample(5), packed.sample(5))
    np.testing.assert_array_equal(
        FrameGenerator.load("hf://lab/small", "cpu").sample(5), packed.sample(5)
    )
    assert back.weights_sha256 == packed.weights_sha256


def test_a_card_says_what_was_measured_of_these_weights(server: Hub, run: Path) -> None:
    generator = FrameGenerator.load(run, "cpu")
    write_metrics(run, generator)
    write_metrics(run / "policy", FrameGenerator.load("pong", "cpu"))
    with pytest.warns(UserWarning, match=r"policy/metrics.json is not of these weights"):
        generator.push_to_hub("lab/measured")
    metadata, text = card_of(server, "lab/measured")
    assert metadata["library_name"] == "atarigan"
    assert metadata["pipeline_tag"] == "unconditional-image-generation"
    [index] = metadata["model-index"]
    [result] = index["results"]
    assert index["name"] == "measured"
    assert result["dataset"] == {"name": "frames", "type": "frames"}
    [metric] = result["metrics"]
    assert (metric["type"], metric["value"]) == ("frechet_distance", 0.25)
    assert "| frechet_distance | 0.25 | 0.2 to 0.3 | 0.125 | lower |" in text
    assert "evaluated on: held-out data, num: 99" in text
    assert 'FrameGenerator.from_pretrained("lab/measured")' in text
    assert "/secret" not in text


def test_a_card_that_lies_there_is_used(server: Hub) -> None:
    FrameGenerator.load("pong", "cpu").push_to_hub("lab/carded")
    metadata, text = card_of(server, "lab/carded")
    assert metadata["tags"] == ["gymnasium", "atari", "Pong-v5", "gan"]
    assert "model-index" not in metadata
    assert (PONG / "README.md").read_text().strip() in text
    assert files_of(server, "lab/carded")["frames.png"] == (PONG / "frames.png").read_bytes()


def test_a_dream_comes_back_as_it_was_pushed(server: Hub, capsys: Any) -> None:
    assert pack.main(["--run", "pong/dream", "--push", "lab/dream", "--private"]) == 0
    assert "pushed http" in capsys.readouterr().out
    assert server.repositories["lab/dream"].private
    metadata, _ = card_of(server, "lab/dream")
    assert (metadata["library_name"], metadata["pipeline_tag"]) == (
        "atarigan",
        "reinforcement-learning",
    )
    assert model_source.is_dream("hf://lab/dream")
    back, first = Dream.from_pretrained("lab/dream"), Dream.load("pong")
    assert back.settings == first.settings
    assert back.weights_sha256 == first.weights_sha256
    np.testing.assert_array_equal(back.starts.states, first.starts.states)


def test_a_dream_takes_its_generator_and_its_scores_along(server: Hub, tmp_path: Path) -> None:
    first = Dream.load("pong")
    first = replace(first, settings=replace(first.settings, generator=""))
    first.save(tmp_path / "dream")
    shutil.copytree(PONG, tmp_path / "dream" / "generator")
    dream = Dream.load(tmp_path / "dream")
    write_metrics(tmp_path / "dream", dream)
    dream.push_to_hub("lab/whole")
    metadata, text = card_of(server, "lab/whole")
    assert metadata["model-index"][0]["results"][0]["dataset"]["name"] == "ALE/Pong-v5"
    assert "drawn by the generator in `generator/`" in text
    assert "frames.png" in files_of(server, "lab/whole")
    assert generator_of(Dream.from_pretrained("lab/whole"), "cpu").reads_ram


def test_a_push_takes_the_place_of_what_was_read(server: Hub, run: Path) -> None:
    server.add("lab/changed", {"dream.json": b"{}", "trees.safetensors": b"", "notes.md": b"mine"})
    old = server.repositories["lab/changed"].refs["main"]
    generator = FrameGenerator.load(run, "cpu")
    generator.push_to_hub("lab/changed")
    names = set(files_of(server, "lab/changed"))
    assert {"notes.md", "generator.safetensors"} < names
    assert not {"dream.json", "trees.safetensors"} & names
    assert len(server.repositories["lab/changed"].commits) == 2
    with pytest.raises(InputError, match="expected a folder that atarigan.train wrote"):
        FrameGenerator.load(f"hf://lab/changed@{old}")
    server.add("lab/changed", {})
    address = generator.push_to_hub("lab/changed", create_pr=True)
    assert address == f"{server.address}/lab/changed/discussions/1"


def test_a_revision_is_pinned_and_a_branch_moves_on(server: Hub, run: Path) -> None:
    server.add("lab/moving", files_in(PONG))
    first = server.repositories["lab/moving"].refs["main"]
    server.repositories["lab/moving"].refs["v1"] = first
    assert FrameGenerator.load("hf://lab/moving", "cpu").frame_shape == (84, 84, 1)
    FrameGenerator.load(run, "cpu").push_to_hub("lab/moving")
    assert FrameGenerator.load("hf://lab/moving", "cpu").frame_shape == (8, 8, 1)
    for pinned in ("v1", first):
        old = FrameGenerator.load(f"hf://lab/moving@{pinned}", "cpu")
        assert old.frame_shape == (84, 84, 1)
    old = FrameGenerator.from_pretrained("lab/moving", revision="v1", device="cpu")
    assert old.frame_shape == (84, 84, 1)


def test_what_takes_a_name_takes_one_of_the_hub(
    server: Hub, small: dict[str, bytes], tmp_path: Path
) -> None:
    server.add("lab/named", small)
    name = "hf://lab/named"
    out = tmp_path / "grid.png"
    assert sample.main(["--run", name, "--out", str(out), "--num", "2"]) == 0
    assert pack.main(["--run", name, "--out", str(tmp_path / "packed")]) == 0
    assert FrameGenerator.load(tmp_path / "packed", "cpu").frame_shape == (8, 8, 1)
    env = GeneratedObservation(gym.make("CartPole-v1"), name)
    again = gym.make(EnvSpec.from_json(env.spec.to_json()))
    np.testing.assert_array_equal(again.reset(seed=0)[0], env.reset(seed=0)[0])
    assert WalkingVectorEnv(name, 2, device="cpu").reset(seed=0)[0].shape == (2, 8, 8, 1)
    FrameBuffer.create(tmp_path / "buffer", 9, (8, 8, 1), ram_size=3).close()
    with pytest.raises(InputError, match="a generator trained with --condition ram"):
        GeneratedReplay(tmp_path / "buffer", name)
    assert EvaluateArguments(run=f"{name}@main").folder == Path("named-evaluation")
    with pytest.raises(InputError, match=r"dream\.json is missing"):
        gym.make("atarigan:atarigan/Dream-v0", model=name)


@pytest.mark.parametrize(
    "name",
    [
        "hf://pong",
        "hf://a/b/c",
        "hf://a/b@",
        "hf:///b",
        "hf://../b",
        "hf://a b/c",
        "hf://",
        "hf:a/b",
        "HF://a/b",
        "https://huggingface.co/a/b",
    ],
)
def test_a_malformed_name_is_refused_without_a_call(server: Hub, name: str) -> None:
    server.requests.clear()
    with pytest.raises(InputError, match=r"must be hf://USER/NAME\[@REVISION\], not '"):
        FrameGenerator.load(name)
    assert server.requests == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("weights.pkl", r"must hold safetensors, JSON and pictures alone, not 'weights.pkl'"),
        ("deep/pytorch_model.bin", "pictures alone, not 'deep/pytorch_model.bin'"),
        ("training_state.pt", "pictures alone"),
        ("code.py", "pictures alone"),
        ("pickled", "pictures alone"),
        ("../outside.json", r"must hold its files in its folder, not '\.\./outside.json'"),
        ("deep/../../outside.json", "in its folder"),
        ("/outside.json", "in its folder"),
        ("..\\outside.json", "in its folder"),
        ("C:outside.json", "in its folder"),
    ],
)
def test_a_hostile_repository_is_refused_before_anything_is_downloaded(
    server: Hub, home: Path, tmp_path: Path, path: str, message: str, monkeypatch: Any, capsys: Any
) -> None:
    server.add("lab/hostile", {**files_in(PONG), path: pickle.dumps(print)})
    monkeypatch.setattr(sys, "argv", ["sample", "--run", "hf://lab/hostile", "--out", "x.png"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        command_line.run(sample.main, command="sample")
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("python -m atarigan.sample: hf://lab/hostile must hold ")
    assert said.count("\n") == 1
    with pytest.raises(InputError, match=message):
        FrameGenerator.from_pretrained("lab/hostile")
    assert list(tmp_path.iterdir()) == []
    assert not list(home.rglob("*hostile*"))
    assert not list(home.rglob("outside*"))


def test_a_pickle_in_the_cache_is_refused_too(
    server: Hub, small: dict[str, bytes], monkeypatch: Any
) -> None:
    """Another program has downloaded everything."""
    import huggingface_hub

    server.add("lab/cached", {**small, "weights.pkl": pickle.dumps(print)})
    huggingface_hub.snapshot_download("lab/cached")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="pictures alone, not 'weights.pkl'"):
        FrameGenerator.load("hf://lab/cached")


def test_damaged_files_are_refused_as_those_of_any_folder(
    server: Hub, small: dict[str, bytes]
) -> None:
    for name, content in (
        ("generator.safetensors", small["generator.safetensors"][:1000]),
        ("config.json", b'{"run": "[[[["}'),
    ):
        server.add("lab/damaged", {**small, name: content})
        with pytest.raises(InputError, match=name):
            FrameGenerator.load("hf://lab/damaged", "cpu")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "lab/nothing@v1",
            "there is no such repository, or it is private and needs `hf auth login`",
        ),
        ("lab/pong@v7", "hf://lab/pong@v7: the repository has no such revision"),
    ],
)
def test_what_is_not_there_is_named(
    server: Hub, small: dict[str, bytes], name: str, message: str
) -> None:
    server.add("lab/pong", small)
    with pytest.raises(InputError, match=message):
        FrameGenerator.load(f"hf://{name}")
    with pytest.raises(InputError, match=message):
        FrameGenerator.from_pretrained(name.split("@")[0], revision=name.split("@")[1])


def test_a_repository_without_a_model_is_named(server: Hub) -> None:
    server.add("lab/texts", {"README.md": b"# A model to come"})
    with pytest.raises(
        InputError, match="hf://lab/texts must hold a model of atarigan, and has no"
    ):
        FrameGenerator.load("hf://lab/texts")


def test_without_a_network_the_cache_is_taken(
    server: Hub, run: Path, small: dict[str, bytes], monkeypatch: Any
) -> None:
    server.add("lab/kept", small)
    server.add("lab/missed", small)
    FrameGenerator.load("hf://lab/kept", "cpu")
    hub._COPIES.clear()
    server.requests.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert FrameGenerator.load("hf://lab/kept", "cpu").makes_frames
    with pytest.raises(InputError, match="not in the cache .*, and HF_HUB_OFFLINE is set"):
        FrameGenerator.load("hf://lab/missed")
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        FrameGenerator.load(run, "cpu").push_to_hub("lab/kept")
    assert server.requests == []
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # discard
    assert FrameGenerator.load("hf://lab/kept", "cpu").makes_frames
    with pytest.raises(InputError, match="not in the cache .*, and the Hub is not reached"):
        FrameGenerator.load("hf://lab/missed")
    kept = FrameGenerator.from_pretrained("lab/kept", local_files_only=True, device="cpu")
    assert kept.makes_frames


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda patch: patch.setenv("HF_TOKEN", "hf_wrong"), "the Hub refuses it: `hf auth login`"),
        (
            lambda patch: patch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9"),
            "onnection refused",
        ),
        (
            lambda patch: patch.setitem(sys.modules, "huggingface_hub", None),
            r"huggingface_hub is not installed: pip install 'atarigan\[hub\]'",
        ),
    ],
)
def test_a_push_that_fails_writes_nothing(
    server: Hub, run: Path, tmp_path: Path, monkeypatch: Any, spoil: Any, message: str
) -> None:
    before = set(server.repositories)
    spoil(monkeypatch)
    out = tmp_path / "new" / "packed"
    with pytest.raises(InputError, match=message):
        pack.main(["--run", str(run), "--push", "lab/failed", "--out", str(out)])
    assert not out.parent.exists()
    assert set(server.repositories) == before


def test_a_missing_extra_is_named(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install 'atarigan\[hub\]'"):
        FrameGenerator.load("hf://lab/pong")
    assert FrameGenerator.load("pong", "cpu").folder == shipped.FOLDER / "pong"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name --out DIR, --push USER/NAME, or both"),
        (["--push", "pong"], "a repository to push to must be USER/NAME, not 'pong'"),
        (["--push", "lab/pong@v1"], "a repository to push to must be USER/NAME"),
        (["--out", "x", "--private"], "--private needs --push"),
    ],
)
def test_flags_that_do_not_fit_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        pack.main(["--run", "pong", *words])


@pytest.mark.parametrize("change", [{"metrics": 3}, {"metrics": {"a": {"value": "x"}}}])
def test_a_damaged_evaluation_is_refused(run: Path, change: dict[str, Any]) -> None:
    (run / "metrics.json").write_text(json.dumps(change))
    with pytest.raises(InputError, match="metrics.json"):
        hub_card.measurements("", [run])


def test_names_of_a_file_bring_no_code_onto_the_card(run: Path) -> None:
    config = run / "config.json"
    model = json.loads(config.read_text())
    model["provenance"]["env_id"] = 'a")\nimport os; os.system("true")  # `|'
    config.write_text(json.dumps(model))
    (run / "SHA256SUMS").unlink()
    facts = hub_card.generator_facts(FrameGenerator.load(run, "cpu").model)
    assert compile(facts.usage, "usage", "exec")
    assert "import os" not in facts.usage.replace('env_id="aimport os', "")


def test_a_copy_is_removed_by_the_process_that_made_it(tmp_path: Path) -> None:
    hub._remove(tmp_path, os.getpid() + 1)
    assert tmp_path.exists()
    hub._remove(tmp_path, os.getpid())
    assert not tmp_path.exists()


@pytest.mark.slow  # starts processes
def test_commands_go_by_the_environment_alone(server: Hub, tmp_path: Path) -> None:
    def ended(*words: str, **variables: str) -> tuple[int, str]:
        environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), **variables}
        done = subprocess.run(
            [sys.executable, "-m", "atarigan", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return done.returncode, done.stderr

    assert os.environ["HF_TOKEN"] == TOKEN
    drawing = ("sample", "--run", "hf://lab/process", "--out")
    line = "python -m atarigan.sample: hf://lab/process: "
    assert ended("pack", "--run", "pong", "--push", "lab/process")[0] == 0
    status, said = ended(*drawing, "a.png", HF_HUB_OFFLINE="1")
    assert (status, said.count("\n")) == (2, 1)
    assert said.startswith(line + "some of its files are not in the cache")
    assert ended(*drawing, "b.png")[0] == 0
    assert ended(*drawing, "c.png", HF_HUB_OFFLINE="1") == (0, "")
    status, said = ended(*drawing, "d.png", HF_ENDPOINT="http://127.0.0.1:9")
    assert status == 0, said
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["b.png", "c.png", "d.png"]
