"""GeneratedObservation: an environment whose observations come from a generator."""

import inspect
import warnings
from pathlib import Path
from typing import Any, Unpack

import gymnasium as gym
from gymnasium.wrappers import AtariPreprocessing

from atarigan.config.condition import includes_ram
from atarigan.images.env_layout import layout_of_env
from atarigan.models.latent_stream import Decoder

from .env_provenance import provenance_of
from .game_copies import CopiedWithGame
from .game_steps import JoystickWatch
from .generation_options import GenerationKwargs, GenerationOptions, Mode
from .json_spec import for_spec
from .observation_stream import ObservationStream, seed_from
from .ram_info import warn_if_delayed
from .state_reading import check_gives, state_of_env


class GeneratedObservation(
    CopiedWithGame, gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs
):
    """Replaces observations with generated frames; the game and its rewards stay real.

    Image observations, in any layout of `ImageLayout`, keep their observation space: generated
    frames are converted to its size, colors, value range and axes. A frame stack holds consecutive
    generated frames, and a reset fills it with the first one. In mode "mix", the older frames of a
    stack stay as they were shown. Other observations (RAM, a Dict) become the generator's frames,
    uint8 (H, W, C), with palette indices as RGB; a warning says so if they seem to hold images.

    A generator that was trained with `--condition ram` reads RAM, the console's 128 bytes of
    memory, at every step and draws the frame that belongs to it, so the agent sees generated frames
    of its own game. The RAM is that of the newest emulator frame, even if an observation combines
    several frames or an episode begins when a life is lost. One of `--condition ram+action` reads
    the action that the game got last as well. A generator that was trained on max-pooled frames
    (`collect --max-pool`) draws max-pooled frames.

    One that was trained with `--condition observation` draws the frame of each observation, which
    must be the vector of numbers that it learned, so that the environment needs no renderer; one of
    `--condition info:KEY` draws the frame of that entry of info. Numbers outside of the range of
    the training data are clipped to it, and `num_clipped` counts these states.

    One that was trained with `--condition code` encodes each real observation, which must be an
    image, and draws the frame of its code.

    `reset(seed=s)` determines all observations. Without a seed, latents are seeded from the
    environment's own random generator, which is not advanced.

    `render()` needs render_mode "rgb_array" and returns the newest frame, RGB uint8 (H, W, 3).

    A deep copy in mid-game goes on as the original does with the same actions, except that ALE's
    state lacks the action that a sticky action would repeat next.

    Place this wrapper outside `gymnasium.wrappers.AtariPreprocessing`, which reads the emulator's
    screen and ignores the observations inside it.

    Args:
        env: the environment.
        generator: a FrameGenerator; what `FrameGenerator.load` takes, such as a run folder, the
            name of a shipped generator, or "hf://USER/NAME"; or a .onnx file.
        mode: "replace", "mix" or "info".
        options: `probability`, `latent`, `walk_length`, `layout`, `render` and `allow_other_game`.
            `GenerationOptions` describes them and the modes.

    Raises:
        InputError: an option is out of range; mode is "mix" and observations are not images; the
            environment's render mode cannot show generated frames; or the generator reads RAM and
            the environment has none or is another game.

    Example:
        >>> import gymnasium as gym
        >>> from atarigan.envs import GeneratedObservation
        >>> env = gym.make("ALE/Pong-v5", obs_type="grayscale")
        >>> env = GeneratedObservation(env, "pong", mode="mix", probability=0.5)
        >>> observation, info = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, info = env.step(2)
        >>> observation.shape
        (210, 160)
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        generator: Decoder | str | Path,
        mode: Mode = "replace",
        **options: Unpack[GenerationKwargs],
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self, _disable_deepcopy=True, generator=for_spec(generator), mode=mode, **options
        )
        gym.Wrapper.__init__(self, env)
        generation = GenerationOptions(mode, **options)
        generation.check_render_mode(env.render_mode)
        self.metadata = {**env.metadata, "render_modes": ["rgb_array"]}
        layout = layout_of_env(env, generation.layout)
        self._stream = ObservationStream(
            generator, env.observation_space, layout, 1, generation, provenance_of(env)
        )
        self._watch: JoystickWatch | None = None
        if self._stream.given_state is not None:
            check_gives(env, self._stream.given_state)
            if includes_ram(self._stream.given_state.kind):
                warn_if_delayed(env)
            if self._stream.given_state.adds_action:
                self._watch = JoystickWatch.in_game_of(self)
        self.observation_space = self._stream.space
        self._real_observation: Any = None
        self._is_placement_checked = False

    @property
    def num_clipped(self) -> int:
        """States so far with a number outside of the range that the generator learned."""
        return self._stream.num_clipped

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        if not self._is_placement_checked:
            self._is_placement_checked = True
            _warn_if_ignored(self)
        observation, info = self.env.reset(seed=seed, options=options)
        self._seed(seed)
        return self._generated(observation, info, is_first=True)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._seed(None)  # some environments can be stepped without a reset
        observation, info = self._generated(observation, info, is_first=False)
        return observation, reward, terminated, truncated, info

    def render(self) -> Any:
        if self.render_mode is None:
            return self.env.render()
        if self._real_observation is None:
            raise gym.error.ResetNeeded("cannot render before the first reset")
        return self._stream.pictures([self._real_observation], lambda: [self.env.render()])[0]

    def _seed(self, seed: int | None) -> None:
        self._stream.seed([0], [seed], lambda: [seed_from(self.env.np_random)])

    def _generated(
        self, observation: Any, info: dict[str, Any], *, is_first: bool
    ) -> tuple[Any, dict[str, Any]]:
        self._real_observation = observation
        state, states = self._stream.given_state, None
        if state is not None:
            states = state_of_env(self.env, state, (observation, info), self._watch)[None]
        generated = self._stream.generate([0], [is_first], [observation], states)[0]
        if self._stream.options.mode == "info":
            return observation, {**info, "generated_observation": generated}
        return generated, info


def _warn_if_ignored(wrapper: gym.Env[Any, Any]) -> None:
    """Warn if an AtariPreprocessing around the wrapper ignores its observations.

    A wrapper does not know what is around it. While it is reset, outer wrappers are on the call
    stack.
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
