"""What a GAN can learn: every source of real samples behind one protocol."""

from atarigan.data.sources import buffered_frames, cifar, idx_images, image_folder, points
from atarigan.data.sources.source import SOURCES, Batch, DataSource

__all__ = [
    "SOURCES",
    "Batch",
    "DataSource",
    "buffered_frames",
    "cifar",
    "idx_images",
    "image_folder",
    "points",
]
