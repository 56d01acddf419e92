"""How much of a learned code is used: printed, and kept as JSON."""

import numpy as np
import torch

from atarigan.files import typed_json
from atarigan.images.subset import evenly_spaced
from atarigan.models.code_conditioned import CodeConditionedGenerator
from atarigan.models.state.code_use import CodeUse
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

_NUM_MEASURED = 2048
_AT_ONCE = 256


class CodeReport(Observer):
    """Prints how much of the code is used when the encoder settles and at the end, and writes
    codes.json. Does nothing for generators without a learned code.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        self._folder = folder
        self._num_extensions = trainer.updates.generator.num_extensions

    def after_step(self, trainer: Trainer) -> None:
        if trainer.updates.generator.num_extensions != self._num_extensions:
            self._num_extensions = trainer.updates.generator.num_extensions
            self._report(trainer)

    def after_rollback(self, trainer: Trainer) -> None:
        self._num_extensions = trainer.updates.generator.num_extensions

    def at_end(self, trainer: Trainer) -> None:
        self._report(trainer)

    @torch.no_grad()
    def _report(self, trainer: Trainer) -> None:
        generator, source = trainer.averaged_generator, trainer.source
        if not isinstance(generator, CodeConditionedGenerator):
            return
        picked = evenly_spaced(source.num_samples, _NUM_MEASURED)
        codes = []
        for start in range(0, len(picked), _AT_ONCE):
            frames = trainer.plan.condition(source.conditions_at(picked[start : start + _AT_ONCE]))
            assert frames is not None
            codes.append(generator.codes(frames).cpu().numpy())
        use = CodeUse.of(np.concatenate(codes), generator.encoder.quantizer.num_words)
        print(use)
        typed_json.write_json(self._folder.codes, use)
