"""PixelFields: what each pixel shows by itself, as a function of a few numbers."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from atarigan.images.pixels import frames_to_floats
from atarigan.models.sized_by_data import SizedByData

_START = 0.1


class PixelFields(SizedByData):
    """Which pixels change in real frames, what the others always show, and fields of those:

        field_f(p) = relu(Σ_j weights_pfj h_j + offsets_pf)

    for numbers h (B, num_inputs) of the state. Where a boundary moves through a picture, such as a
    horizon, the distance of each pixel from it is such a sum.

    Attributes:
        background: each pixel's most frequent color in [-1, 1], float (H * W, C).
        numbers: of the pixels that change, ascending, int64 (V,).
        places: of each pixel and of a pixel outside of the picture, its place in `numbers`, or V,
            int64 (H * W + 1,).
        weights: (V + 1, num_fields * num_inputs). The last row stands for all other pixels.
        offsets: (V + 1, num_fields).
        colors: color of each pixel where all fields are 0, (V + 1, C).
    """

    background: Tensor
    numbers: Tensor
    places: Tensor

    def __init__(self, num_pixels: int, num_channels: int, num_fields: int, num_inputs: int):
        super().__init__()
        self.num_pixels, self.num_channels = num_pixels, num_channels
        self.num_fields, self.num_inputs = num_fields, num_inputs
        self.register_buffer("background", torch.zeros(num_pixels, num_channels))
        self.register_buffer("numbers", torch.arange(num_pixels))
        self.register_buffer("places", torch.arange(num_pixels + 1), persistent=False)
        self.weights = nn.Parameter(torch.zeros(num_pixels + 1, num_fields * num_inputs))
        self.offsets = nn.Parameter(torch.full((num_pixels + 1, num_fields), _START))
        self.colors = nn.Parameter(torch.zeros(num_pixels + 1, num_channels))

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def shown(self) -> Tensor:
        """The background as uint8 (H * W, C)."""
        return self.background.add(1).mul(127.5).round().to(torch.uint8)

    def fit(self, frames: Tensor) -> None:
        """Find both in frames uint8 (N, H, W, C)."""
        flat = frames.flatten(1, 2)
        usual = flat.mode(0).values
        self.background = frames_to_floats(usual[None, None])[0, :, 0].T.contiguous()
        self._set_numbers((flat != usual).any(2).any(0))

    def observe(self, frames: Tensor) -> None:
        """Add the pixels that change in further frames uint8 (N, H, W, C)."""
        changes = (frames.flatten(1, 2) != self.shown).any(2).any(0)
        changes[self.numbers] = True
        self._set_numbers(changes)

    def _set_numbers(self, changes: Tensor) -> None:
        self.numbers = torch.nonzero(changes)[:, 0]
        colors = self.background[self.numbers]
        self.colors = nn.Parameter(torch.cat([colors, colors.new_zeros(1, self.num_channels)]))
        num = len(colors)
        self.weights = nn.Parameter(self.weights.new_zeros(num + 1, self.weights.shape[1]))
        self.offsets = nn.Parameter(self.offsets.new_full((num + 1, self.num_fields), _START))
        self._derive()

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the fields at all pixels that change, and outside, (num_fields, B, V + 1)."""
        weights = self.weights.unflatten(1, (self.num_fields, self.num_inputs))
        sums = inputs @ weights.permute(1, 2, 0)
        return functional.relu(sums + self.offsets.T[:, None])

    def at(self, places: Tensor, inputs: Tensor) -> Tensor:
        """Return the fields at places (B, M), (B, M, num_fields)."""
        weights = functional.embedding(places, self.weights)
        weights = weights.unflatten(2, (self.num_fields, self.num_inputs)).flatten(1, 2)
        sums = torch.bmm(weights, inputs[:, :, None]).view(*places.shape, self.num_fields)
        return functional.relu(sums + functional.embedding(places, self.offsets))

    def at_all(self, places: Tensor, inputs: Tensor) -> Tensor:
        """Return the fields of each row of inputs at all of places (M,), (B, M, num_fields)."""
        weights = self.weights[places].unflatten(1, (self.num_fields, self.num_inputs))
        sums = inputs @ weights.flatten(0, 1).T
        return functional.relu(sums.unflatten(1, (len(places), -1)) + self.offsets[places])

    def _check(self) -> None:
        num = len(self.numbers)
        self._expect("background", (self.num_pixels, self.num_channels))
        self._expect("numbers", (num,), range(self.num_pixels))
        self._expect("weights", (num + 1, self.num_fields * self.num_inputs))
        self._expect("offsets", (num + 1, self.num_fields))
        self._expect("colors", (num + 1, self.num_channels))

    def _derive(self) -> None:
        places = self.numbers.new_full((self.num_pixels + 1,), len(self.numbers))
        places[self.numbers] = torch.arange(len(self.numbers), device=places.device)
        self.places = places
