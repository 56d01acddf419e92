"""Generated observations for Gymnasium: collect frames, train a GAN, put the generator back.

Importing this package loads no torch; `FrameGenerator`, `GeneratedReplay` and `TransitionDataset`
do when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import gymnasium

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.errors import InputError

if TYPE_CHECKING:
    from atarigan.data.loading.transition_dataset import TransitionDataset
    from atarigan.models.dynamics.dream import Dream
    from atarigan.models.frame_generator import FrameGenerator
    from atarigan.models.generated_replay import GeneratedReplay
    from atarigan.models.network_dreams.network_dream import NetworkDream

__all__ = [
    "Dream",
    "FrameBuffer",
    "FrameGenerator",
    "GeneratedReplay",
    "InputError",
    "NetworkDream",
    "TransitionDataset",
    "__version__",
]
_LOADED_LATE = {
    "Dream": "models.dynamics.dream",
    "FrameGenerator": "models.frame_generator",
    "GeneratedReplay": "models.generated_replay",
    "NetworkDream": "models.network_dreams.network_dream",
    "TransitionDataset": "data.loading.transition_dataset",
}
__version__ = "0.1.0"

gymnasium.register(
    id="atarigan/Generated-v0",
    entry_point="atarigan.envs.registration:make_generated",
    vector_entry_point="atarigan.envs.registration:make_generated_vec",
    disable_env_checker=True,
)
gymnasium.register(
    id="atarigan/Dream-v0",
    entry_point="atarigan.envs.dream_registration:make_dream",
    vector_entry_point="atarigan.envs.dream_registration:make_dream_vec",
    disable_env_checker=True,
)


def __getattr__(name: str) -> Any:
    if name in _LOADED_LATE:
        return getattr(import_module(f"atarigan.{_LOADED_LATE[name]}"), name)
    raise AttributeError(f"module 'atarigan' has no attribute {name!r}")
