"""The files of a run.

```
runs/breakout/
  config.json                the configuration, as a checkpoint has it
  checkpoints/images-…/      the newest checkpoints (see atarigan.models.checkpoint)
  samples/images-….png       generated from the same latents each time
  best/                      the checkpoint with the best evaluation
  evaluations.jsonl          the scores of every evaluation, a line each
  real_beside_generated.png
  positions.json, .png       what moves, and the bytes that move it, if the network looks for it
  training.gif, training.mp4 the samples in order
  events.txt                 rollbacks and their reasons, if any
  history.csv, curves.png    losses, outputs and accuracies
  index.html                 everything on one page
  tensorboard/ or wandb/     losses, outputs, pictures, as --log says
  wandb-id.txt               which run of Weights & Biases this is
```
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunFolder:
    """The paths inside a run's folder."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def events(self) -> Path:
        return self.path / "events.txt"

    @property
    def wandb_id(self) -> Path:
        return self.path / "wandb-id.txt"

    @property
    def real_beside_generated(self) -> Path:
        return self.path / "real_beside_generated.png"

    @property
    def positions(self) -> Path:
        return self.path / "positions.json"

    @property
    def positions_picture(self) -> Path:
        return self.path / "positions.png"

    @property
    def codes(self) -> Path:
        return self.path / "codes.json"

    @property
    def best(self) -> Path:
        return self.path / "best"

    @property
    def evaluations(self) -> Path:
        return self.path / "evaluations.jsonl"

    @property
    def history(self) -> Path:
        return self.path / "history.csv"

    @property
    def curves(self) -> Path:
        return self.path / "curves.png"

    @property
    def page(self) -> Path:
        return self.path / "index.html"

    def samples(self, num_images: int, *, in_critic: bool = False) -> Path:
        """The sample picture after that many images: at the end of a step, or during its critic
        updates.
        """
        suffix = "-critic" if in_critic else ""
        return self.path / "samples" / f"images-{num_images:012d}{suffix}.png"

    def all_samples(self) -> list[Path]:
        """Every sample picture, in order."""
        return sorted((self.path / "samples").glob("images-*.png"))

    def animation(self, suffix: str) -> Path:
        """The training animation, ".gif" or ".mp4"."""
        return self.path / f"training{suffix}"
