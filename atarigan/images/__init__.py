"""Frames as arrays: pixel formats, layouts, colors."""
