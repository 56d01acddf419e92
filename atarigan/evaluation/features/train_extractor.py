"""`python -m atarigan.evaluation.features.train_extractor`: train a feature extractor."""

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atarigan.cli import command_line
from atarigan.errors import InputError, flag_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from atarigan.data.sources.image_set import ImageSet
    from atarigan.evaluation.features.extractor import Extractor

COMMAND = "train_extractor"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class TrainExtractorArguments:
    """Train a small classifier on a labeled source; its features serve to compare images."""

    out: str
    """Output file, NAME.safetensors; NAME becomes the name of the features."""
    source: str = "mnist"
    """Labeled source: mnist, fashion-mnist or cifar10."""
    data: str | None = None
    """Folder of the source."""
    epochs: int = 6
    """Passes over the training images."""
    batch_size: int = 128
    """Images per update."""
    lr: float = 4e-3
    """Peak learning rate of AdamW's one-cycle schedule."""
    max_shift: int = 2
    """Largest random shift of a batch along each axis, in pixels; 0 turns shifts off."""
    flip: bool = False
    """Flip half of the images horizontally."""
    seed: int = 0
    """Seed of the weights, the order of images, and the augmentation."""

    def __post_init__(self) -> None:
        for name, least in {"epochs": 1, "batch_size": 2, "max_shift": 0}.items():
            if getattr(self, name) < least:
                value = getattr(self, name)
                raise InputError(f"{flag_of(name)} must be at least {least}, not {value}")
        if not 0 < self.lr < 1:
            raise InputError(f"--lr must be between 0 and 1, not {self.lr}")
        if Path(self.out).suffix != SUFFIX:
            raise InputError(f"--out must end in {SUFFIX}, not {self.out!r}")


def main(argv: Sequence[str] | None = None) -> int:
    """Train an extractor, measure its test accuracy, write it; return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = command_line.parse(
        TrainExtractorArguments, words, command=COMMAND, package="atarigan.evaluation.features."
    )
    from atarigan.config.run_config import RunConfig
    from atarigan.data.sources.labeled_images import open_split

    config = RunConfig(source=arguments.source, data=arguments.data)
    train, test = (open_split(config, split) for split in ("train", "test"))
    extractor = new_extractor(train, arguments)
    fit(extractor, train, arguments)
    extractor.info = dataclasses.replace(
        extractor.info,
        test_accuracy=accuracy(extractor, test),
        num_test_images=test.num_samples,
        command=shlex.join(["python", "-m", f"atarigan.evaluation.features.{COMMAND}", *words]),
    )
    path = Path(arguments.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    extractor.save(path)
    print(
        f"{extractor.info.name}: {extractor.info.test_accuracy:.2%} of {test.num_samples:,} test "
        f"images classified correctly; wrote {path}, {path.stat().st_size / 1e6:.2f} MB"
    )
    return command_line.EXIT_OK


def new_extractor(train: "ImageSet", arguments: TrainExtractorArguments) -> "Extractor":
    """Return an untrained extractor for the images of a source, named after its output file."""
    import torch

    from atarigan.evaluation.features.extractor import Extractor, ExtractorInfo

    torch.manual_seed(arguments.seed)
    _, height, width, channels = train.images.shape
    name = Path(arguments.out).stem
    return Extractor(ExtractorInfo(name, (channels, height, width), train.num_classes))


def fit(extractor: "Extractor", train: "ImageSet", arguments: TrainExtractorArguments) -> None:
    """Train the classifier with cross-entropy, AdamW and a one-cycle learning rate schedule."""
    import torch
    from torch.nn import functional

    from atarigan.cli.progress import ProgressDisplay
    from atarigan.data.sources.source import shuffled_indices
    from atarigan.images.pixels import frames_to_floats

    assert train.labels is not None
    total = arguments.epochs * train.num_samples
    num_steps = max(2, total // arguments.batch_size)
    optimizer = torch.optim.AdamW(extractor.parameters(), arguments.lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, arguments.lr, num_steps)
    order = shuffled_indices(train.num_samples, arguments.batch_size, arguments.seed, 0, 0, 1)
    rng = torch.Generator().manual_seed(arguments.seed)
    extractor.train()
    with ProgressDisplay("training", "images", total) as display:
        for step, indices in zip(range(1, num_steps + 1), order, strict=False):
            images = frames_to_floats(torch.from_numpy(train.images[indices]))
            images = augmented(images, rng, arguments.max_shift, flip=arguments.flip)
            logits = extractor.logits(extractor(images))
            loss = functional.cross_entropy(logits, torch.from_numpy(train.labels[indices]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            display.update(step * arguments.batch_size, f"loss {loss.item():.3f}")
    extractor.eval()


def augmented(images: "Tensor", rng: "torch.Generator", max_shift: int, *, flip: bool) -> "Tensor":
    """Augment images (B, C, H, W) in [-1, 1]: shift the whole batch by up to `max_shift` pixels,
    padding with black, and with `flip` mirror about half of the images.
    """
    import torch
    from torch.nn import functional

    if flip:
        mirrored = torch.rand(len(images), 1, 1, 1, generator=rng) < 0.5
        images = torch.where(mirrored, images.flip(3), images)
    if max_shift:
        height, width = images.shape[2:]
        top, left = torch.randint(0, 2 * max_shift + 1, (2,), generator=rng).tolist()
        padded = functional.pad(images, (max_shift,) * 4, value=-1.0)
        images = padded[:, :, top : top + height, left : left + width]
    return images


def accuracy(extractor: "Extractor", test: "ImageSet") -> float:
    """Return the share of images whose most probable class is their label."""
    from atarigan.evaluation.features.extractor import extract

    found = extract(extractor, test.images).probabilities.argmax(1)
    return float((found == test.labels).mean())


if __name__ == "__main__":
    command_line.run(main, command=COMMAND, package="atarigan.evaluation.features.")
