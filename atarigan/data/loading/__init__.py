"""Transitions of a buffer for the loaders of other libraries: torch's and torchrl's."""
