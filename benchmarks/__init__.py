"""Measure speed, compared with the bare limit and a peer: `python -m benchmarks`."""
