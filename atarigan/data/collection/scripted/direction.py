"""Which way to go."""


def direction(gap: float, reach: float) -> int:
    """Return the direction of a gap, -1 or 1; 0 if it is within reach."""
    return 0 if abs(gap) <= reach else 1 if gap > 0 else -1
