"""How ALE moves a paddle: its resistance in ohms, one step a frame."""

from typing import Any

import numpy as np

LEAST_RESISTANCE, MOST_RESISTANCE = 27_450, 790_196  # ALE's PADDLE_MIN and PADDLE_MAX
FIRST_RESISTANCE = (MOST_RESISTANCE - LEAST_RESISTANCE) // 2 + LEAST_RESISTANCE
RESISTANCE_STEP = 23_000  # in a frame to the left; the same down in one to the right


def direction_of(meaning: str) -> int:
    """Return where an action moves the resistance: 1 (to the left), 0 or -1 (to the right)."""
    return ("LEFT" in meaning) - ("RIGHT" in meaning)


def moved(resistance: Any, direction: Any) -> Any:
    """Return the resistance after a frame; numbers or arrays of them."""
    steps = resistance + RESISTANCE_STEP * direction
    return np.minimum(np.maximum(steps, LEAST_RESISTANCE), MOST_RESISTANCE)  # faster than clip
