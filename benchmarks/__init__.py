"""How fast the parts of atarigan are, beside the bare limit and a peer: `python -m benchmarks`."""
