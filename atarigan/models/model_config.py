"""ModelConfig: the part of a checkpoint that describes its networks."""

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
        """Number of classes that condition a sample; 0 for a model without classes."""
        is_by_class = self.run.condition == "class"
        return math.prod(self.sample.condition_shape or (0,)) if is_by_class else 0

    @property
    def reads_ram(self) -> bool:
        """Whether RAM, the console's 128 bytes of memory, conditions a sample."""
        return self.run.condition == "ram"
