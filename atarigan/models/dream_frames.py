"""Frames of a dream's states."""

from atarigan.data.sample_spec import Ram
from atarigan.errors import InputError
from atarigan.images.pixels import Frames
from atarigan.models.dynamics.dream import Dream
from atarigan.models.frame_generator import FrameGenerator

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


def frames_of(generator: FrameGenerator, rams: Ram) -> Frames:
    """Draw RAM uint8 (N, bytes), all with the same latent, as RGB frames uint8 (N, H, W, 3)."""
    latents = generator.latents(1, _LATENT_SEED).repeat(len(rams), axis=0)
    return generator.frame_format.to_rgb(generator.decode(latents, rams))
