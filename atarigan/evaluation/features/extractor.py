"""Feature extractors: small classifiers whose hidden features serve to compare images."""

import dataclasses
import json
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import safetensors
import torch
from safetensors.torch import save
from torch import Tensor, nn

from atarigan.errors import InputError, did_you_mean, one_line
from atarigan.evaluation.features.feature_space import FeatureSpace
from atarigan.files import typed_json
from atarigan.images.pixels import Frames, frames_to_floats

SUFFIX = ".safetensors"
_FOLDER = "extractors"
_METADATA_KEY = "extractor"
_BATCH = 500


@dataclass(frozen=True)
class ExtractorInfo:
    """Metadata of an extractor, stored in its file.

    Attributes:
        name: name of the feature space, such as "mnist-features-v1".
        sample_shape: (C, H, W) of the images.
        num_classes: number of classes that it was trained on.
        num_features: number of features of an image.
        test_accuracy: share of the test images that it classifies correctly.
        num_test_images: number of test images.
        command: command that trained it.
    """

    name: str
    sample_shape: tuple[int, int, int]
    num_classes: int
    num_features: int = 64
    test_accuracy: float = 0.0
    num_test_images: int = 0
    command: str = ""


class Extractor(nn.Module):
    """Maps images float (B, C, H, W) in [-1, 1] of any size to features (B, num_features).

    The features are the last hidden layer before its nonlinearity, batch-normalized: each has about
    unit variance on the training images, so distances have the same scale for all data sets.
    """

    def __init__(self, info: ExtractorInfo) -> None:
        super().__init__()
        self.info = info
        channels = info.sample_shape[0]
        self.features = nn.Sequential(
            *_convolution(channels, 32, 5, stride=2),
            *_convolution(32, 64, 3),
            nn.MaxPool2d(2, ceil_mode=True),
            *_convolution(64, 64, 3),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(64 * 16, info.num_features, bias=False),
            nn.BatchNorm1d(info.num_features),
        )
        self.head = nn.Sequential(
            nn.ReLU(), nn.Dropout(0.3), nn.Linear(info.num_features, info.num_classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(images)
        return features

    def logits(self, features: Tensor) -> Tensor:
        """Map features (B, num_features) to class logits (B, num_classes)."""
        logits: Tensor = self.head(features)
        return logits

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Load a shipped extractor by its name, or any extractor by its file, in evaluation mode.

        Raises:
            InputError: the name is unknown, or the file holds no extractor.
        """
        if Path(name).suffix == SUFFIX:
            return cls._read(Path(name))
        if name not in shipped_extractors():
            hint = did_you_mean(str(name), shipped_extractors())
            raise InputError(f"unknown extractor {str(name)!r}: {hint}; or name a {SUFFIX} file")
        with as_file(files(__package__) / _FOLDER / f"{name}{SUFFIX}") as path:
            return cls._read(path)

    @classmethod
    def _read(cls, path: Path) -> Self:
        try:
            with safetensors.safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            raise InputError(f"{path} does not exist") from None
        except safetensors.SafetensorError as error:
            raise InputError(f"{path} is not a readable safetensors file: {error}") from None
        if _METADATA_KEY not in metadata:
            raise InputError(f"{path} must hold an extractor, and its metadata names none")
        try:
            info = json.loads(metadata[_METADATA_KEY])
        except ValueError as error:
            raise InputError(f"{path} must describe itself in JSON: {error}") from None
        extractor = cls(typed_json.from_dict(ExtractorInfo, info, str(path)))
        try:
            extractor.load_state_dict(weights)
        except RuntimeError as error:
            reason = one_line(error)
            raise InputError(f"{path} does not fit its own metadata: {reason}") from None
        return extractor.requires_grad_(False).eval()

    def save(self, path: Path) -> None:
        """Write the weights with `info` as metadata."""
        metadata = {_METADATA_KEY: json.dumps(dataclasses.asdict(self.info))}
        weights = {name: weight.contiguous() for name, weight in self.state_dict().items()}
        path.write_bytes(
            save(weights, metadata)
        )  # save_file would make it readable only by its owner


class Extracted(NamedTuple):
    """Output of an extractor for N images.

    Attributes:
        features: float64 (N, num_features).
        probabilities: class probabilities, float64 (N, num_classes); each row sums to 1.
    """

    features: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64]


@torch.inference_mode()
def extract(extractor: Extractor, frames: Frames) -> Extracted:
    """Compute features and class probabilities of frames uint8 (N, H, W, C).

    Raises:
        InputError: there are no frames, they are not uint8, or of another shape than the
            extractor's.
    """
    channels, height, width = extractor.info.sample_shape
    wanted = (height, width, channels)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != wanted:
        raise InputError(
            f"{extractor.info.name} needs frames uint8 (N, {height}, {width}, {channels}), "
            f"not {frames.dtype} {frames.shape}"
        )
    if len(frames) == 0:
        raise InputError(f"{extractor.info.name} needs at least 1 frame, not 0")
    features, probabilities = [], []
    for start in range(0, len(frames), _BATCH):
        batch = torch.from_numpy(np.array(frames[start : start + _BATCH]))  # may be read-only
        found = extractor(frames_to_floats(batch))
        features.append(found.double())
        probabilities.append(extractor.logits(found).double().softmax(1))
    return Extracted(torch.cat(features).numpy(), torch.cat(probabilities).numpy())


def extractor_space(extractor: Extractor) -> FeatureSpace:
    """Return the space of an extractor's features, with class probabilities."""
    return FeatureSpace(
        extractor.info.name, lambda frames: dict(extract(extractor, frames)._asdict())
    )


def shipped_extractors() -> list[str]:
    """Return the names of the extractors that come with the package."""
    found = (files(__package__) / _FOLDER).iterdir()
    return sorted(path.name.removesuffix(SUFFIX) for path in found if path.name.endswith(SUFFIX))


def _convolution(before: int, after: int, size: int, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]
