"""Inception features: missing parts are named, and other weights are refused."""

import builtins
import hashlib
import io
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from atarigan.errors import InputError
from atarigan.evaluation.build import feature_space
from atarigan.evaluation.features import inception
from atarigan.evaluation.features.inception import (
    NUM_FEATURES,
    inception_features,
    inception_network,
    read_weights,
    weights_path,
)


class Corner(nn.Module):
    """Has the interface of torch-fidelity's network; the first pixel is the feature."""

    def forward(self, images):
        assert images.dtype == torch.uint8
        assert images.shape[1] == 3
        return (images[:, :, 0, 0].float(),)


def test_gray_and_rgb_frames_reach_the_network_as_rgb_in_order(monkeypatch):
    monkeypatch.setattr(inception, "_BATCH", 3)
    colored = np.random.default_rng(0).integers(0, 256, (7, 5, 4, 3)).astype(np.uint8)
    np.testing.assert_array_equal(inception_features(Corner(), colored), colored[:, 0, 0])
    gray = inception_features(Corner(), colored[..., :1])
    assert gray.dtype == np.float64
    np.testing.assert_array_equal(gray, np.repeat(colored[:, 0, 0, :1], 3, axis=1))


def test_missing_weights_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InputError, match="weights-inception-2015-12-05-6726825d.pth, as") as error:
        feature_space("inception")
    assert str(weights_path()) in str(error.value)
    assert "\n" not in str(error.value)


def test_weights_with_another_digest_are_refused(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="must have a SHA-256 that begins with 6726825d, not"):
        read_weights(path)


def test_weights_with_pickled_code_are_refused(monkeypatch, tmp_path):
    class Harmful:
        def __reduce__(self):
            return print, ("ran",)

    content = pickle.dumps({"weight": Harmful()}, protocol=2)
    (tmp_path / "weights.pth").write_bytes(content)
    monkeypatch.setattr(inception, "_DIGEST_PREFIX", hashlib.sha256(content).hexdigest()[:8])
    with pytest.raises(InputError, match="holds no readable weights"):
        read_weights(tmp_path / "weights.pth")


def test_a_missing_extra_is_named(monkeypatch):
    really_import = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("torch_fidelity"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return really_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'atarigan\[inception\]'"):
        inception_network({})


@pytest.mark.slow
def test_torch_fidelitys_network_takes_our_weights_and_frames():
    source = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    weights = random_weights(source.FeatureExtractorInceptionV3)
    features = inception_features(
        inception_network(weights), np.zeros((3, 84, 84, 1), np.uint8) + 90
    )
    assert features.shape == (3, NUM_FEATURES)
    np.testing.assert_allclose(features[0], features[1], rtol=1e-4)
    assert features.std() > 0


def random_weights(network_class):
    """Return the random weights of torch-fidelity's network before it loads any."""
    kept = {}

    class Unloaded(network_class):  # type: ignore[valid-type]
        def load_state_dict(self, weights):
            kept.update(self.state_dict())

    torch.manual_seed(0)
    file = io.BytesIO()
    torch.save({}, file)
    file.seek(0)
    Unloaded("random", [str(NUM_FEATURES)], feature_extractor_weights_path=file)
    return kept
