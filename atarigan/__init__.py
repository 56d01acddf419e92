"""Generated observations for Gymnasium: collect frames, train a GAN, put the generator back.

Importing this package loads no torch; `FrameGenerator` does when it is first used.
"""

from typing import TYPE_CHECKING, Any

import gymnasium

from atarigan.errors import InputError
from atarigan.frames.frame_buffer import FrameBuffer

if TYPE_CHECKING:
    from atarigan.frame_generator import FrameGenerator

__all__ = ["FrameBuffer", "FrameGenerator", "InputError", "__version__"]
__version__ = "0.1.0"

gymnasium.register(
    id="atarigan/Generated-v0",
    entry_point="atarigan.envs.registration:make_generated",
    disable_env_checker=True,
)


def __getattr__(name: str) -> Any:
    if name == "FrameGenerator":
        from atarigan.frame_generator import FrameGenerator

        return FrameGenerator
    raise AttributeError(f"module 'atarigan' has no attribute {name!r}")
