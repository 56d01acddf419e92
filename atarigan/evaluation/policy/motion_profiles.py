"""Where things are and what moves, as sums along rows and columns that a small network can read."""

import gymnasium as gym
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

_LEAST_SPREAD = 0.1
_LARGEST = 6.0


class MotionProfiles(BaseFeaturesExtractor):
    """Stacks of gray frames, float (B, K, H, W) in 0 … 1, oldest first, to profiles.

    The newest frame, what became brighter and what became darker in each of the last steps are
    averaged over bands: in bands of rows for each column, and in bands of columns for each row.
    That keeps exact places even of what is one pixel large, where strided convolutions blur them,
    and leaves moving things alone where the background is still. Nothing here is learned but the
    mean and the spread of each number, by which it is standardized and kept within six deviations:
    a score that was never reached should not outweigh the game.

    Args:
        observation_space: uint8 (K, H, W) of K at least 2 frames.
        num_changes: steps whose changes are looked at, below K.
        num_bands: bands of rows, and of columns.
    """

    center: Tensor
    spread: Tensor

    def __init__(
        self, observation_space: gym.spaces.Box, num_changes: int = 2, num_bands: int = 4
    ) -> None:
        _, height, width = observation_space.shape
        num_profiles = (1 + 2 * num_changes) * num_bands * (height + width)
        super().__init__(observation_space, num_profiles)
        self.num_changes = num_changes
        self.num_bands = num_bands
        self.register_buffer("center", torch.zeros(num_profiles))
        self.register_buffer("spread", torch.ones(num_profiles))

    def fit(self, stacks: Tensor) -> None:
        """Standardize by the profiles of stacks, float (B, K, H, W) in 0 … 1."""
        profiles = self._profiles(stacks)
        spread = profiles.std(0)
        self.center, self.spread = profiles.mean(0), spread + _LEAST_SPREAD * spread.mean()

    def forward(self, observations: Tensor) -> Tensor:
        """(B, (1 + 2 num_changes) · num_bands · (H + W))."""
        standardized = (self._profiles(observations) - self.center) / self.spread
        return standardized.clamp(-_LARGEST, _LARGEST)

    def _profiles(self, stacks: Tensor) -> Tensor:
        height, width = stacks.shape[2:]
        changes = stacks.diff(dim=1)[:, -self.num_changes :]
        images = torch.cat([stacks[:, -1:], changes.relu(), (-changes).relu()], 1)
        of_columns = adaptive_avg_pool2d(images, (self.num_bands, width)).flatten(1)
        of_rows = adaptive_avg_pool2d(images, (height, self.num_bands)).flatten(1)
        return torch.cat([of_columns, of_rows], 1)
