"""States of a game: RAM read by networks, split into groups of bytes, and drawn from a prior."""
