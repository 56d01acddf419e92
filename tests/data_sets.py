"""Whether the published data sets are at hand."""

import os

import pytest

needs_data = pytest.mark.skipif(
    "ATARIGAN_DATA" not in os.environ, reason="ATARIGAN_DATA names no folder with the data sets"
)
