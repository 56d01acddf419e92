"""Train one run with several processes that Ray Train starts on the nodes of a cluster.

    python -m examples.ray_train --data data/breakout --out runs/both --num-workers 2

Ray Train does here what `torchrun` does elsewhere: it places the processes, and connects them. All
nodes must see --data and --out. Needs `pip install 'ray[train]'`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atarigan.cli import command_line
from atarigan.config.ray_cluster import connected
from atarigan.errors import InputError


@dataclass(frozen=True)
class ExampleArguments:
    """Train with the recipe atari on the nodes of a Ray cluster."""

    data: str
    """Folder of a buffer."""
    out: str
    """Folder of the run."""
    ray: str = "auto"
    """auto, or HOST:PORT of the cluster's head."""
    num_workers: int = 2
    """Number of processes, one for each GPU, or CPU."""
    use_gpu: bool = False
    """Give each process a GPU."""
    batch_size: int = 64
    """Images in the batch of each process."""
    max_minutes: float = 20.0
    """Minutes to train for."""
    max_images: int = 0
    """Images to train on, of all processes together; 0: as many as the minutes allow."""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = command_line.parse(ExampleArguments, argv, command="examples.ray_train", package="")
    if arguments.num_workers < 1:
        raise InputError(f"--num-workers must be at least 1, not {arguments.num_workers}")
    settings = {
        "out": str(Path(arguments.out).absolute()),
        "data": str(Path(arguments.data).absolute()),
        "batch_size": arguments.batch_size,
        "max_minutes": arguments.max_minutes,
        "max_images": arguments.max_images,
        "device": "cuda" if arguments.use_gpu else "cpu",
    }
    try:
        from ray import train
        from ray.train.torch import TorchTrainer
    except ImportError:
        raise InputError("Ray Train is not installed: pip install 'ray[train]'") from None
    with connected(arguments.ray):
        trainer = TorchTrainer(
            train_together,
            train_loop_config=settings,
            scaling_config=train.ScalingConfig(
                num_workers=arguments.num_workers, use_gpu=arguments.use_gpu
            ),
        )
        trainer.fit()
    print(f"trained {arguments.out} with {arguments.num_workers} processes")
    return command_line.EXIT_OK


def train_together(settings: dict[str, Any]) -> None:
    """Train in one of the processes. They have a process group already, which atarigan uses."""
    from atarigan.config.recipes import load_recipe
    from atarigan.data.sources.buffered_frames import without_unknown_action
    from atarigan.training.run import train

    settings = dict(settings)
    out = Path(settings.pop("out"))
    status = train(
        out, without_unknown_action(replace(load_recipe("atari"), log="none", **settings))
    )
    if status != command_line.EXIT_OK:
        raise RuntimeError(f"training ended with status {status}")


if __name__ == "__main__":
    command_line.run(main, command="examples.ray_train", package="")
