"""FrameEncoder: the newest frames of a moment to a code, a byte for each cell of a grid."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.images.pixels import frames_to_floats
from atarigan.models.state.cell_grid import CellGrid
from atarigan.models.state.scalar_quantizer import ScalarQuantizer

WIDTH = 256
_SLOPE = 0.2
_PLACE_SCALE = 0.5
_HEAD_SCALE = 3.0  # with features of variance 1, all levels are in use from the start
_NUM_SCALED = 512


class ResidualLayers(nn.Module):
    """Features (B, cells, width) plus two layers of them with half as many in between, which begin
    as zeros: a residual block of 1×1 convolutions. Matrix products over cells are several times
    faster on a CPU.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        between = max(1, width // 2)
        self.first, self.second = nn.Linear(width, between), nn.Linear(between, width)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, features: Tensor) -> Tensor:
        hidden = functional.leaky_relu(features, _SLOPE)
        hidden = functional.leaky_relu(self.first(hidden), _SLOPE)
        result: Tensor = features + self.second(hidden)
        return result


class FrameEncoder(nn.Module):
    """Frames uint8 (B, K, H, W, C), oldest first, to codes.

    A convolution whose stride is a cell sees the cell with a margin of a third of it; what it adds
    depends on the place of the cell. Residual layers follow, and a `ScalarQuantizer`.

    Args:
        size: bytes of a code; there are as many cells.
        levels: of the quantizer.
        num_frames: K.
        image_shape: (C, H, W).
        width: channels; 0 for the default.

    Attributes:
        usual: each pixel's most frequent value, in [-1, 1], float (C, H, W).
    """

    usual: Tensor

    def __init__(
        self,
        size: int,
        levels: tuple[int, ...],
        num_frames: int,
        image_shape: tuple[int, int, int],
        width: int = 0,
    ) -> None:
        super().__init__()
        channels, height, columns = image_shape
        width = width or WIDTH
        self.grid = CellGrid.of(size, height, columns)
        self.quantizer = ScalarQuantizer(levels)
        self.num_features = size * len(levels)
        self.stem = nn.Linear(self.grid.patch_size(channels * num_frames), width)
        self.places = nn.Parameter(torch.randn(size, width) * _PLACE_SCALE)
        self.layers = ResidualLayers(width)
        self.head = nn.Linear(width, len(levels))
        with torch.no_grad():
            self.head.weight.mul_(_HEAD_SCALE)
        self.register_buffer("usual", torch.zeros(image_shape))

    @torch.no_grad()
    def fit(self, frames: Tensor) -> None:
        """Find the usual values in frames uint8 (N, H, W, C), and scale the first weights so that
        features have variance 1 over frames, in the mean over cells (as Mishkin and Matas 2016,
        arXiv:1511.06422). What differs from the usual values is sparse, and codes would be constant
        for long.
        """
        self.usual.copy_(frames_to_floats(frames.mode(0).values[None])[0])
        images = frames_to_floats(frames[:_NUM_SCALED]) - self.usual
        num_frames = self.stem.in_features // self.grid.patch_size(len(self.usual))
        features = self.stem(self.grid.patches(images.repeat(1, num_frames, 1, 1)))
        variance = features.var(0, correction=0).mean()
        if variance > 0:
            self.stem.weight.div_(variance.sqrt())

    def forward(self, frames: Tensor) -> Tensor:
        """Return the values of codes, in [-1, 1], (B, size * d).

        Args:
            frames: uint8 (B, K, H, W, C), or codes of such, uint8 (B, size).
        """
        if frames.ndim == 2:
            return self.quantizer.values_of(frames).flatten(1)
        unusual = frames_to_floats(frames.flatten(0, 1)) - self.usual
        images = unusual.unflatten(0, frames.shape[:2]).flatten(1, 2)
        features = self.layers(self.stem(self.grid.patches(images)) + self.places)
        values: Tensor = self.quantizer(self.head(functional.leaky_relu(features, _SLOPE)))
        return values.flatten(1)

    def codes(self, frames: Tensor) -> Tensor:
        """Return the codes uint8 (B, size) of frames uint8 (B, K, H, W, C)."""
        values = self(frames).unflatten(1, (self.grid.num_cells, -1))
        return self.quantizer.bytes(values)


class SharedEncoder(nn.Module):
    """A generator's encoder as a critic reads it: without gradients, and without weights of its
    own.
    """

    def __init__(self, encoder: FrameEncoder) -> None:
        super().__init__()
        self._shared = (encoder,)  # in a tuple it is no submodule

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        values: Tensor = self._shared[0](frames)
        return values

    def fit(self, states: Tensor) -> None:
        """Do nothing; the generator fits it."""
