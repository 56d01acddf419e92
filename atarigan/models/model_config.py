"""ModelConfig: the part of a checkpoint that describes its networks."""

import math
from dataclasses import dataclass, field

from atarigan.config.condition import includes_ram, is_state
from atarigan.config.run_config import RunConfig
from atarigan.data.provenance import Provenance
from atarigan.data.sample_spec import SampleSpec
from atarigan.data.states import StateSpec


@dataclass(frozen=True)
class ModelConfig:
    """A checkpoint's config.json: enough to rebuild its networks without the data.

    Attributes:
        run: the settings of the run.
        sample: shape and format of a sample.
        provenance: the environment that the training data came from; unknown for other data, and
            for runs of earlier releases.
    """

    run: RunConfig
    sample: SampleSpec
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def num_classes(self) -> int:
        """Number of classes that condition a sample; 0 for a model without classes."""
        is_by_class = self.run.condition == "class"
        return math.prod(self.sample.condition_shape or (0,)) if is_by_class else 0

    @property
    def state(self) -> StateSpec | None:
        """The state that conditions a sample; None for a model without states."""
        if not is_state(self.run.condition):
            return None
        return StateSpec.of(self.run.condition, math.prod(self.sample.condition_shape or (0,)))

    @property
    def reads_ram(self) -> bool:
        """Whether RAM, the console's 128 bytes of memory, conditions a sample, alone or with the
        action.
        """
        return includes_ram(self.run.condition)
