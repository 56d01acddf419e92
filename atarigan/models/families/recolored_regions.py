"""Parts of the background whose color follows from a state, such as at a flash."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from atarigan.images.pixel_values import color_codes, colors_of
from atarigan.images.pixels import frames_to_floats
from atarigan.models.search.region_search import MAX_REGIONS, NUM_PAIRS, NUM_VALUES, Region
from atarigan.models.sized_by_data import SizedByData

NEAR_LEVELS = 4  # in each channel
_NEAR_IN_IMAGES = (NEAR_LEVELS + 0.1) * 2 / 255  # levels are 2 / 255 apart there


class RecoloredRegions(SizedByData):
    """Exchanges the usual color of regions of pixels for the one that a state tells, and back
    (`models/search/region_search.py`).

    A network then draws frames as if the background never changed its color. Only pixels whose
    color is at most `NEAR_LEVELS` levels from the usual one are recolored, since a network may draw
    a level off. Objects of colors farther away stay unchanged.

    Attributes:
        region_of: of each pixel, uint8 (H * W,): 0 for none, else one more than its number.
        usual: usual color of each region, uint8 (regions, C).
        colors: its color for each value of a byte, uint8 (regions, 256, C).
        on: 1 where it has that color, for each pair of values of two other bytes, else 0, uint8
            (regions, 65536).
        addresses: of the three bytes, int64 (regions, 3).
        scores: `share` and `right` when it was found, float (regions, 2).
    """

    region_of: Tensor
    usual: Tensor
    colors: Tensor
    on: Tensor
    addresses: Tensor
    scores: Tensor

    def __init__(self, num_pixels: int, num_channels: int, num_bytes: int) -> None:
        super().__init__()
        self.num_pixels, self.num_channels = num_pixels, num_channels
        self.num_bytes = num_bytes
        self.register_buffer("region_of", torch.zeros(num_pixels, dtype=torch.uint8))
        self.register_buffer("usual", torch.zeros(0, num_channels, dtype=torch.uint8))
        self.register_buffer("colors", torch.zeros(0, NUM_VALUES, num_channels, dtype=torch.uint8))
        self.register_buffer("on", torch.zeros(0, NUM_PAIRS, dtype=torch.uint8))
        self.register_buffer("addresses", torch.zeros(0, 3, dtype=torch.int64))
        self.register_buffer("scores", torch.zeros(0, 2))

    def __len__(self) -> int:
        return len(self.usual)

    def fit(self, regions: Sequence[Region]) -> None:
        """Take over what a search found."""
        empty = type(self)(self.num_pixels, self.num_channels, self.num_bytes)
        self.load_state_dict(empty.to(self.usual.device).state_dict())
        device = self.usual.device
        for number, region in enumerate(regions, 1):
            self.region_of[torch.from_numpy(region.pixels).to(device)] = number
        tables = {
            "usual": [
                colors_of(np.array(each.usual, np.int32), self.num_channels) for each in regions
            ],
            "colors": [colors_of(each.colors, self.num_channels) for each in regions],
            "on": [each.on.astype(np.uint8) for each in regions],
            "addresses": [np.array([each.color_byte, *each.on_bytes]) for each in regions],
            "scores": [np.array([each.share, each.right], np.float32) for each in regions],
        }
        for name, rows in tables.items() if regions else ():
            setattr(self, name, torch.from_numpy(np.stack(rows)).to(device))

    def found(self) -> list[Region]:
        """Return the regions."""
        usual, colors = (color_codes(each.cpu().numpy()) for each in (self.usual, self.colors))
        addresses = self.addresses.tolist()
        return [
            Region(
                np.flatnonzero(self.region_of.cpu().numpy() == number + 1),
                int(usual[number]),
                colors[number],
                addresses[number][0],
                self.on[number].bool().cpu().numpy(),
                (addresses[number][1], addresses[number][2]),
                *self.scores[number].tolist(),
            )
            for number in range(len(self))
        ]

    def recolored(self, frames: Tensor, states: Tensor) -> Tensor:
        """Return frames uint8 (B, H, W, C), or images (B, C, H, W) in [-1, 1], whose pixels have
        the color that states uint8 (B, bytes) tell where they had the usual one, or nearly. These
        may be the given frames themselves if nothing changes.
        """
        return self._exchanged(frames, states, is_back=False)

    def plain(self, frames: Tensor, states: Tensor) -> Tensor:
        """Replace the told color, and colors near it, by the usual one. `recolored` undoes it but
        for colors that were near the told one, which become the told one.
        """
        return self._exchanged(frames, states, is_back=True)

    def _exchanged(self, frames: Tensor, states: Tensor, *, is_back: bool) -> Tensor:
        if not len(self):
            return frames
        told = self._told(states)
        # Which frames these are is asked on a CPU only: a device would wait, an export be fixed.
        if torch.compiler.is_exporting() or frames.device.type != "cpu":
            return self._with_exchanged(frames, told, is_back=is_back)
        (rare,) = (told != self.usual).any((1, 2)).nonzero(as_tuple=True)
        if not len(rare):
            return frames
        some = self._with_exchanged(frames[rare], told[rare], is_back=is_back)
        return frames.index_copy(0, rare, some.to(frames.dtype))

    def _with_exchanged(self, frames: Tensor, told: Tensor, *, is_back: bool) -> Tensor:
        is_float = frames.is_floating_point()
        shown = frames.permute(0, 2, 3, 1) if is_float else frames
        usual = self.usual.expand(told.shape)
        rows = (self.region_of.long() - 1).clamp(min=0)
        old, new = (
            each.index_select(1, rows).view(shown.shape)
            for each in ((told, usual) if is_back else (usual, told))
        )
        if is_float:
            old, new = (frames_to_floats(each).permute(0, 2, 3, 1) for each in (old, new))
        distance = shown - old if is_float else shown.short() - old.short()
        is_old = distance.abs() <= (_NEAR_IN_IMAGES if is_float else NEAR_LEVELS)
        is_inside = (self.region_of > 0).view(*shown.shape[1:3], 1)
        is_changed = is_inside & (old != new).any(-1, keepdim=True)
        exchanged = torch.where(is_changed & is_old.all(-1, keepdim=True), new, shown)
        return exchanged.permute(0, 3, 1, 2) if is_float else exchanged

    def _told(self, states: Tensor) -> Tensor:
        """The color of each region in each state, uint8 (B, regions, C)."""
        values = states.index_select(1, self.addresses.flatten()).long().view(-1, len(self), 3)
        numbers = torch.arange(len(self), device=states.device)
        is_on = self.on[numbers, values[..., 1] * NUM_VALUES + values[..., 2]].bool()
        return torch.where(is_on.unsqueeze(2), self.colors[numbers, values[..., 0]], self.usual)

    def _check(self) -> None:
        num = len(self.usual)
        if num > MAX_REGIONS:
            raise ValueError(f"there must be at most {MAX_REGIONS} regions, not {num}")
        self._expect("region_of", (self.num_pixels,), range(num + 1))
        self._expect("usual", (num, self.num_channels))
        self._expect("colors", (num, NUM_VALUES, self.num_channels))
        self._expect("on", (num, NUM_PAIRS), range(2))
        self._expect("addresses", (num, 3), range(self.num_bytes))
        self._expect("scores", (num, 2))
