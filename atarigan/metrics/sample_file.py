"""Samples that were made elsewhere."""

from pathlib import Path

import numpy as np

from atarigan.errors import InputError
from atarigan.metrics.judge import Samples


def read_samples(path: Path) -> Samples:
    """The one array of an .npz; gray frames may lack their channel.

    Raises:
        InputError: it cannot be read, or holds more than one array or no samples.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = list(arrays)
            if len(names) != 1:
                raise InputError(f"{path} must hold 1 array, not {len(names)}: {', '.join(names)}")
            samples = arrays[names[0]]
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except (ValueError, OSError, EOFError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is not a readable .npz: {reason}") from None
    if samples.dtype == np.uint8 and samples.ndim == 3:
        samples = samples[..., None]
    is_points = samples.ndim == 2 and samples.dtype.kind == "f"
    if not is_points and (samples.ndim != 4 or samples.dtype != np.uint8):
        raise InputError(
            f"{path} must hold frames uint8 (N, H, W, C) or points float (N, 2), "
            f"not {samples.dtype} {samples.shape}"
        )
    return np.asarray(samples)
