"""Gymnasium and stable-baselines3 wrappers that record frames or replace them with generated ones.

Importing this package loads neither torch nor stable-baselines3.
"""

if __name__ != "atarigan.envs":
    raise ImportError(
        f"this package must be imported as atarigan.envs, not {__name__}: "
        "install atarigan (pip install -e .) and write `from atarigan.envs import ...`"
    )

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .frame_capture import FrameCapture, VectorFrameCapture
from .generated_observation import GeneratedObservation
from .generated_vector_observation import GeneratedVectorObservation
from .ram_info import RamInfo

if TYPE_CHECKING:
    from .dream_env import DreamEnv
    from .dream_vec_env import DreamVecEnv
    from .dream_vector_env import DreamVectorEnv
    from .frame_capture_callback import FrameCaptureCallback
    from .generated_vec_env import GeneratedVecEnv
    from .network_dream_env import NetworkDreamEnv
    from .network_dream_vector_env import NetworkDreamVectorEnv
    from .walking_vector_env import WalkingVectorEnv

__all__ = [
    "DreamEnv",
    "DreamVecEnv",
    "DreamVectorEnv",
    "FrameCapture",
    "FrameCaptureCallback",
    "GeneratedObservation",
    "GeneratedVecEnv",
    "GeneratedVectorObservation",
    "NetworkDreamEnv",
    "NetworkDreamVectorEnv",
    "RamInfo",
    "VectorFrameCapture",
    "WalkingVectorEnv",
]

_LOADED_LATE = {
    "DreamEnv": "dream_env",
    "DreamVecEnv": "dream_vec_env",
    "DreamVectorEnv": "dream_vector_env",
    "FrameCaptureCallback": "frame_capture_callback",
    "GeneratedVecEnv": "generated_vec_env",
    "NetworkDreamEnv": "network_dream_env",
    "NetworkDreamVectorEnv": "network_dream_vector_env",
    "WalkingVectorEnv": "walking_vector_env",
}


def __getattr__(name: str) -> Any:
    if name in _LOADED_LATE:
        return getattr(import_module(f".{_LOADED_LATE[name]}", __name__), name)
    raise AttributeError(f"module 'atarigan.envs' has no attribute {name!r}")
