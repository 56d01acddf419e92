"""What an environment shows now, in the formats that a buffer stores and a policy looks at."""

from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.layout import layout_of_space
from atarigan.images.pixels import FrameFormat, Frames


class Screen(Protocol):
    """The picture of one environment, read anew after every reset and step.

    Frames are uint8 (H, W, C) at the environment's own size, and only valid until the next step.
    """

    height: int
    width: int

    def observe(self, observation: Any) -> None:
        """Take notice of a reset or a step: what the environment returned from it."""

    def rgb(self) -> Frames:
        """(H, W, 3)."""

    def gray(self) -> Frames:
        """(H, W, 1)."""

    def palette(self) -> Frames:
        """(H, W, 1) of ALE color indices. Raises InputError where there is no palette."""

    def ram(self) -> npt.NDArray[np.uint8] | None:
        """The console's memory, (bytes,), or None where there is none."""

    def lives(self) -> int:
        """Lives that the player has left; 0 where they are not counted."""

    def palette_name(self) -> str | None:
        """Which of `pixels.PALETTES` the indices point into; None where there is no palette."""


def screen_of(env: gym.Env[Any, Any], *, max_pool: bool = False) -> Screen:
    """ALE's own screen where there is an emulator, else the image observation, else the rendering.

    Args:
        max_pool: show the brighter, pixel by pixel, of the last two frames observed.

    Raises:
        InputError: the environment shows no image.
    """
    if hasattr(env.unwrapped, "ale"):
        return (PooledAleScreen if max_pool else AleScreen)(env.unwrapped.ale)
    return (PooledImageScreen if max_pool else ImageScreen)(env)


def read_frame(screen: Screen, frame_format: FrameFormat) -> Frames:
    """The screen in a buffer's format, uint8 `frame_format.shape`.

    Raises:
        InputError: palette indices of an environment that has none.
    """
    frame: Frames = getattr(screen, frame_format.name)()
    is_palette = frame_format.name == "palette"
    return pixels.resize(frame, frame_format.height, frame_format.width, indices=is_palette)


class AleScreen:
    """The screen of an `ale_py.ALEInterface`, read from the emulator, whatever is observed."""

    def __init__(self, ale: Any) -> None:
        self._ale = ale
        self.height, self.width = ale.getScreenDims()

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

    def ram(self) -> npt.NDArray[np.uint8]:
        memory: npt.NDArray[np.uint8] = self._ale.getRAM()
        return memory

    def lives(self) -> int:
        return int(self._ale.lives())

    def palette_name(self) -> str:
        """Found by comparing colors; where the screen shows none that tell, by its height."""
        indices, colors = self._ale.getScreen(), self._ale.getScreenRGB()
        fitting = [
            name
            for name in pixels.PALETTES
            if np.array_equal(pixels.ale_palette(name)[indices], colors)
        ]
        if len(fitting) == 1:
            return fitting[0]
        return "pal" if self.height == 250 else "ntsc"


class PooledAleScreen(AleScreen):
    """The brighter, pixel by pixel, of the last two screens observed.

    Pooled are color indices by their gray level, so every pixel has a color that the game showed.
    """

    def __init__(self, ale: Any) -> None:
        super().__init__(ale)
        self._palette_name = super().palette_name()
        self._earlier = self._newest = super().palette()

    def observe(self, observation: Any) -> None:
        self._earlier, self._newest = self._newest, super().palette()

    def palette(self) -> Frames:
        grays = pixels.ale_grays(self._palette_name)
        is_newest = grays[self._newest] >= grays[self._earlier]
        return np.where(is_newest, self._newest, self._earlier)

    def rgb(self) -> Frames:
        return pixels.ale_palette(self._palette_name)[self.palette()[..., 0]]

    def gray(self) -> Frames:
        grays = pixels.ale_grays(self._palette_name)
        return np.maximum(grays[self._newest], grays[self._earlier])

    def palette_name(self) -> str:
        return self._palette_name


class ImageScreen:
    """The screen of any other environment: its image observation, or `render()` in mode rgb_array.

    Of an observation that is a stack of frames, the newest is shown; see
    `atarigan.images.layout.layout_of_space` for what counts as an image.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self._env = env
        self._layout = layout_of_space(env.observation_space)
        if self._layout is not None:
            self.height, self.width = self._layout.height, self._layout.width
            self._frame: Frames = np.zeros(self._layout.frame_format.shape, np.uint8)
            return
        if env.render_mode != "rgb_array":
            name = env.spec.id if env.spec else type(env.unwrapped).__name__
            raise InputError(
                f"environment {name} must have image observations or render_mode='rgb_array', "
                f"not {env.observation_space} and render_mode={env.render_mode!r}"
            )
        env.reset(seed=0)
        self._frame = self._rendered()
        self.height, self.width = self._frame.shape[:2]

    def observe(self, observation: Any) -> None:
        if self._layout is None:
            self._frame = self._rendered()
        else:
            observed = np.asarray(observation)
            if (observed.shape, observed.dtype) != (self._layout.shape, self._layout.dtype):
                raise InputError(
                    f"observations must stay {self._layout.dtype} {self._layout.shape}, as the "
                    f"observation space says, not {observed.dtype} {observed.shape}"
                )
            self._frame = self._layout.newest(observed)

    def rgb(self) -> Frames:
        frame = self._shown()
        return frame if frame.shape[2] == 3 else pixels.gray_to_rgb(frame)

    def gray(self) -> Frames:
        frame = self._shown()
        return frame if frame.shape[2] == 1 else pixels.rgb_to_gray(frame)

    def palette(self) -> Frames:
        raise InputError("frame format palette needs an ALE environment, which this is not")

    def ram(self) -> None:
        return None

    def lives(self) -> int:
        return 0

    def palette_name(self) -> None:
        return None

    def _shown(self) -> Frames:
        return self._frame

    def _rendered(self) -> Frames:
        try:
            picture: Any = self._env.render()
        except gym.error.Error as error:  # a package that draws is missing
            raise InputError(f"the environment cannot be rendered: {error}") from error
        frame: Frames = np.asarray(picture)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise InputError(f"render() must give uint8 (H, W, 3), not {frame.dtype} {frame.shape}")
        if hasattr(self, "height") and frame.shape[:2] != (self.height, self.width):
            raise InputError(
                f"render() must keep its size, {self.height}x{self.width}, not change to "
                f"{frame.shape[0]}x{frame.shape[1]}"
            )
        return frame


class PooledImageScreen(ImageScreen):
    """The brighter, channel by channel, of the last two frames observed."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._earlier = self._frame

    def observe(self, observation: Any) -> None:
        self._earlier = self._frame
        super().observe(observation)
        self._frame = self._frame.copy()  # environments may draw into the same array again

    def _shown(self) -> Frames:
        return np.maximum(self._frame, self._earlier)
