"""Inception features from torch-fidelity's network and weights (an optional extra).

Distances in them are comparable with published FID and KID. The weights are not part of any
package: they are read from torch's download folder, and must have the published digest.
"""

import hashlib
import io
import pickle
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from atarigan.errors import InputError, one_line
from atarigan.evaluation.features.feature_space import FeatureSpace
from atarigan.images.pixels import Frames, gray_to_rgb

INCEPTION = "inception"
INCEPTION_V3 = "inception-v3-2015-12-05"
NUM_FEATURES = 2048
WEIGHTS_FILE = "weights-inception-2015-12-05-6726825d.pth"
WEIGHTS_URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{WEIGHTS_FILE}"
_DIGEST_PREFIX = "6726825d"
_BATCH = 50


def inception_space() -> FeatureSpace:
    """Return the space of Inception's last pooling layer, 2,048 features.

    Raises:
        InputError: torch-fidelity or the weights are missing or damaged.
    """
    network = inception_network(read_weights(weights_path()))
    return FeatureSpace(
        INCEPTION_V3, lambda frames: {"features": inception_features(network, frames)}
    )


def weights_path() -> Path:
    """Return where torch-fidelity expects the weights: torch's download folder, see $TORCH_HOME."""
    return Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS_FILE


def read_weights(path: Path) -> dict[str, Tensor]:
    """Load the published weights without executing code of the file.

    Raises:
        InputError: the file is missing or has another digest.
    """
    try:
        content = path.read_bytes()
    except OSError:
        raise InputError(
            f"--features {INCEPTION} needs torch-fidelity's weights, {WEIGHTS_URL}, as {path}"
        ) from None
    digest = hashlib.sha256(content).hexdigest()
    if not digest.startswith(_DIGEST_PREFIX):
        raise InputError(
            f"{path} must have a SHA-256 that begins with {_DIGEST_PREFIX}, not {digest[:8]}"
        )
    try:
        weights: dict[str, Tensor] = torch.load(io.BytesIO(content), weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        reason = one_line(error)
        raise InputError(f"{path} holds no readable weights: {reason}") from None
    return weights


def inception_network(weights: dict[str, Tensor]) -> nn.Module:
    """Return torch-fidelity's network, from uint8 (B, 3, H, W) to a tuple of one (B, 2048) tensor.

    Raises:
        InputError: torch-fidelity is not installed, or does not work with this torch.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except (
        ImportError,
        RuntimeError,
    ) as error:  # RuntimeError: torchvision built for another torch
        reason = one_line(error)
        raise InputError(
            f"--features {INCEPTION} needs pip install 'atarigan[inception]', with the torchvision "
            f"that belongs to torch {torch.__version__}: {reason}"
        ) from None
    # The constructor unpickles the file that it is given, so give it one written here.
    file = io.BytesIO()
    torch.save(weights, file)
    file.seek(0)
    network: nn.Module = FeatureExtractorInceptionV3(
        INCEPTION_V3, [str(NUM_FEATURES)], feature_extractor_weights_path=file
    )
    return network.eval()


@torch.inference_mode()
def inception_features(network: nn.Module, frames: Frames) -> npt.NDArray[np.float64]:
    """Compute features float64 (N, F) of frames uint8 (N, H, W, C); gray frames become RGB."""
    colored = gray_to_rgb(frames) if frames.shape[-1] == 1 else frames
    features = [
        network(torch.from_numpy(np.array(colored[start : start + _BATCH])).permute(0, 3, 1, 2))[0]
        for start in range(0, len(colored), _BATCH)
    ]
    return torch.cat(features).double().numpy()
