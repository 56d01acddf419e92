"""Sources of real samples, behind one protocol. Importing this package registers all of them."""

from atarigan.data.sources import buffered_frames, image_folder, labeled_images, points
from atarigan.data.sources.source import SOURCES, Batch, DataSource

__all__ = [
    "SOURCES",
    "Batch",
    "DataSource",
    "buffered_frames",
    "image_folder",
    "labeled_images",
    "points",
]
