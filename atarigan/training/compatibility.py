"""Parts of a run that exclude one another."""

from atarigan.config.run_config import RunConfig
from atarigan.errors import InputError
from atarigan.models.families import NETWORKS, NetworkFamily
from atarigan.training.objectives import Objective
from atarigan.training.penalties import Penalty


def check_compatible(
    config: RunConfig, family: NetworkFamily, objective: Objective, penalty: Penalty
) -> None:
    """Raises InputError where parts that were named cannot work together, with the reason."""
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
            f"--reconstruction-steps {config.reconstruction_steps} needs --condition class or ram: "
            "without, a sample does not say what it is to be"
        )
    layers = config.generator_layers or config.critic_layers
    if layers and not family.lists_layers:
        fitting = ", ".join(name for name in NETWORKS if NETWORKS[name].lists_layers)
        raise InputError(
            f"--generator-layers and --critic-layers do not go with --network {config.network}: "
            f"they shape {fitting}"
        )
