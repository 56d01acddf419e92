"""ModelConfig: what a checkpoint says of its networks."""

import math
from dataclasses import dataclass

from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import SampleSpec


@dataclass(frozen=True)
class ModelConfig:
    """A checkpoint's config.json: enough to rebuild its networks without the data."""

    run: RunConfig
    sample: SampleSpec

    @property
    def num_classes(self) -> int:
        """Classes among which a sample can be chosen; 0 where it was trained without."""
        is_by_class = self.run.condition == "class"
        return math.prod(self.sample.condition_shape or (0,)) if is_by_class else 0

    @property
    def reads_ram(self) -> bool:
        """Whether samples belong to a state of the console's memory."""
        return self.run.condition == "ram"
