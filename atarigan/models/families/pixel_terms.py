"""Pixels that are sums of a few terms, each of which one part of a state switches on."""

from typing import Any

import torch
from torch import Tensor, nn

from atarigan.models.sized_by_data import SizedByData
from atarigan.models.state.pixel_search import MOST_PIXELS, NUM_TERMS, FoundPixels, Parts


class PixelTerms(SizedByData):
    """Adds to images, at the pixels that a search found, the weights of the parts of states that
    are there (`models/state/pixel_search.py`).

    The weights are trained on. Bits that stand for bricks or digits then hold in combinations that
    never occurred, which features of whole states hardly do.

    Attributes:
        byte, mask, value: the parts, as in `Parts`, int64 (parts,) and uint8 (parts,) twice.
        pixels: int64 (P,).
        terms: parts of each pixel, int64 (P, NUM_TERMS).
        weights: float (P, NUM_TERMS).
    """

    byte: Tensor
    mask: Tensor
    value: Tensor
    pixels: Tensor
    terms: Tensor

    def __init__(self, height: int, width: int, num_bytes: int) -> None:
        super().__init__()
        self.num_pixels, self.num_bytes = height * width, num_bytes
        self.register_buffer("byte", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("mask", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("value", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("pixels", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("terms", torch.zeros(0, NUM_TERMS, dtype=torch.int64))
        self.weights = nn.Parameter(torch.zeros(0, NUM_TERMS))

    @torch.no_grad()
    def fit(self, found: FoundPixels) -> None:
        """Take over what a search found, but for the constants."""
        device = self.pixels.device
        self.byte, self.mask, self.value = (each.to(device) for each in found.parts)
        self.pixels, self.terms = found.pixels.to(device), found.terms.to(device)
        self.weights.data = found.weights.to(device)

    def forward(self, images: Tensor, states: Tensor) -> Tensor:
        """Add the terms of states uint8 (B, bytes) to images (B, H, W) in place; return these."""
        if not len(self.pixels):
            return images
        active = Parts(self.byte, self.mask, self.value).of(states).to(images.dtype)
        # A row of a part for all frames is copied as a whole.
        rows = active.T.contiguous().index_select(0, self.terms.flatten())
        parts = (rows * self.weights.flatten()[:, None]).view(len(self.pixels), NUM_TERMS, -1)
        images.view(images.shape[0], -1).index_add_(1, self.pixels, parts.sum(1).T)
        return images

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        for name, tensor in self.state_dict().items():  # files may be older than this module
            state_dict.setdefault(prefix + name, tensor[:0])
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _check(self) -> None:
        num_parts, num = len(self.byte), len(self.pixels)
        if num > MOST_PIXELS:
            raise ValueError(f"there must be at most {MOST_PIXELS} pixels, not {num}")
        self._expect("byte", (num_parts,), range(self.num_bytes))
        self._expect("mask", (num_parts,))
        self._expect("value", (num_parts,))
        self._expect("pixels", (num,), range(self.num_pixels))
        self._expect("terms", (num, NUM_TERMS), range(num_parts))
        self._expect("weights", (num, NUM_TERMS))
