"""Where a run keeps what it leaves behind.

```
runs/breakout/
  config.json                the configuration, as a checkpoint has it
  checkpoints/images-…/      the newest checkpoints (see atarigan.training.checkpoint)
  samples/images-….png       generated from the same latents each time
  real_beside_generated.png
  training.gif, training.mp4 the samples in order
  tensorboard/               losses, outputs, pictures
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
    def real_beside_generated(self) -> Path:
        return self.path / "real_beside_generated.png"

    def samples(self, num_images: int) -> Path:
        """The sample picture after that many images."""
        return self.path / "samples" / f"images-{num_images:012d}.png"

    def all_samples(self) -> list[Path]:
        """Every sample picture, in order."""
        return sorted((self.path / "samples").glob("images-*.png"))

    def animation(self, suffix: str) -> Path:
        """The training animation, ".gif" or ".mp4"."""
        return self.path / f"training{suffix}"
