"""A generator alone in a small folder, and those that come with the package."""

import shutil

import gymnasium as gym
import numpy as np
import pytest

from atarigan import FrameGenerator, pack, train
from atarigan.errors import InputError
from atarigan.models import model_source, shipped
from atarigan.models.checkpoint import load_model_config

pytestmark = pytest.mark.usefixtures("no_curves_in_module")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "sine"
    words = ["--source", "sine", "--log", "none", "--device", "cpu", "--max-images", "3200"]
    assert train.main([*words, "--out", str(out)]) == 0
    return out


def test_what_is_packed_draws_alike_and_is_half_as_large(run, tmp_path, capsys):
    out = tmp_path / "new" / "packed"
    assert pack.main(["--run", str(run), "--out", str(out)]) == 0
    assert f"wrote {out}" in capsys.readouterr().out
    whole, packed = FrameGenerator.load(run, "cpu"), FrameGenerator.load(out, "cpu")
    np.testing.assert_allclose(packed.sample_points(50), whole.sample_points(50), atol=0.02)
    whole_size = next(run.rglob("generator.safetensors")).stat().st_size
    assert (out / "generator.safetensors").stat().st_size < 0.6 * whole_size
    with pytest.raises(InputError, match="must be a new folder"):
        pack.main(["--run", str(run), "--out", str(out)])
    (out / "config.json").write_text("{}")
    with pytest.raises(InputError, match="is damaged"):
        FrameGenerator.load(out)


@pytest.mark.parametrize("name", shipped.names())
def test_a_shipped_generator_is_small_and_shows_play_at_once(name):
    folder = model_source.resolved(name)
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 2_000_000
    model = load_model_config(folder)
    assert model.run.data is not None
    assert "/" not in model.run.data
    env_id = model.provenance.env_id
    env = gym.make("atarigan:atarigan/Generated-v0", env_id=env_id, obs_type="grayscale")
    shown = [env.reset(seed=0)[0]] + [env.step(1)[0] for _ in range(20)]
    assert env.observation_space.contains(shown[-1])
    assert any((frame != shown[0]).any() for frame in shown)
    env.close()


def test_there_are_shipped_generators_and_others_are_refused():
    first = ["asterix", "bowling", "boxing", "breakout", "freeway"]
    assert shipped.names() == [*first, "pong", "qbert", "seaquest", "space_invaders", "tennis"]
    assert shipped.names_of_dreams() == [
        "asterix",
        "bowling",
        "breakout",
        "freeway",
        "pong",
        "tennis",
    ]
    with pytest.raises(InputError, match="generator must be named for ALE/Skiing-v5"):
        gym.make("atarigan:atarigan/Generated-v0", env_id="ALE/Skiing-v5")
    with pytest.raises(InputError, match="did you mean 'ALE/Pong-v5'"):
        gym.make("atarigan:atarigan/Generated-v0", env_id="ALE/Pongg-v5")
    with pytest.raises(InputError, match="skiing does not exist"):
        FrameGenerator.load("skiing")


def test_a_folder_of_that_name_goes_first(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pack.main(["--run", str(run), "--out", "pong"])
    assert not FrameGenerator.load("pong", "cpu").makes_frames


def test_only_what_was_packed_may_lack_the_sum_of_its_training_state(run, tmp_path):
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(next(run.rglob("SHA256SUMS")).parent, checkpoint)
    sums = checkpoint / "SHA256SUMS"
    kept = [line for line in sums.read_text().splitlines() if "training_state" not in line]
    sums.write_text("\n".join(kept) + "\n")
    with pytest.raises(InputError, match="training_state.pt is damaged"):
        FrameGenerator.load(checkpoint)
