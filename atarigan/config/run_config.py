"""RunConfig: all settings of a training run."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from atarigan.config.clock import Clock
from atarigan.config.condition import check_condition
from atarigan.errors import InputError, flag_of, shown

LatentDistribution = Literal["normal", "uniform", "unit"]
Color = Literal["stored", "gray", "rgb"]
MAX_LAYERS = 64
MAX_INTEGER = 1 << 53  # integers up to this are exact as floats
MAX_CODE_SIZE, MAX_WORDS, MAX_CODE_FRAMES = 1024, 256, 4
MAX_STEPS = 1 << 16  # updates in a training step, between which nothing is reported
_UPDATES = ("critic_steps", "generator_steps", "reconstruction_steps")
_STEPS = ("critic_steps", "generator_steps", "penalty_every")
_AT_LEAST_ONE = (*_STEPS, "latent_size", "batch_size", "accumulate", "code_size", "code_frames")
_FRACTIONS = ("generator_lr", "critic_lr", "final_lr", "beta1", "beta2")


@dataclass(frozen=True)
class RunConfig:
    """Settings of a training run: source, networks, losses and limits.

    Images are counted when the critic sees them, real ones only.

    Attributes:
        FORMER_NAMES: former name to current name of renamed settings. Files and flags may use
            both.

    Raises:
        InputError: a value is out of range.
    """

    FORMER_NAMES: ClassVar[dict[str, str]] = {"momentum": "beta1"}

    source: str = "frames"
    """What to learn; --list names all sources."""
    data: str | None = None
    """Folder or file of the source."""
    image_size: str | None = None
    """HEIGHTxWIDTH to resize images to. Without it images keep their size, and those of a folder
    must all have the same size.
    """
    color: Color = "stored"
    """Color of the images that the networks see: gray, rgb, or as stored."""
    condition: str = "none"
    """Additional input of generator and critic: none; class, the label of each sample; or the state
    of each frame, as the buffer stores it: ram (the console's 128 bytes of memory), ram+action (the
    same and the action of the newest emulator frame), observation (a vector of numbers) or info:KEY
    (an entry of the environment's info); or code, which an encoder that is trained together with
    the generator reads off the frames.
    """
    code_size: int = 64
    """Bytes of a code, 1 to 1,024. The encoder divides frames into as many cells."""
    code_levels: tuple[int, ...] = (4, 4, 4, 4)
    """Levels of each channel of a byte of the code, at least 2 each, with a product of at most 256.
    """
    code_frames: int = 1
    """Newest frames that the encoder reads, 1 to 4. At the beginning of an episode its first frame
    is repeated.
    """
    objective: str = "wasserstein"
    """Adversarial loss."""
    penalty: str = "gradient"
    """Penalty that keeps the critic smooth."""
    penalty_weight: float = 10.0
    """Weight of the penalty in the critic's loss."""
    penalty_every: int = 1
    """Critic updates between two penalties; the weight is multiplied by this number (lazy
    regularization).
    """
    critic_steps: int = 5
    """Critic updates in each training step."""
    generator_steps: int = 1
    """Generator updates in each training step, after the critic's."""
    reconstruction_steps: int = 0
    """Generator updates in each training step that reconstruct real samples from their conditions,
    before the adversarial updates. Each takes its own batch.
    """
    adversarial_weight: float = 1.0
    """Weight of the adversarial loss in the generator's updates. Together with
    --reconstruction-steps, a weight far below 1 makes Adam follow the reconstruction loss.
    """
    network: str = "codebook"
    """Architecture of generator and critic."""
    generator_width: int = 0
    """Base number of channels in the generator; 0: the network's default."""
    critic_width: int = 0
    """Base number of channels in the critic; 0: the network's default."""
    generator_layers: tuple[int, ...] = ()
    """Sizes of the generator's hidden layers, in order, for networks that take a list; without it
    the network's default.
    """
    critic_layers: tuple[int, ...] = ()
    """Sizes of the critic's hidden layers, in the same way."""
    leaky_slope: float = 0.2
    """Slope of leaky ReLUs below zero."""
    latent_size: int = 128
    """Size of the latent vector."""
    latent_prior: LatentDistribution = "normal"
    """Distribution of each latent number: normal is N(0, 1), uniform is U(-1, 1), unit is U[0, 1).
    """
    latent_bank: int = 0
    """Number of latent vectors to draw once and reuse; 0: draw new ones for every update."""
    batch_size: int = 64
    """Images in one update, for each process."""
    accumulate: int = 1
    """Number of parts to split a batch into when it does not fit into memory; their gradients are
    added up. Batch norm, and losses that depend on the batch size, see one part at a time.
    """
    generator_lr: float = 2e-4
    """Learning rate of the generator's Adam optimizer."""
    critic_lr: float = 2e-4
    """Learning rate of the critic's Adam optimizer."""
    final_lr: float = 1.0
    """Fraction of both learning rates that is left at the end of training; they decay linearly."""
    beta1: float = 0.0
    """Adam's beta1 for both networks (--momentum means the same)."""
    beta2: float = 0.9
    """Adam's beta2 for both networks."""
    average_half_life: int = 20_000
    """Half-life of the generator's moving average, in images; 0: no averaging."""
    max_minutes: float = 0.0
    """Stop after this many minutes of training, evaluations on the way included; 0: no limit. The
    start, and the evaluation and pictures at the end, come on top.
    """
    clock: Clock = "wall"
    """What minutes of training are counted by: the time that passes, or the CPU time of all threads
    of the process, so that other work on the machine takes nothing away.
    """
    max_images: int = 0
    """Stop after this many images; 0: no limit."""
    max_epochs: float = 0.0
    """Stop after this many epochs; 0: no limit."""
    sample_every: int = 20_000
    """Images between two sample pictures; 0: only at the end."""
    critic_pictures: int = 0
    """Additional pictures of points during the critic updates of each step; 0: none."""
    save_arrays: bool = False
    """Also save the samples of each picture as an array, .npz."""
    checkpoint_every_s: float = 120.0
    """Seconds between two checkpoints; 0: only at the end."""
    evaluate_every_s: float = 300.0
    """Seconds between two evaluations of samples against real data. The checkpoint with the best
    result is kept separately. 0: no evaluation, not even at the end.
    """
    max_rollbacks: int = 3
    """How often a run whose losses, gradients or samples diverge returns to its last checkpoint,
    with both learning rates halved each time, before it stops. 0: ignore divergence.
    """
    log: Literal["tensorboard", "wandb", "none"] = "tensorboard"
    """Where to log losses and pictures."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to train on; auto: CUDA if available."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic of the networks; penalties are always computed in fp32."""
    seed: int = 0
    """Seed of weights, latent vectors and the order of the data."""

    def __post_init__(self) -> None:
        check_condition(self.condition)
        for name, value in vars(self).items():
            least = 1 if name in _AT_LEAST_ONE else 0
            if isinstance(value, int | float) and name not in _FRACTIONS and not value >= least:
                raise InputError(f"{flag_of(name)} must be at least {least}, not {value}")
            most = MAX_STEPS if name in _UPDATES else MAX_INTEGER
            if isinstance(value, int | float) and not value <= most:
                raise InputError(f"{flag_of(name)} must be at most {most}, not {value}")
        if self.batch_size % self.accumulate:
            raise InputError(
                f"--accumulate must divide --batch-size {self.batch_size}, not {self.accumulate}"
            )
        self._check_code()
        for name in ("generator_layers", "critic_layers"):
            sizes = getattr(self, name)
            if min(sizes, default=1) < 1:
                raise InputError(
                    f"{flag_of(name)} must all be at least 1, not {shown(list(sizes))}"
                )
            if len(sizes) > MAX_LAYERS:
                raise InputError(
                    f"{flag_of(name)} must be at most {MAX_LAYERS} sizes, not {len(sizes)}"
                )
        for name in ("generator_lr", "critic_lr"):
            value = getattr(self, name)
            if not 0 < value < 1:
                raise InputError(f"{flag_of(name)} must be between 0 and 1, not {value}")
        if not 0 < self.final_lr <= 1:
            raise InputError(f"--final-lr must be above 0 and at most 1, not {self.final_lr}")
        for name in ("beta1", "beta2"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise InputError(f"{flag_of(name)} must be at least 0 and below 1, not {value}")

    def _check_code(self) -> None:
        for name, most in (("code_size", MAX_CODE_SIZE), ("code_frames", MAX_CODE_FRAMES)):
            if getattr(self, name) > most:
                raise InputError(
                    f"{flag_of(name)} must be at most {most}, not {getattr(self, name)}"
                )
        levels = self.code_levels
        if min(levels, default=0) < 2 or not math.prod(levels) <= MAX_WORDS:
            raise InputError(
                f"--code-levels must each be at least 2, with a product of at most {MAX_WORDS}, "
                f"not {shown(list(levels))}"
            )
