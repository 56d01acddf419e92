"""Pixels that few fields of a state determine, each by a table."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from atarigan.models.search.pixel_search import (
    BITS,
    HALVES,
    MAX_PIXELS,
    NUM_TERMS,
    NUM_VALUES,
    Fields,
    FoundPixels,
)
from atarigan.models.sized_by_data import SizedByData

NUM_SHADES = 4
"""How many numbers of the features tell the colors of all pixels."""


class PixelTerms(SizedByData):
    """Draws the pixels that a search found from the numbers in a few fields of the state
    (`models/search/pixel_search.py`).

    What the fields look up in tables is added to what is drawn there already, or takes its place
    where hardly anything else changes the pixel. The former are trained on; the latter are right,
    and Adam would move them by their tiny gradients. Bits that stand for bricks, and numbers that
    stand for digits, then hold in combinations that never occurred, which features of whole states
    hardly do.

    The console draws a playfield in one color, which changes from level to level. So what is added,
    the difference from what is drawn already, is multiplied by 1 + shading(features) ·
    shades[pixel].

    Attributes:
        byte, mask: the fields, as in `Fields`, int64 (fields,) and uint8 (fields,).
        pixels: int64 (P,).
        kept: 1 where the tables add to what is drawn already, else 0, float (P,).
        terms: fields of each pixel, int64 (P, NUM_TERMS).
        tables: float (P, NUM_TERMS, NUM_VALUES).
        shading: features of the state, (B, num_features), to NUM_SHADES numbers.
        shades: how these brighten each pixel, 0 at first, float (P, NUM_SHADES).
    """

    byte: Tensor
    mask: Tensor
    pixels: Tensor
    kept: Tensor
    terms: Tensor

    def __init__(self, height: int, width: int, num_bytes: int, num_features: int) -> None:
        super().__init__()
        self.num_pixels, self.num_bytes = height * width, num_bytes
        self.register_buffer("byte", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("mask", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("pixels", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("kept", torch.zeros(0))
        self.register_buffer("terms", torch.zeros(0, NUM_TERMS, dtype=torch.int64))
        self.tables = nn.Parameter(torch.zeros(0, NUM_TERMS, NUM_VALUES))
        self.shading = nn.Linear(num_features, NUM_SHADES)
        self.shades = nn.Parameter(torch.zeros(0, NUM_SHADES))

    @torch.no_grad()
    def fit(self, found: FoundPixels, background: Tensor) -> None:
        """Take over what a search found.

        Args:
            found: pixels of frames minus the background.
            background: what is drawn in all frames, float (H, W).
        """
        device = self.pixels.device
        self.byte, self.mask = (each.to(device) for each in found.fields)
        self.pixels, self.terms = found.pixels.to(device), found.terms.to(device)
        self.kept = (~found.is_determined).float().to(device)
        own = (1 - self.kept) * background.flatten()[self.pixels]
        constants = found.constants.to(device) + own
        self.tables.data = found.tables.to(device, copy=True)
        self.tables[:, 0] += constants[:, None]
        self.shades.data = torch.zeros(len(self.pixels), NUM_SHADES, device=device)

    @property
    def drawn_over(self) -> Tensor:
        """Pixels where the tables take the place of what is drawn already, int64 (pixels,)."""
        return self.pixels[self.kept == 0]

    def forward(self, images: Tensor, features: Tensor, states: Tensor) -> Tensor:
        """Draw pixels into images in place, and return these.

        Args:
            images: (B, H * W).
            features: of the states, float (B, num_features).
            states: uint8 (B, bytes).
        """
        if not len(self.pixels):
            return images
        values = Fields(self.byte, self.mask).values(states)
        is_trained = self.kept[:, None, None] > 0
        tables = torch.where(is_trained, self.tables, self.tables.detach())
        # A row of a field for all frames is copied as a whole.
        rows = values.T.contiguous().index_select(0, self.terms.flatten())
        entries = tables.flatten(0, 1).gather(1, rows).view(*self.terms.shape, -1)
        added = entries.sum(1).T
        shades = self.shading(features).float() @ (self.shades * self.kept[:, None]).T
        added = added * (1 + shades)
        before = images.index_select(1, self.pixels) * self.kept
        return images.index_copy_(1, self.pixels, before + added)

    def _later_than(self, stored: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The first files have no shades."""
        if "tables" not in stored:
            return {}
        shades = torch.zeros(len(stored["tables"]), NUM_SHADES)
        return {"shades": shades, **self.shading.state_dict(prefix="shading.")}

    def _check(self) -> None:
        num_fields, num = len(self.byte), len(self.pixels)
        if num > MAX_PIXELS:
            raise ValueError(f"there must be at most {MAX_PIXELS} pixels, not {num}")
        self._expect("byte", (num_fields,), range(self.num_bytes))
        self._expect("mask", (num_fields,))
        if not set(self.mask.tolist()) <= {*BITS, *HALVES}:
            raise ValueError("mask must be bits and halves of bytes")
        self._expect("pixels", (num,), range(self.num_pixels))
        self._expect("kept", (num,))
        self._expect("terms", (num, NUM_TERMS), range(num_fields))
        self._expect("tables", (num, NUM_TERMS, NUM_VALUES))
        self._expect("shades", (num, NUM_SHADES))
