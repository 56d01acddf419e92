"""DeviceFrames: a generator's frames as agents see them, drawn on its device."""

import torch
from torch import Tensor

from atarigan.images.layout import layout_of_frames
from atarigan.images.pixels import ale_palette
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.latents import batches


class DeviceFrames:
    """Draws frames uint8 (N, H, W, C) on the device of a generator; palette indices become RGB.

    Args:
        generator: draws the frames.

    Attributes:
        layout: layout of a frame.
        device: of the generator.

    Raises:
        InputError: the generator makes points.
    """

    def __init__(self, generator: FrameGenerator) -> None:
        self.layout = layout_of_frames(generator.frame_format)
        self.device = generator.device
        self._generator = generator
        palette = generator.frame_format.palette
        self._palette = None
        if palette is not None:
            self._palette = torch.tensor(ale_palette(palette), device=self.device)

    def decode(self, latents: Tensor, conditions: Tensor | None) -> Tensor:
        """Return the frames of latents (N, latent_size) and conditions (N, ...) of the device."""
        frames = torch.empty(
            (len(latents), *self.layout.shape), dtype=torch.uint8, device=self.device
        )
        largest = self._generator.largest_batch if self.device.type == "cpu" else len(latents)
        for part in batches(len(latents), max(largest, 1)):
            some = None if conditions is None else conditions[part]
            drawn = self._generator.decode_on_device(latents[part], some)
            frames[part] = drawn if self._palette is None else self._palette[drawn[..., 0].int()]
        return frames
