"""Networks built from a model's configuration."""

from torch import nn

from atarigan.config.condition import CODE, includes_ram
from atarigan.data.states import StateSpec
from atarigan.models.code_conditioned import PRIOR_WIDTH, CodeConditionedGenerator
from atarigan.models.families import NETWORKS, Generator, NetworkShape
from atarigan.models.model_config import ModelConfig
from atarigan.models.state.frame_encoder import FrameEncoder, SharedEncoder
from atarigan.models.state.ram_encoder import DEFAULT_SETTINGS, EncoderSettings, RamEncoder
from atarigan.models.state.state_prior import StatePrior
from atarigan.models.state.vector_encoder import VectorEncoder
from atarigan.models.state.vector_prior import VectorPrior
from atarigan.models.state_conditioned import (
    StateConditionedCritic,
    StateConditionedGenerator,
    StateEncoder,
)


def build_generator(model: ModelConfig) -> Generator:
    """Return a new generator. Raises InputError if the network does not fit the samples."""
    network = NETWORKS[model.run.network]().generator(network_shape(model))
    state = model.state
    if state is None:
        return network
    if state.kind == CODE:
        return CodeConditionedGenerator(
            network, _frame_encoder(model, state.size), StatePrior(state.size, PRIOR_WIDTH)
        )
    encoder = _encoder(state, settings=NETWORKS[model.run.network].encoder_settings)
    prior = StatePrior(state.size) if includes_ram(state.kind) else VectorPrior(state.size)
    return StateConditionedGenerator(network, encoder, prior)


def build_critic(model: ModelConfig, generator: Generator) -> nn.Module:
    """Return a new critic, which reads learned codes with the encoder of its generator.

    Raises:
        InputError: the network does not fit the samples.
    """
    network = NETWORKS[model.run.network]().critic(network_shape(model))
    if model.state is None:
        return network
    if isinstance(generator, CodeConditionedGenerator):
        return StateConditionedCritic(network, SharedEncoder(generator.encoder))
    num_features = NETWORKS[model.run.network].encoder_settings.num_features
    return StateConditionedCritic(network, _encoder(model.state, num_features))


def network_shape(model: ModelConfig) -> NetworkShape:
    """Return the sizes that the configuration's networks must have."""
    run, state = model.run, model.state
    num_features = NETWORKS[run.network].encoder_settings.num_features
    code_size = state.size if state is not None and state.kind == CODE else 0
    if code_size:
        num_features = code_size * len(run.code_levels)
    return NetworkShape(
        model.sample.shape,
        run.latent_size,
        condition_size=num_features if state else model.num_classes,
        generator_width=run.generator_width,
        critic_width=run.critic_width,
        generator_layers=run.generator_layers,
        critic_layers=run.critic_layers,
        leaky_slope=run.leaky_slope,
        state_size=state.size if state and model.reads_ram else 0,
        vector_size=state.size if state and not model.reads_ram and not code_size else 0,
        code_size=code_size,
        screen_size=model.sample.screen_size,
    )


def _frame_encoder(model: ModelConfig, size: int) -> FrameEncoder:
    """Return a new encoder of frames as codes of `size` bytes."""
    run = model.run
    return FrameEncoder(
        size,
        run.code_levels,
        run.code_frames,
        network_shape(model).image_shape(run.network),
        run.generator_width,
    )


def _encoder(
    state: StateSpec,
    num_features: int = 0,
    settings: EncoderSettings = DEFAULT_SETTINGS,
) -> StateEncoder:
    """Return a new encoder of a kind of states."""
    encoder = RamEncoder if includes_ram(state.kind) else VectorEncoder
    return encoder(state.size, num_features, settings=settings)
