"""The entropy of bytes."""

import numpy as np
import numpy.typing as npt


def entropy(values: npt.NDArray[np.uint8]) -> float:
    """Return the entropy of bytes (n,) in bits for each; 0 of none."""
    counts = np.bincount(values)
    shares = counts[counts > 0] / max(len(values), 1)
    return float(-(shares * np.log2(shares)).sum())
