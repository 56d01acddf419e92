"""Measurements, each a function of samples."""
