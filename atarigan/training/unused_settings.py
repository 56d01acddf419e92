"""Settings of a run that have no effect together with its other settings."""

from typing import Any

import torch

from atarigan.config.condition import CODE
from atarigan.config.run_config import RunConfig
from atarigan.data.sources.points import POINT_SOURCES
from atarigan.errors import InputError
from atarigan.models.families import NETWORKS, NetworkShape
from atarigan.training.penalties import PENALTIES

_OF_NETWORKS = (
    "generator_width",
    "critic_width",
    "generator_layers",
    "critic_layers",
    "leaky_slope",
)
_SAMPLE_SHAPE = (1, 64, 64)  # of any image


def unused_settings(config: RunConfig) -> dict[str, str]:
    """Return the reason for each setting that has no effect, by the name of the setting.

    Raises:
        InputError: the penalty or the network is unknown.
    """
    unused: dict[str, str] = {}
    if not PENALTIES[config.penalty]().has_gradient_term:
        reason = f"--penalty {config.penalty} adds no term to the loss"
        unused |= {"penalty_weight": reason, "penalty_every": reason}
    if not (config.max_minutes or config.max_images or config.max_epochs):
        unused["final_lr"] = "without a limit of minutes, images or epochs the learning rates stay"
    if config.condition != CODE:
        reason = f"--condition {config.condition} has no learned code"
        unused |= dict.fromkeys(("code_size", "code_levels", "code_frames"), reason)
    if config.source not in POINT_SOURCES:
        unused["critic_pictures"] = f"--source {config.source} gives no points"
    read = _read_by_networks(config)
    unused |= {
        name: f"--network {config.network} does not use it"
        for name in _OF_NETWORKS
        if read and name not in read
    }
    return unused


def _read_by_networks(config: RunConfig) -> set[str]:
    """Return the settings that the network family reads to build its networks, on the device
    "meta", without memory. Empty if they cannot be built; training then raises an error.
    """
    read: set[str] = set()

    class Watched(NetworkShape):
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    family = NETWORKS[config.network]()
    shape = Watched(
        (2,) if config.source in POINT_SOURCES else _SAMPLE_SHAPE,
        config.latent_size,
        **{name: getattr(config, name) for name in _OF_NETWORKS},
    )
    read.clear()
    try:
        with torch.device("meta"):
            family.generator(shape)
            family.critic(shape)
    except (InputError, RuntimeError):
        return set()
    return read
