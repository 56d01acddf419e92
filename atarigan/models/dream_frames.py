"""States of a dream that plays by itself, and frames of its states."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from atarigan.data.collection.frame_player import NO_OP
from atarigan.data.collection.held_actions import HeldActions
from atarigan.data.collection.screen import RamScreen
from atarigan.data.joysticks import Bytes, Joysticks, with_joysticks
from atarigan.data.sample_spec import Ram
from atarigan.errors import InputError
from atarigan.images.pixels import Frames
from atarigan.models.dynamics.dream import Dream, Starts
from atarigan.models.dynamics.dream_batch import DreamBatch
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.latents import Latents

_LATENT_SEED = 0


def generator_of(dream: Dream, device: str = "auto") -> FrameGenerator:
    """Load the generator that draws a dream's frames.

    Args:
        dream: the learned game.
        device: "auto", "cpu" or "cuda".

    Raises:
        InputError: the dream has none, or it is damaged or reads the RAM of another game.
    """
    source = dream.generator_source
    if source is None:
        raise InputError("the dream has no generator that draws its frames: it is RAM alone")
    generator = FrameGenerator.load(source, device)
    if not generator.reads_ram:
        raise InputError(f"the dream's generator {source} must read RAM")
    learned, game = generator.provenance, dream.settings.provenance
    if learned.game not in (None, game.game):
        raise InputError(
            f"the dream's generator {source} must draw {game.title}, not {learned.title}"
        )
    return generator


def frames_of(generator: FrameGenerator, rams: Ram, joysticks: Bytes | None = None) -> Frames:
    """Draw RAM, all with the same latent.

    Args:
        generator: draws it.
        rams: uint8 (N, bytes).
        joysticks: the actions that led to it as bytes (`atarigan.data.joysticks`), uint8 (N,), for
            generators that read them; None for no actions.

    Returns:
        Frames uint8 (N, H, W, C).
    """
    state = generator.state
    if joysticks is not None and state is not None and state.adds_action:
        rams = with_joysticks(rams, joysticks)
    return generator.decode(fixed_latent(generator).repeat(len(rams), axis=0), rams)


def fixed_latent(generator: FrameGenerator) -> Latents:
    """Return the latent of all frames of dreams, float32 (1, latent_size)."""
    return generator.latents(1, _LATENT_SEED)


def with_drawn_starts(
    dream: Dream,
    generator: FrameGenerator | str | Path | None = None,
    num: int = 1000,
    seed: int = 0,
) -> Dream:
    """Return the same dream, whose episodes begin with states that a generator draws, of which
    those that end with the next frame are left out. Lives are those that the dream predicts.

    Args:
        dream: the learned game.
        generator: draws the states, or what `FrameGenerator.load` takes; None for the dream's own.
        num: number of states that are drawn.
        seed: of these states.

    Raises:
        InputError: there is no generator, it reads no RAM, or all states end.
    """
    if generator is None:
        generator = generator_of(dream, "cpu")
    elif not isinstance(generator, FrameGenerator):
        generator = FrameGenerator.load(generator, "cpu")
    states = generator.states(generator.latents(num, seed))[:, : dream.dynamics.num_bytes]
    following = dream.dynamics.step(states, dream.controls.idle(num))
    goes_on = ~following.ends
    return replace(dream, starts=Starts(states[goes_on], following.lives[goes_on]))


def dreamt_states(dream: Dream, num: int, steps_apart: int = 1, seed: int = 0) -> tuple[Ram, Bytes]:
    """Let a dream play by itself with random actions, each held for a while.

    Args:
        dream: the learned game.
        num: number of states, at least 1; the first one begins an episode.
        steps_apart: agent steps from one to the next.
        seed: of actions and game.

    Returns:
        RAM, uint8 (num, bytes), and the joysticks of the frames before, uint8 (num,). Where an
        episode ends, another one begins.
    """
    policy = HeldActions(len(dream.settings.action_meanings), np.random.default_rng(seed))
    batch, only = DreamBatch(dream, 1), np.zeros(1, np.intp)
    batch.seed(only, np.array([seed], np.uint64))
    batch.reset(only)
    states, actions = [batch.games.rams[0].copy()], [NO_OP]
    for step in range(1, (num - 1) * steps_apart + 1):
        action = policy.act(RamScreen(batch.games.rams[0]))
        if batch.step(np.array([action])).ends[0]:
            batch.reset(only)
            policy.begin_episode()
        if step % steps_apart == 0:
            states.append(batch.games.rams[0].copy())
            actions.append(int(batch.games.last_actions[0]))
    return np.stack(states), Joysticks(dream.settings.action_meanings).of(np.array(actions))
