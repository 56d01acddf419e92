"""A RAM probe: a small network that predicts RAM, the console's 128 bytes of memory, from a frame.

Its hidden features serve to compare frames of the game, and its predictions are the state that a
generated frame shows.
"""

import itertools
import math
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.data.sample_spec import Ram
from atarigan.data.sources.source import shuffled_indices
from atarigan.evaluation.features.feature_space import FeatureSpace, thumbnail_space
from atarigan.evaluation.metrics.score import Progress
from atarigan.images.pixels import Frames, frames_to_floats

PROBE = "ram-probe-v1"
NUM_FEATURES = 64
NUM_TRAINING_FRAMES = 30_000
MIN_EXPLAINED_VARIANCE = 0.5
_RESOLUTION = 84
_BATCH = 100
_LR = 4e-3
_HELD_OUT_SHARE = 0.1
_MAX_FEATURE = 6.0


class Reading(NamedTuple):
    """Output of a probe for N frames.

    Attributes:
        features: hidden features, float64 (N, 64).
        claims: predicted readable bytes, standardized, float64 (N, num_readable).
    """

    features: npt.NDArray[np.float64]
    claims: npt.NDArray[np.float64]


class RamProbe(nn.Module):
    """Maps frames float (B, C, H, W) in [-1, 1] to features (B, 64), and those to RAM bytes.

    Args:
        frame_shape: (H, W, C).
        varying: indices of the bytes to predict.
    """

    def __init__(self, frame_shape: tuple[int, int, int], varying: npt.NDArray[np.int64]) -> None:
        super().__init__()
        height, width, channels = frame_shape
        stride = 2 * math.ceil(max(height, width) / _RESOLUTION)
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, 16, stride + 3, stride, (stride + 3) // 2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 32, 3, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
        ).eval()
        num_inputs = self.convolutions(torch.zeros(1, channels, height, width)).shape[1]
        self.features = nn.Sequential(
            nn.Linear(num_inputs, NUM_FEATURES, bias=False), nn.BatchNorm1d(NUM_FEATURES)
        )
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(NUM_FEATURES, len(varying)))
        self._varying = varying
        self._is_readable = np.zeros(len(varying), bool)

    @property
    def readable(self) -> npt.NDArray[np.int64]:
        """Indices of the bytes whose variance on held-out frames is explained by more than half,
        int64 (num_readable,).
        """
        return self._varying[self._is_readable]

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(self.convolutions(images))
        return features

    @classmethod
    def fit(
        cls,
        frames: Frames,
        ram: Ram,
        seed: int = 0,
        progress: Progress = lambda _: None,
        episodes: npt.NDArray[np.int64] | None = None,
    ) -> Self:
        """Train a probe on real frames and their RAM, with standardized bytes as targets.

        The frames that decide which bytes are readable are held out, at least a tenth of all: of
        whole episodes if there are several, because frames of one episode are similar.

        The global random state of torch is not changed.

        Args:
            frames: uint8 (N, H, W, C).
            ram: uint8 (N, num_bytes).
            seed: seed of the weights and of the order of frames.
            progress: called with the number of frames of each batch.
            episodes: the episode of each frame, (N,); None if frames are independent.
        """
        varying = np.flatnonzero((ram != ram[0]).any(0))
        targets = ram[:, varying].astype(np.float32)
        targets = (targets - targets.mean(0)) / targets.std(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            probe = cls(frames.shape[1:], varying)
            held_out, learned = _split(len(frames), episodes, seed)
            probe._train(frames, torch.from_numpy(targets), learned, seed, progress)
        probe.requires_grad_(False).eval()
        explained = 1 - np.mean((probe._read(frames[held_out])[1] - targets[held_out]) ** 2, axis=0)
        probe._is_readable = explained > MIN_EXPLAINED_VARIANCE
        return probe

    def _train(
        self,
        frames: Frames,
        targets: Tensor,
        learned: npt.NDArray[np.int64],
        seed: int,
        progress: Progress,
    ) -> None:
        self.train()
        num_steps = NUM_TRAINING_FRAMES // _BATCH
        optimizer = torch.optim.Adam(self.parameters(), _LR)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LR, num_steps)
        batches = shuffled_indices(len(learned), min(_BATCH, len(learned)), seed, 0, 0, 1)
        for places in itertools.islice(batches, num_steps):
            indices = learned[places]
            read = self.head(self(_images(frames[indices])))
            loss = functional.mse_loss(read, targets[torch.from_numpy(indices)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress(_BATCH)

    def read(self, frames: Frames) -> Reading:
        """Compute features and readable bytes of frames uint8 (N, H, W, C).

        Features have about unit variance on frames of the game. They are clipped to ±6, so that a
        rare screen, such as one between two games, does not dominate distances.
        """
        features, read = self._read(frames)
        return Reading(features.clip(-_MAX_FEATURE, _MAX_FEATURE), read[:, self._is_readable])

    @torch.inference_mode()
    def _read(self, frames: Frames) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        features = torch.cat(
            [self(_images(frames[i : i + _BATCH])) for i in range(0, len(frames), _BATCH)]
        )
        return features.double().numpy(), self.head(features).double().numpy()


def _split(
    num: int, episodes: npt.NDArray[np.int64] | None, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the indices of the frames that are held out, and of those to learn from."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(num)
    num_held_out = max(1, int(_HELD_OUT_SHARE * num))
    if episodes is None or (episodes == episodes[0]).all():
        return order[:num_held_out], order[num_held_out:]
    numbers, lengths = np.unique(episodes, return_counts=True)
    drawn = rng.permutation(len(numbers))
    num_needed = int(np.searchsorted(np.cumsum(lengths[drawn]), num_held_out)) + 1
    chosen = numbers[drawn[: min(num_needed, len(numbers) - 1)]]
    is_held_out = np.isin(episodes, chosen)[order]
    return order[is_held_out], order[~is_held_out]


def _images(frames: Frames) -> Tensor:
    return frames_to_floats(torch.from_numpy(np.ascontiguousarray(frames)))


def probe_space(
    frames: Frames,
    ram: Ram | None,
    episodes: npt.NDArray[np.int64] | None,
    seed: int,
    progress: Progress,
) -> FeatureSpace:
    """Return the space of a probe trained on real frames uint8 (N, H, W, C), their RAM uint8 (N,
    num_bytes) and their episodes (N,); thumbnails if there is no RAM, or it never varies.
    """
    if ram is None or not (ram != ram[0]).any():
        return thumbnail_space()
    probe = RamProbe.fit(frames, ram, seed, progress, episodes)
    return FeatureSpace(PROBE, lambda samples: dict(probe.read(samples)._asdict()))
