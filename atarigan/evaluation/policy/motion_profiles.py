"""Row and column profiles of frames and their changes, as input of a small network."""

import gymnasium as gym
import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

_MIN_SPREAD = 0.1
_MAX_PROFILE = 6.0


class MotionProfiles(BaseFeaturesExtractor):
    """Maps stacks of gray frames, float (B, K, H, W) in 0 … 1, oldest first, to profiles.

    The newest frame and the positive and negative changes of each of the last steps are averaged
    over bands of rows for each column, and over bands of columns for each row. This keeps the exact
    position of objects of a single pixel, which strided convolutions blur, and the changes isolate
    moving objects from a static background.

    The profiles have no trained weights. They are standardized by the mean and spread set by `fit`
    and clipped to ±6, so that rare values, such as a score never reached before, do not dominate.

    Args:
        observation_space: uint8 (K, H, W), K at least 2.
        num_changes: number of steps whose changes are used, below K.
        num_bands: number of bands of rows, and of columns.
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
        """Set mean and spread from the profiles of stacks, float (B, K, H, W) in 0 … 1."""
        profiles = self._profiles(stacks)
        spread = profiles.std(0)
        self.center, self.spread = profiles.mean(0), spread + _MIN_SPREAD * spread.mean()

    def forward(self, observations: Tensor) -> Tensor:
        """Return standardized profiles, (B, (1 + 2 num_changes) · num_bands · (H + W))."""
        standardized = (self._profiles(observations) - self.center) / self.spread
        return standardized.clamp(-_MAX_PROFILE, _MAX_PROFILE)

    def _profiles(self, stacks: Tensor) -> Tensor:
        height, width = stacks.shape[2:]
        changes = stacks.diff(dim=1)[:, -self.num_changes :]
        images = torch.cat([stacks[:, -1:], changes.relu(), (-changes).relu()], 1)
        of_columns = adaptive_avg_pool2d(images, (self.num_bands, width)).flatten(1)
        of_rows = adaptive_avg_pool2d(images, (height, self.num_bands)).flatten(1)
        return torch.cat([of_columns, of_rows], 1)
