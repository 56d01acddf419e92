"""Build a trainer: the parts of a configuration, checked and put together."""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from atarigan.config.condition import CODE
from atarigan.config.machine import free_memory
from atarigan.config.run_config import RunConfig
from atarigan.data.sources import SOURCES, DataSource
from atarigan.data.sources.source import Batch
from atarigan.errors import InputError, one_line
from atarigan.images.subset import evenly_spaced
from atarigan.models.build import build_critic, build_generator
from atarigan.models.families import NETWORKS, Generator, NetworkFamily
from atarigan.models.model_config import ModelConfig
from atarigan.models.state_conditioned import StateConditionedCritic
from atarigan.training.device_plan import plan_for
from atarigan.training.objectives import OBJECTIVES, Objective
from atarigan.training.penalties import PENALTIES, Penalty
from atarigan.training.process_group import SINGLE_PROCESS, ProcessGroup
from atarigan.training.trainer import Trainer
from atarigan.training.updates import Updates

MAX_FITTED_ELEMENTS, MAX_OBSERVED_ELEMENTS = 1 << 28, 1 << 30
MAX_STATES = 1 << 18
BYTES_PER_WEIGHT = 8  # of the weights and of their moving average, at least
BYTES_PER_INDEX, BYTES_PER_FLOAT = 8, 4


def build_trainer(
    config: RunConfig,
    group: ProcessGroup = SINGLE_PROCESS,
    *,
    source: DataSource | None = None,
    report: Callable[[str], None] = lambda _: None,
    accept: Callable[[ModelConfig], ModelConfig] = lambda model: model,
) -> Trainer:
    """Build the trainer of a run.

    Args:
        config: the settings of the run.
        group: the processes that train together.
        source: real samples; None opens the source that `config` names.
        report: called with a description of each phase.
        accept: checks or replaces the configuration of the model, before the work begins.

    Raises:
        InputError: a name is unknown, parts do not fit one another, or memory does not hold them.
    """
    family = NETWORKS[config.network]()
    objective = OBJECTIVES[config.objective]()
    penalty = PENALTIES[config.penalty]()
    check_compatible(config, family, objective, penalty)
    if source is None:
        report("reading the data")
        source = SOURCES[config.source](config)
    plan = plan_for(config)
    model = accept(ModelConfig(config, source.spec, source.provenance))
    check_networks_fit(model, free_memory())
    check_tensors_fit(model, free_memory())
    torch.manual_seed(config.seed)
    generator = build_generator(model)
    critic = build_critic(model, generator)
    report("fitting the generator to real samples")
    states = _states(source) if model.state and model.state.kind != CODE else None
    if states is not None:
        check_states_vary(config, states)
        generator.fit_states(states)
    _fit(generator, source, config.seed)
    if states is not None and isinstance(critic, StateConditionedCritic):
        critic.fit(states)
    updates = Updates(config, generator, critic, objective, penalty, plan, group)
    return Trainer(model, source, updates)


def check_states_vary(config: RunConfig, states: Tensor) -> None:
    """Raise InputError if states that are vectors, float (N, size), are all the same."""
    if states.dtype == torch.uint8 or bool((states != states[0]).any()):
        return
    raise InputError(
        f"--condition {config.condition} needs states that vary, and all {len(states):,} of the "
        f"data are the same in all of their {states.shape[1]} numbers: condition on another state, "
        "or use --recipe atari-frames, which needs none"
    )


def check_networks_fit(model: ModelConfig, free: int) -> None:
    """Check, without making them, that the networks of a configuration fit into main memory.

    Args:
        model: the configuration.
        free: bytes of free memory.

    Raises:
        InputError: they do not.
    """
    try:
        with torch.device("meta"):
            generator = build_generator(model)
            networks = generator, build_critic(model, generator)
    except RuntimeError as error:  # how torch reports sizes above its integers
        raise InputError(f"the networks cannot be made: {one_line(error)}") from None
    num = sum(each.numel() for network in networks for each in network.parameters())
    if num * BYTES_PER_WEIGHT > free:
        raise InputError(
            f"the networks have {num:,} weights and need about {num * BYTES_PER_WEIGHT / 1e9:,.1f} "
            f"GB of memory, and {free / 1e9:,.1f} GB are free: narrow them"
        )


def check_tensors_fit(model: ModelConfig, free: int) -> None:
    """Check that the samples of a batch, as bytes, and the bank of latents fit into main memory.

    Args:
        model: the configuration.
        free: bytes of free memory.

    Raises:
        InputError: they do not.
    """
    config = model.run
    sizes = {
        "batch_size": math.prod(model.sample.shape) + BYTES_PER_INDEX,
        "latent_bank": BYTES_PER_FLOAT * config.latent_size,
    }
    for name, size in sizes.items():
        num = getattr(config, name)
        if num * size > free:
            raise InputError(
                f"--{name.replace('_', '-')} {num:,} needs at least {num * size / 1e9:,.1f} GB of "
                f"memory, and {free / 1e9:,.1f} GB are free: at most {free // size:,} fit"
            )


def check_compatible(
    config: RunConfig, family: NetworkFamily, objective: Objective, penalty: Penalty
) -> None:
    """Raise InputError, with the reason, where parts of a run cannot work together."""
    if objective.needs_energy != family.critic_gives_energy:
        fitting = " or ".join(name for name in NETWORKS if NETWORKS[name].critic_gives_energy)
        raise InputError(
            f"--objective {config.objective} does not go with --network {config.network}: "
            f"energy and began, and only they, need a critic that reconstructs: {fitting}"
        )
    if penalty.has_gradient_term and family.critic_mixes_samples:
        raise InputError(
            f"--penalty {config.penalty} does not go with --network {config.network}: it needs the "
            "gradient of single samples, which batch norm in the critic mixes"
        )
    if config.reconstruction_steps and config.condition == "none":
        raise InputError(
            f"--reconstruction-steps {config.reconstruction_steps} needs --condition class, ram, "
            "ram+action, observation, info:KEY or code: "
            "without a condition the generator does not know which sample to reconstruct"
        )
    layers = config.generator_layers or config.critic_layers
    if layers and not family.lists_layers:
        fitting = ", ".join(name for name in NETWORKS if NETWORKS[name].lists_layers)
        raise InputError(
            f"--generator-layers and --critic-layers do not go with --network {config.network}: "
            f"they shape {fitting}"
        )


def _fit(generator: Generator, source: DataSource, seed: int) -> None:
    """Initialize the generator from real samples, as many as it asks for and memory holds."""
    size = math.prod(source.spec.shape)
    most = min(generator.num_fitted, source.num_samples)
    num_fitted = max(1, min(most, MAX_FITTED_ELEMENTS // size))
    batches = source.batches(num_fitted, seed)
    generator.fit(*_tensors(next(batches)))
    num_observed = min(generator.num_observed, MAX_OBSERVED_ELEMENTS // size, source.num_samples)
    if num_observed > num_fitted:
        further = itertools.islice(batches, math.ceil(num_observed / num_fitted) - 1)
        generator.observe(_tensors(each) for each in further)


def _tensors(batch: Batch) -> tuple[Tensor, Tensor | None]:
    """Return samples and conditions as tensors."""
    condition = None if batch.condition is None else torch.from_numpy(batch.condition)
    return torch.from_numpy(batch.samples), condition


def _states(source: DataSource) -> Tensor:
    """States of evenly spaced frames, (N, size)."""
    states = source.conditions_at(evenly_spaced(source.num_samples, MAX_STATES))
    assert states is not None
    return torch.from_numpy(states)
