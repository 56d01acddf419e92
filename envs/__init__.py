"""Gymnasium and stable-baselines3 wrappers: record frames, and put generated ones in their place.

Importing this package loads neither torch nor stable-baselines3.
"""

if __name__ != "atarigan.envs":
    raise ImportError(
        f"this package must be imported as atarigan.envs, not {__name__}: "
        "install atarigan (pip install -e .) and write `from atarigan.envs import ...`"
    )

from importlib import import_module
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


_LOADED_LATE = {
    "FrameCaptureCallback": "sb3",
    "GeneratedVecEnv": "sb3",
    "WalkingVectorEnv": "walking_vector_env",
}


def __getattr__(name: str) -> Any:
    if name in _LOADED_LATE:
        return getattr(import_module(f".{_LOADED_LATE[name]}", __name__), name)
    raise AttributeError(f"module 'atarigan.envs' has no attribute {name!r}")
