"""Gymnasium and stable-baselines3 wrappers: record frames, and put generated ones in their place.

Importing this package loads neither torch nor stable-baselines3.
"""

if __name__ != "atarigan.envs":
    raise ImportError(
        f"this package must be imported as atarigan.envs, not {__name__}: "
        "install atarigan (pip install -e .) and write `from atarigan.envs import ...`"
    )

from typing import TYPE_CHECKING, Any

from .capture import FrameCapture, VectorFrameCapture
from .generated import GeneratedObservation
from .ram_info import RamInfo
from .vector import GeneratedVectorObservation

if TYPE_CHECKING:
    from .sb3 import FrameCaptureCallback, GeneratedVecEnv
    from .walking_vector_env import WalkingVectorEnv

__all__ = [
    "FrameCapture",
    "FrameCaptureCallback",
    "GeneratedObservation",
    "GeneratedVecEnv",
    "GeneratedVectorObservation",
    "RamInfo",
    "VectorFrameCapture",
    "WalkingVectorEnv",
]


def __getattr__(name: str) -> Any:
    if name in ("FrameCaptureCallback", "GeneratedVecEnv"):
        from . import sb3

        return getattr(sb3, name)
    if name == "WalkingVectorEnv":
        from .walking_vector_env import WalkingVectorEnv

        return WalkingVectorEnv
    raise AttributeError(f"module 'atarigan.envs' has no attribute {name!r}")
