"""The layout of image observations, for the wrappers: see `atarigan.frames.layout`."""

from atarigan.frames.layout import ImageLayout, layout_of_frames, layout_of_space

__all__ = ["ImageLayout", "layout_of_frames", "layout_of_space"]
