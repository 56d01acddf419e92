"""Networks built from a model's configuration."""

import math

from torch import nn

from atarigan.models.families import NETWORKS, Generator, NetworkShape
from atarigan.models.model_config import ModelConfig
from atarigan.models.ram_conditioned import RamConditionedCritic, RamConditionedGenerator
from atarigan.models.state.ram_encoder import RamEncoder
from atarigan.models.state.state_prior import StatePrior


def build_generator(model: ModelConfig) -> Generator:
    """Return a new generator. Raises InputError if the network does not fit the samples."""
    network = NETWORKS[model.run.network]().generator(network_shape(model))
    if not model.reads_ram:
        return network
    num_bytes = _num_bytes(model)
    encoder = RamEncoder(num_bytes, settings=NETWORKS[model.run.network].encoder_settings)
    return RamConditionedGenerator(network, encoder, StatePrior(num_bytes))


def build_critic(model: ModelConfig) -> nn.Module:
    """Return a new critic. Raises InputError if the network does not fit the samples."""
    network = NETWORKS[model.run.network]().critic(network_shape(model))
    if not model.reads_ram:
        return network
    num_features = NETWORKS[model.run.network].encoder_settings.num_features
    return RamConditionedCritic(network, RamEncoder(_num_bytes(model), num_features))


def network_shape(model: ModelConfig) -> NetworkShape:
    """Return the sizes that the configuration's networks must have."""
    run = model.run
    num_features = NETWORKS[run.network].encoder_settings.num_features
    return NetworkShape(
        model.sample.shape,
        run.latent_size,
        condition_size=num_features if model.reads_ram else model.num_classes,
        generator_width=run.generator_width,
        critic_width=run.critic_width,
        generator_layers=run.generator_layers,
        critic_layers=run.critic_layers,
        leaky_slope=run.leaky_slope,
        state_size=_num_bytes(model) if model.reads_ram else 0,
    )


def _num_bytes(model: ModelConfig) -> int:
    """Return the size of the RAM that the model reads."""
    return math.prod(model.sample.condition_shape or (0,))
