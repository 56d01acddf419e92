"""Read the current picture of an environment, in the formats of buffers and policies."""

import itertools
from collections import deque
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.config.condition import OBSERVATION
from atarigan.data.states import State, usual_kind, vector_of
from atarigan.errors import InputError
from atarigan.images import pixels
from atarigan.images.env_layout import layout_of_env
from atarigan.images.pixels import FrameFormat, Frames


class Screen(Protocol):
    """The picture of one environment.

    Frames are uint8 (H, W, C) in the environment's own size. They are valid until the next step.
    An environment without an emulator has no RAM and no lives.

    Attributes:
        is_observation: whether the picture is the environment's observation.
    """

    height: int
    width: int
    is_observation: bool = False

    def observe(self, observation: Any) -> None:
        """Update the picture from the observation that a reset or a step returned."""
        return

    def rgb(self) -> Frames:
        """Return the picture in RGB, (H, W, 3)."""

    def gray(self) -> Frames:
        """Return the picture in gray, (H, W, 1)."""

    def palette(self) -> Frames:
        """Return ALE's color indices, (H, W, 1).

        Raises:
            InputError: the screen has no palette.
        """
        raise InputError(
            "frame format palette needs an ALE environment without wrappers, which this is not"
        )

    def ram(self) -> npt.NDArray[np.uint8] | None:
        """Return the RAM (the console's 128 bytes of memory), or None without RAM."""
        return None

    def state(self) -> State | None:
        """Return the RAM, or else the observation if that is a vector, or else None."""
        return self.ram()

    def lives(self) -> int:
        """Return the number of lives left; 0 if the game does not count them."""
        return 0

    def palette_name(self) -> str | None:
        """Return the entry of `pixels.PALETTES` that the indices refer to, or None."""
        return None

    def fingerprint(self) -> int:
        """Return a hash of the picture, which is valid in this process only."""
        return hash(self.gray().tobytes())


def read_frame(screen: Screen, frame_format: FrameFormat) -> Frames:
    """Return the screen in a buffer's format, uint8 `frame_format.shape`.

    Raises:
        InputError: the format is "palette" and the screen has no palette.
    """
    frame: Frames = getattr(screen, frame_format.name)()
    is_palette = frame_format.name == "palette"
    return pixels.resize(frame, frame_format.height, frame_format.width, indices=is_palette)


class AleScreen(Screen):
    """The screen of an `ale_py.ALEInterface`, read from the emulator when it is asked for.

    It is what the environment shows only if no wrapper changes observations.
    """

    def __init__(self, ale: Any) -> None:
        self._ale = ale
        self.height, self.width = ale.getScreenDims()

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

    def fingerprint(self) -> int:
        return hash(self._ale.getScreen().tobytes())

    def palette_name(self) -> str:
        """Find the palette by the colors on the screen or, if both palettes fit, by its height."""
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
    """The brightest of the last screens at each pixel.

    Brightness is the gray level of the color index, so every color is one that the game showed.

    Args:
        ale: the emulator.
        num_pooled: number of screens, at least 2.
    """

    def __init__(self, ale: Any, num_pooled: int = 2) -> None:
        super().__init__(ale)
        self._palette_name = super().palette_name()
        self._observed = deque([super().palette()], maxlen=num_pooled)

    def observe(self, observation: Any) -> None:
        self._observed.append(super().palette())

    def palette(self) -> Frames:
        grays = pixels.ale_grays(self._palette_name)
        brightest = self._observed[0]
        for newer in itertools.islice(self._observed, 1, None):
            brightest = np.where(grays[newer] >= grays[brightest], newer, brightest)
        return brightest

    def rgb(self) -> Frames:
        return pixels.ale_palette(self._palette_name)[self.palette()[..., 0]]

    def gray(self) -> Frames:
        grays = pixels.ale_grays(self._palette_name)
        brightest: Frames = np.maximum.reduce([grays[screen] for screen in self._observed])
        return brightest

    def palette_name(self) -> str:
        return self._palette_name


class MaximumAleScreen(AleScreen):
    """The elementwise maximum of the last two screens, as policies see it in training.

    stable-baselines3's MaxAndSkipEnv takes it of RGB, Gymnasium's AtariPreprocessing of gray.
    """

    def __init__(self, ale: Any) -> None:
        super().__init__(ale)
        self._rgb = [super().rgb()] * 2
        self._gray = [super().gray()] * 2

    def observe(self, observation: Any) -> None:
        self._rgb = [self._rgb[1], super().rgb()]
        self._gray = [self._gray[1], super().gray()]

    def rgb(self) -> Frames:
        return np.maximum(*self._rgb)

    def gray(self) -> Frames:
        return np.maximum(*self._gray)


class RamScreen(Screen):
    """What a policy sees of a game that has no picture: RAM uint8 (bytes,)."""

    height = width = 0

    def __init__(self, ram: npt.NDArray[np.uint8]) -> None:
        self._ram = ram

    def ram(self) -> npt.NDArray[np.uint8]:
        return self._ram

    def rgb(self) -> Frames:
        raise InputError("a policy that plays a dream must read RAM, not frames")

    def gray(self) -> Frames:
        return self.rgb()


class ImageScreen(Screen):
    """The image observation of an environment, or its `render()` in mode rgb_array.

    Stacked observations show their newest frame. `atarigan.images.env_layout.layout_of_env` defines
    which observations are images. RAM and lives are those of the emulator, if there is one below
    the wrappers.

    Raises:
        InputError: the environment shows no image.
    """

    def __init__(self, env: gym.Env[Any, Any], layout: str | None = None) -> None:
        self._env = env
        self._ale: Any = getattr(env.unwrapped, "ale", None)
        self._layout = layout_of_env(env, layout)
        self.is_observation = self._layout is not None
        kind = usual_kind(env.observation_space, shows_images=self.is_observation)
        self._shows_vector = kind == OBSERVATION
        self._observation: Any = None
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
        self._observation = observation
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

    def ram(self) -> npt.NDArray[np.uint8] | None:
        return None if self._ale is None else self._ale.getRAM()

    def state(self) -> State | None:
        ram = self.ram()
        if ram is not None or not self._shows_vector:
            return ram
        return vector_of(self._observation, OBSERVATION)

    def lives(self) -> int:
        return 0 if self._ale is None else int(self._ale.lives())

    def _shown(self) -> Frames:
        return self._frame

    def _rendered(self) -> Frames:
        try:
            picture: Any = self._env.render()
        except gym.error.Error as error:  # a package for rendering is missing
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
    """The elementwise maximum of the last observed frames.

    Args:
        env: the environment.
        num_pooled: number of frames, at least 2.
        layout: as for `ImageScreen`.
    """

    def __init__(
        self, env: gym.Env[Any, Any], num_pooled: int = 2, layout: str | None = None
    ) -> None:
        super().__init__(env, layout)
        self._observed = deque([self._frame], maxlen=num_pooled)

    def observe(self, observation: Any) -> None:
        super().observe(observation)
        self._observed.append(self._frame.copy())  # the environment may reuse the array

    def _shown(self) -> Frames:
        pooled: Frames = np.maximum.reduce(list(self._observed))
        return pooled
