"""What an environment shows right now, in the formats that buffers store and policies look at."""

from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan import pixels
from atarigan.errors import InputError
from atarigan.pixels import FrameFormat, Frames


class Screen(Protocol):
    """The picture of one environment, read anew after every reset and step.

    Frames are uint8 (H, W, C) at the environment's own size, and only valid until the next step.
    """

    height: int
    width: int

    def observe(self, observation: Any) -> None:
        """Take notice of a step: what the environment returned from reset or step."""

    def rgb(self) -> Frames:
        """(H, W, 3)."""

    def gray(self) -> Frames:
        """(H, W, 1)."""

    def palette(self) -> Frames:
        """(H, W, 1) of ALE colour indices. Raises InputError where there is no palette."""

    def ram(self) -> npt.NDArray[np.uint8] | None:
        """The console's memory, (bytes,), or None where there is none."""

    def palette_name(self) -> str | None:
        """Which of `pixels.PALETTES` the indices point into; None where there is no palette."""


def screen_of(env: gym.Env[Any, Any]) -> "Screen":
    """An environment's screen: ALE's own, else its image observation, else its rendering.

    Raises:
        InputError: the environment shows no image.
    """
    if hasattr(env.unwrapped, "ale"):
        return AleScreen(env.unwrapped.ale)
    return ImageScreen(env)


class AleScreen:
    """The screen of an `ale_py.ALEInterface`, read from the emulator, whatever is observed."""

    def __init__(self, ale: Any) -> None:
        self._ale = ale
        self.height, self.width = ale.getScreenDims()
        self._palette_name: str | None = None

    def observe(self, observation: Any) -> None:
        """Nothing to do: the emulator is asked when a frame is wanted."""

    def rgb(self) -> Frames:
        frame: Frames = self._ale.getScreenRGB()
        return frame

    def gray(self) -> Frames:
        frame: Frames = self._ale.getScreenGrayscale()
        return frame[..., None]

    def palette(self) -> Frames:
        frame: Frames = self._ale.getScreen()
        return frame[..., None]

    def ram(self) -> npt.NDArray[np.uint8] | None:
        memory: npt.NDArray[np.uint8] = self._ale.getRAM()
        return memory

    def palette_name(self) -> str | None:
        """Found by comparing colours.

        While the screen shows none that tell, by its height: PAL games are 250 high.
        """
        if self._palette_name is None:
            indices, colours = self.palette()[..., 0], self.rgb()
            fitting = [
                name
                for name in pixels.PALETTES
                if np.array_equal(pixels.ale_palette(name)[indices], colours)
            ]
            if len(fitting) != 1:
                return "pal" if self.height == 250 else "ntsc"
            self._palette_name = fitting[0]
        return self._palette_name


class ImageScreen:
    """The screen of any other environment: its image observation, or `render()` in mode rgb_array.

    An observation is an image when it is a uint8 Box of shape (H, W), (H, W, 1) or (H, W, 3), or a
    stack of such, (K, H, W, …), whose newest frame comes last.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self._env = env
        self._frame: Frames | None = None
        self._shows_observation = _is_image(env.observation_space)
        if not self._shows_observation and env.render_mode != "rgb_array":
            name = env.spec.id if env.spec else type(env.unwrapped).__name__
            raise InputError(
                f"environment {name} must have image observations or render_mode='rgb_array', "
                f"not {env.observation_space} and render_mode={env.render_mode!r}"
            )
        if self._shows_observation:
            blank = np.empty(env.observation_space.shape or (), np.uint8)
            self.height, self.width = _newest_frame(blank).shape[:2]
        else:
            env.reset(seed=0)
            self.observe(None)
            self.height, self.width = self.rgb().shape[:2]

    def observe(self, observation: Any) -> None:
        if self._shows_observation:
            self._frame = _newest_frame(np.asarray(observation))
        else:
            rendered: Any = self._env.render()
            self._frame = np.asarray(rendered, dtype=np.uint8)

    def rgb(self) -> Frames:
        frame = self._newest()
        return frame if frame.shape[2] == 3 else pixels.gray_to_rgb(frame)

    def gray(self) -> Frames:
        frame = self._newest()
        return frame if frame.shape[2] == 1 else pixels.rgb_to_gray(frame)

    def palette(self) -> Frames:
        raise InputError("frame format palette needs an ALE environment, which this is not")

    def ram(self) -> None:
        return None

    def palette_name(self) -> None:
        return None

    def _newest(self) -> Frames:
        if self._frame is None:
            raise RuntimeError("the screen shows nothing before the first reset")
        return self._frame


def read_frame(screen: Screen, frame_format: FrameFormat) -> Frames:
    """The screen in a buffer's format, uint8 `frame_format.shape`.

    Raises:
        InputError: palette indices of an environment that has none.
    """
    frame: Frames = getattr(screen, frame_format.name)()
    is_palette = frame_format.name == "palette"
    return pixels.resize(frame, frame_format.height, frame_format.width, indices=is_palette)


def _is_image(space: gym.Space[Any]) -> bool:
    if not isinstance(space, gym.spaces.Box) or space.dtype != np.uint8:
        return False
    return len(space.shape) == 2 or len(space.shape) in (3, 4)


def _newest_frame(observation: Frames) -> Frames:
    """(H, W, C) out of (H, W), (H, W, C), (K, H, W) or (K, H, W, C), with C 1 or 3."""
    if observation.ndim == 2:
        return observation[..., None]
    if observation.ndim == 4:
        return _newest_frame(observation[-1])
    return observation if observation.shape[2] in (1, 3) else observation[-1][..., None]
