"""Searches without gradients in frames and states: which bytes and bits determine what is shown."""
