"""Policies that look at pixels: cloned, and compared by what they score."""
