"""GeneratedObservation: an environment whose observations come from a generator."""

import inspect
import warnings
from pathlib import Path
from typing import Any, Literal, get_args

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import AtariPreprocessing

from atarigan.errors import InputError
from atarigan.models.latent_stream import Decoder, Schedule

from .generation_options import GenerationOptions, Mode
from .observation_stream import ObservationStream, beside
from .ram_info import ram_of
from .seeding import drawn_seed

RenderChoice = Literal["agent", "beside"]


class GeneratedObservation(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Gives the agent generated observations; rewards and the game itself stay real.

    Where the wrapped observations are images, in any of the layouts of `ImageLayout`, generated
    frames are brought to their colours, size, scale and place, and the observation space stays what
    it is; a stack holds consecutive generated frames, and a reset fills it with the first. Other
    observations (RAM, a Dict) are replaced by the generator's frames, uint8 (H, W, C), palette
    indices as RGB.

    `reset(seed=s)` determines everything. Without a seed the latents follow from the environment's
    own generator, which is left as it is.

    A generator that was trained with `--condition ram` is told the console's memory at every step
    and draws the frame that belongs to it: the agent sees generated frames of its own game. That is
    the state behind the newest emulator frame, whatever the observation made of it: frames pooled
    against flicker are drawn where it learned from such (`collect --max-pool`), and an episode that
    begins at a lost life begins with the frame of that moment.

    In mode "info" the observation is untouched and info["generated_observation"] holds the
    generated one. In mode "mix" each new frame is generated with `probability`, and a stack
    remembers what its older frames were.

    With render_mode "rgb_array", `render()` gives the newest frame that the agent sees, RGB uint8
    (H, W, 3); with render="beside" the environment's own picture, left, beside it (in mode "info":
    beside the generated one).

    Place it outside `gymnasium.wrappers.AtariPreprocessing`, which shows the emulator's screen
    whatever it wraps.

    Args:
        env: the environment.
        generator: a FrameGenerator, or a run or checkpoint folder to load one from.
        mode, probability, latent, walk_length, layout: see `GenerationOptions`.
        render: "agent" or "beside".

    Raises:
        InputError: an option out of range, mode "mix" without image observations, a render mode
            that cannot show generated frames, or no console whose memory the generator could read.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        generator: Decoder | str | Path,
        mode: Mode = "replace",
        *,
        probability: float = 0.5,
        latent: Schedule = "step",
        walk_length: float = 50.0,
        layout: str | None = None,
        render: RenderChoice = "agent",
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self,
            _disable_deepcopy=True,
            generator=generator,
            mode=mode,
            probability=probability,
            latent=latent,
            walk_length=walk_length,
            layout=layout,
            render=render,
        )
        gym.Wrapper.__init__(self, env)
        check_render_choice(render, env.render_mode)
        self.metadata = {**env.metadata, "render_modes": ["rgb_array"]}
        options = GenerationOptions(mode, probability, latent, walk_length, layout)
        self._stream = ObservationStream(generator, env.observation_space, 1, options)
        if self._stream.reads_ram:
            ram_of(env)  # which says so where there is none
        self.observation_space = self._stream.space
        self._render = render
        self._real_observation: Any = None
        self._may_be_ignored = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        if self._may_be_ignored:
            self._may_be_ignored = False
            _warn_if_ignored(self)
        observation, info = self.env.reset(seed=seed, options=options)
        self._stream.seed([0], [seed], lambda: [drawn_seed(self.env.np_random)])
        return self._generated(observation, info, is_first=True)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        observation, info = self._generated(observation, info, is_first=False)
        return observation, reward, terminated, truncated, info

    def render(self) -> Any:
        if self.render_mode is None:
            return self.env.render()
        if self._render == "beside":
            real: Any = self.env.render()
            return beside(np.asarray(real), self._stream.picture(0))
        pictures = self._stream.agent_pictures([self._real_observation])
        return self.env.render() if pictures is None else pictures[0]

    def _generated(
        self, observation: Any, info: dict[str, Any], *, is_first: bool
    ) -> tuple[Any, dict[str, Any]]:
        self._real_observation = observation
        ram = ram_of(self.env)[None] if self._stream.reads_ram else None
        generated = self._stream.generate([0], [is_first], [observation], ram)[0]
        if self._stream.options.mode == "info":
            return observation, {**info, "generated_observation": generated}
        return generated, info


def check_render_choice(render: RenderChoice, render_mode: str | None) -> None:
    """Raises InputError where an environment of that render mode cannot show what is asked for."""
    if render not in get_args(RenderChoice):
        known = " or ".join(map(repr, get_args(RenderChoice)))
        raise InputError(f"render must be {known}, not {render!r}")
    allowed = ("rgb_array",) if render == "beside" else ("rgb_array", None)
    if render_mode not in allowed:
        hint = "; to watch it, put gymnasium.wrappers.HumanRendering outside"
        raise InputError(
            f"generated observations need render_mode {' or '.join(map(repr, allowed))} with "
            f"render={render!r}, not {render_mode!r}{hint if render_mode == 'human' else ''}"
        )


def _warn_if_ignored(wrapper: gym.Env[Any, Any]) -> None:
    """Warn where an AtariPreprocessing around the wrapper will not look at its observations.

    A wrapper does not know what is around it, but while it is reset, what is around it is calling.
    """
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, AtariPreprocessing) and _is_around(caller, wrapper):
            warnings.warn(
                "AtariPreprocessing reads the emulator's screen and ignores the generated "
                "observations inside it: place GeneratedObservation outside AtariPreprocessing",
                stacklevel=3,
            )
            return
        frame = frame.f_back


def _is_around(outer: gym.Env[Any, Any], inner: gym.Env[Any, Any]) -> bool:
    while isinstance(outer, gym.Wrapper) and outer is not inner:
        outer = outer.env
    return outer is inner
