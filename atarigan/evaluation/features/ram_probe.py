"""A probe: a small network that reads the console's memory off a frame.

What it makes of a frame on its way are features that see what matters in this very game, and what
it reads is what a generated frame claims.
"""

import itertools
import math
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.data.sources.source import shuffled_indices
from atarigan.evaluation.metrics.score import Progress
from atarigan.images.pixels import Frames, frames_to_floats

Ram = npt.NDArray[np.uint8]
NUM_FEATURES = 64
NUM_LOOKED_AT = 30_000
READABLE = 0.5
_FINEST = 84
_BATCH = 100
_STEPS = NUM_LOOKED_AT // _BATCH
_LR = 4e-3
_HELD_OUT = 0.1
_FARTHEST = 6.0


class Reading(NamedTuple):
    """What a probe makes of N frames.

    Attributes:
        features: float64 (N, 64).
        claims: bytes that can be read off frames of this game, in their standard deviations from
            their mean, float64 (N, num_readable).
    """

    features: npt.NDArray[np.float64]
    claims: npt.NDArray[np.float64]


class RamProbe(nn.Module):
    """Frames float (B, C, H, W) in [-1, 1] to features (B, 64), and from those to the bytes that
    vary.

    Attributes:
        readable: numbers of the bytes of which it explains more than half of the variance on frames
            that it was not trained on, int64 (num_readable,).
    """

    def __init__(self, frame_shape: tuple[int, int, int], varying: npt.NDArray[np.int64]) -> None:
        super().__init__()
        height, width, channels = frame_shape
        stride = 2 * math.ceil(max(height, width) / _FINEST)
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
        return self._varying[self._is_readable]

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.features(self.convolutions(images))
        return features

    @classmethod
    def fit(
        cls, frames: Frames, ram: Ram, seed: int = 0, progress: Progress = lambda _: None
    ) -> Self:
        """Train on real frames uint8 (N, H, W, C) and the memory behind them, uint8 (N, bytes).

        Every byte counts alike, by its standard deviation. Random numbers elsewhere are left as
        they were.
        """
        varying = np.flatnonzero((ram != ram[0]).any(0))
        targets = ram[:, varying].astype(np.float32)
        targets = (targets - targets.mean(0)) / targets.std(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            probe = cls(frames.shape[1:], varying)
            order = np.random.default_rng(seed).permutation(len(frames))
            num_held_out = max(1, int(_HELD_OUT * len(frames)))
            held_out, learned = order[:num_held_out], order[num_held_out:]
            probe._train(frames, torch.from_numpy(targets), learned, seed, progress)
        probe.requires_grad_(False).eval()
        explained = 1 - np.mean((probe._read(frames[held_out])[1] - targets[held_out]) ** 2, axis=0)
        probe._is_readable = explained > READABLE
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
        optimizer = torch.optim.Adam(self.parameters(), _LR)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LR, _STEPS)
        batches = shuffled_indices(len(learned), min(_BATCH, len(learned)), seed, 0, 0, 1)
        for places in itertools.islice(batches, _STEPS):
            indices = learned[places]
            read = self.head(self(_images(frames[indices])))
            loss = functional.mse_loss(read, targets[torch.from_numpy(indices)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress(_BATCH)

    def read(self, frames: Frames) -> Reading:
        """Features and claims of frames uint8 (N, H, W, C). Features, which have unit variance on
        frames of the game, are kept within ±6, so that a screen that is never seen, such as one in
        a thousand between two games, does not outweigh all others.
        """
        features, read = self._read(frames)
        return Reading(features.clip(-_FARTHEST, _FARTHEST), read[:, self._is_readable])

    @torch.inference_mode()
    def _read(self, frames: Frames) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        features = torch.cat(
            [self(_images(frames[i : i + _BATCH])) for i in range(0, len(frames), _BATCH)]
        )
        return features.double().numpy(), self.head(features).double().numpy()


def _images(frames: Frames) -> Tensor:
    return frames_to_floats(torch.from_numpy(np.ascontiguousarray(frames)))
