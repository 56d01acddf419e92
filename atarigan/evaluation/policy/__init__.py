"""Policies that act on pixels: cloned from scripted players, and compared by their returns."""
