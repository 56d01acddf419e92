"""RunConfig: everything that says what a training run is, in one frozen dataclass."""

from dataclasses import dataclass
from typing import Literal

from atarigan.errors import InputError, shown

LatentDistribution = Literal["normal", "uniform", "unit"]
Color = Literal["stored", "gray", "rgb"]
Condition = Literal["none", "class", "ram"]
MOST_LAYERS = 64


@dataclass(frozen=True)
class RunConfig:
    """What to learn, with which networks and losses, for how long.

    Counts of images are real images shown to the critic. Zero switches a limit or an interval off.
    """

    source: str = "frames"
    """What to learn; --list names all."""
    data: str | None = None
    """Folder or file of the source."""
    image_size: str | None = None
    """HEIGHTxWIDTH that images are brought to; without it they keep theirs, and a folder's must all
    have one.
    """
    color: Color = "stored"
    """What networks see of an image: gray, rgb, or as it is stored."""
    condition: Condition = "none"
    """What generator and critic are told of each sample: class is its label, ram the console's
    memory behind a frame.
    """
    objective: str = "wasserstein"
    """The adversarial loss."""
    penalty: str = "gradient"
    """What keeps the critic smooth."""
    penalty_weight: float = 10.0
    """Factor of the penalty in the critic's loss."""
    penalty_every: int = 1
    """Critic updates to one penalty, whose weight grows by as much (lazy regularization)."""
    critic_steps: int = 5
    """Critic updates in a step."""
    generator_steps: int = 1
    """Generator updates in a step, after the critic's."""
    reconstruction_steps: int = 0
    """Updates of the generator in a step, before the others, in which it reconstructs real samples
    from their conditions; each takes a batch of its own.
    """
    adversarial_weight: float = 1.0
    """Factor of the adversarial loss in the generator's updates; beside `reconstruction_steps` one
    far below 1 leaves Adam's steps to them.
    """
    network: str = "codebook"
    """Family of generator and critic."""
    generator_width: int = 0
    """Channels of the generator's layers, times its stage's multiple; 0 leaves it to the network.
    """
    critic_width: int = 0
    """Channels of the critic's layers, times its stage's multiple; 0 leaves it to the network."""
    generator_layers: tuple[int, ...] = ()
    """Sizes of the generator's hidden layers in order, for networks that list them; none means the
    network's own.
    """
    critic_layers: tuple[int, ...] = ()
    """Sizes of the critic's hidden layers, likewise."""
    leaky_slope: float = 0.2
    """Slope of leaky ReLUs below zero."""
    latent_size: int = 128
    """Numbers a latent vector has."""
    latent_prior: LatentDistribution = "normal"
    """Distribution of a latent number: normal is N(0, 1), uniform U(-1, 1), unit U[0, 1)."""
    latent_bank: int = 0
    """Latents that are drawn once and used again and again; 0 draws fresh ones at every update."""
    batch_size: int = 64
    """Images in one update, of each process."""
    accumulate: int = 1
    """Parts that a batch is computed in, one after the other, where memory does not hold it at
    once; gradients are added up. Batch norm, and losses that depend on the number of images, see a
    part.
    """
    generator_lr: float = 2e-4
    """Adam's step size for the generator."""
    critic_lr: float = 2e-4
    """Adam's step size for the critic."""
    final_lr: float = 1.0
    """Share of both step sizes that is left at the limit; they fall towards it linearly."""
    momentum: float = 0.0
    """Adam's beta1, of both networks."""
    beta2: float = 0.9
    """Adam's beta2, of both networks."""
    average_half_life: int = 20_000
    """Images after which a past weight counts half in the averaged generator; 0 averages nothing.
    """
    max_minutes: float = 0.0
    """Stop after so many minutes of training; 0 means no limit."""
    max_images: int = 0
    """Stop after so many images; 0 means no limit."""
    max_epochs: float = 0.0
    """Stop after the source has been gone through so often; 0 means no limit."""
    sample_every: int = 20_000
    """Images between two sample pictures; 0 means only at the end."""
    critic_pictures: int = 0
    """Pictures of points amid a step's critic updates, before the one at its end; 0 means none."""
    save_arrays: bool = False
    """Whether a sample picture has its samples beside it as an array, .npz."""
    checkpoint_every_s: float = 120.0
    """Seconds between two checkpoints; 0 means only at the end."""
    evaluate_every_s: float = 300.0
    """Seconds between two evaluations of samples beside real ones, of which the best checkpoint is
    kept apart; 0 means none, not even at the end.
    """
    max_rollbacks: int = 3
    """Times that a run whose losses, gradients or samples show that it is lost goes back to its
    last checkpoint, each time with half the step sizes, before it gives up; 0 lets it go on
    regardless.
    """
    log: Literal["tensorboard", "wandb", "none"] = "tensorboard"
    """Where losses and pictures are logged."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the networks; penalties are always fp32."""
    seed: int = 0
    """Seed of weights, latents and the order of the data."""

    def __post_init__(self) -> None:
        at_least = {
            "critic_steps": 1,
            "generator_steps": 1,
            "penalty_every": 1,
            "latent_size": 1,
            "batch_size": 1,
            "accumulate": 1,
            "generator_width": 0,
            "critic_width": 0,
            "penalty_weight": 0,
            "adversarial_weight": 0,
            "reconstruction_steps": 0,
            "leaky_slope": 0,
            "latent_bank": 0,
            "average_half_life": 0,
            "max_minutes": 0,
            "max_images": 0,
            "max_epochs": 0,
            "sample_every": 0,
            "critic_pictures": 0,
            "checkpoint_every_s": 0,
            "evaluate_every_s": 0,
            "max_rollbacks": 0,
            "seed": 0,
        }
        for name, least in at_least.items():
            if not getattr(self, name) >= least:
                raise InputError(
                    f"{_flag(name)} must be at least {least}, not {getattr(self, name)}"
                )
        if self.batch_size % self.accumulate:
            raise InputError(
                f"--accumulate must divide --batch-size {self.batch_size}, not {self.accumulate}"
            )
        for name in ("generator_layers", "critic_layers"):
            sizes = getattr(self, name)
            if min(sizes, default=1) < 1:
                raise InputError(f"{_flag(name)} must all be at least 1, not {shown(list(sizes))}")
            if len(sizes) > MOST_LAYERS:
                raise InputError(
                    f"{_flag(name)} must be at most {MOST_LAYERS} sizes, not {len(sizes)}"
                )
        for name in ("generator_lr", "critic_lr"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(
                    f"{_flag(name)} must be between 0 and 1, not {getattr(self, name)}"
                )
        if not 0 < self.final_lr <= 1:
            raise InputError(f"--final-lr must be above 0 and at most 1, not {self.final_lr}")
        for name in ("momentum", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{_flag(name)} must be at least 0 and below 1, not {getattr(self, name)}"
                )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
