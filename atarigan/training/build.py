"""Assembly: a configuration's parts, put together into a trainer."""

import itertools
import math

import numpy as np
import torch
from torch import Tensor

from atarigan.config.run_config import RunConfig
from atarigan.data.sources import SOURCES, DataSource
from atarigan.models.build import build_critic, build_generator
from atarigan.models.families import NETWORKS
from atarigan.models.families.network import Generator
from atarigan.models.model_config import ModelConfig
from atarigan.models.state.ram_conditioned import RamConditionedCritic
from atarigan.training.compatibility import check_compatible
from atarigan.training.device_plan import plan_for
from atarigan.training.objectives import OBJECTIVES
from atarigan.training.penalties import PENALTIES
from atarigan.training.process_group import ALONE, ProcessGroup
from atarigan.training.trainer import Trainer

MOST_FIRST_NUMBERS, MOST_NOTICED_NUMBERS = 1 << 28, 1 << 30
MOST_STATES = 1 << 18


def build_trainer(config: RunConfig, group: ProcessGroup = ALONE) -> Trainer:
    """The parts of a run, put together, for one process of a group or alone. Raises InputError
    where they do not fit or a name is unknown.
    """
    family = NETWORKS[config.network]()
    objective = OBJECTIVES[config.objective]()
    penalty = PENALTIES[config.penalty]()
    check_compatible(config, family, objective, penalty)
    source = SOURCES[config.source](config)
    plan = plan_for(config)
    model = ModelConfig(config, source.spec)
    torch.manual_seed(config.seed)
    generator, critic = build_generator(model), build_critic(model)
    states = _states(source) if model.reads_ram else None
    _start(generator, source, config.seed, states)
    if states is not None and isinstance(critic, RamConditionedCritic):
        critic.fit(states)
    return Trainer(model, source, generator, critic, objective, penalty, plan, group)


def _start(generator: Generator, source: DataSource, seed: int, states: Tensor | None) -> None:
    """Let a generator take from real samples what it wants to, as many as memory holds."""
    size = math.prod(source.spec.shape)
    num_fitted = max(1, min(generator.num_fitted, MOST_FIRST_NUMBERS // size))
    batches = source.batches(num_fitted, seed)
    generator.fit(torch.from_numpy(next(batches).samples), states)
    num_observed = min(generator.num_observed, MOST_NOTICED_NUMBERS // size, source.num_samples)
    if num_observed > num_fitted:
        further = itertools.islice(batches, math.ceil(num_observed / num_fitted) - 1)
        generator.observe(torch.from_numpy(each.samples) for each in further)


def _states(source: DataSource) -> Tensor:
    """Memory behind evenly picked frames, uint8 (N, bytes)."""
    picked = np.linspace(0, source.num_samples - 1, min(source.num_samples, MOST_STATES))
    states = source.conditions_at(picked.astype(np.int64))
    assert states is not None
    return torch.from_numpy(states)
