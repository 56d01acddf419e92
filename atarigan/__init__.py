"""Generated observations for Gymnasium: collect frames, train a GAN, put the generator back.

Importing this package loads no torch; `FrameGenerator`, `GeneratedReplay` and `TransitionDataset`
do when they are first used.
"""

from typing import TYPE_CHECKING, Any

import gymnasium

from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.errors import InputError

if TYPE_CHECKING:
    from atarigan.data.loading.transition_dataset import TransitionDataset
    from atarigan.models.frame_generator import FrameGenerator
    from atarigan.models.generated_replay import GeneratedReplay

__all__ = [
    "FrameBuffer",
    "FrameGenerator",
    "GeneratedReplay",
    "InputError",
    "TransitionDataset",
    "__version__",
]
__version__ = "0.1.0"

gymnasium.register(
    id="atarigan/Generated-v0",
    entry_point="atarigan.envs.registration:make_generated",
    vector_entry_point="atarigan.envs.registration:make_generated_vec",
    disable_env_checker=True,
)
gymnasium.register(
    id="atarigan/Dream-v0",
    entry_point="atarigan.envs.dream_env:DreamEnv",
    vector_entry_point="atarigan.envs.dream_vector_env:DreamVectorEnv",
    disable_env_checker=True,
)


def __getattr__(name: str) -> Any:
    if name == "FrameGenerator":
        from atarigan.models.frame_generator import FrameGenerator

        return FrameGenerator
    if name == "GeneratedReplay":
        from atarigan.models.generated_replay import GeneratedReplay

        return GeneratedReplay
    if name == "TransitionDataset":
        from atarigan.data.loading.transition_dataset import TransitionDataset

        return TransitionDataset
    raise AttributeError(f"module 'atarigan' has no attribute {name!r}")
