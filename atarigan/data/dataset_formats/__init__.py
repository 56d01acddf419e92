"""Datasets of other libraries. Importing this package registers their formats."""

from atarigan.data.dataset_formats import minari_format
from atarigan.data.dataset_formats.dataset_format import (
    DATASET_FORMATS,
    DatasetFormat,
    format_and_name,
)

__all__ = ["DATASET_FORMATS", "DatasetFormat", "format_and_name", "minari_format"]
