"""OnnxGenerator: runs a generator from an ONNX file, without torch.

`onnx_file` writes these files and stores the configuration in their metadata.
"""

import json
import math
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from atarigan.config.extras import imported
from atarigan.config.run_config import LatentDistribution
from atarigan.data.provenance import Provenance
from atarigan.data.states import StateSpec
from atarigan.errors import InputError, one_line, shown
from atarigan.files import typed_json
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.models.latents import Latents, Seed, batches, draw_latents
from atarigan.models.model_config import ModelConfig

T = TypeVar("T")
METADATA_KEY = "atarigan"
LATENT_SIZE_KEY = "atarigan.latent_size"
INPUTS = ("latents", "conditions")


class OnnxGenerator:
    """The part of FrameGenerator that environment wrappers need, from an ONNX file.

    A generator that reads states needs them at every call: the file draws no states. Its latents
    still have the part that determines a state, so that the same seed draws the same latents as
    `FrameGenerator` does.

    Attributes:
        model: the configuration of the training run.
        latent_size: length of a latent: the network's part, then the part that determines a state.
    """

    def __init__(self, content: bytes, name: str, num_threads: int = 1) -> None:
        self._arguments = content, name, num_threads
        self._session = _session(content, name, num_threads)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.model = _model(metadata.get(METADATA_KEY), name)
        self.latent_size = _latent_size(self.model, metadata.get(LATENT_SIZE_KEY), name)

    @classmethod
    def load(cls, file: str | Path, num_threads: int = 1) -> Self:
        """Load a file that `python -m atarigan.export` wrote.

        Args:
            file: FILE.onnx.
            num_threads: CPU threads of ONNX Runtime.

        Warns if an earlier release wrote the file of a generator that reads states: its latents
        differ from those of `FrameGenerator` with the same seed.

        Raises:
            InputError: ONNX Runtime is not installed, or the file is not such a file.
        """
        try:
            content = Path(file).read_bytes()
        except OSError as error:
            raise InputError(f"{file} is not a readable ONNX file: {error.strerror}") from None
        return cls(content, str(file), num_threads)

    def __reduce__(self) -> tuple[Any, ...]:  # a session cannot be pickled
        return type(self), self._arguments

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self  # nothing in it changes

    @property
    def frame_format(self) -> FrameFormat:
        """Format of the frames. Raises InputError if it generates points."""
        if self.model.sample.frame_format is None:
            raise InputError("this generator makes points, not frames")
        return self.model.sample.frame_format

    @property
    def provenance(self) -> Provenance:
        """The environment that the training data came from, as far as it is known."""
        return self.model.provenance

    @property
    def latent_distribution(self) -> LatentDistribution:
        """Distribution of latents, as `FrameGenerator.latent_distribution`."""
        return self.model.run.latent_prior

    @property
    def state(self) -> StateSpec | None:
        """The state that conditions a frame; None for a generator without states."""
        return self.model.state

    @property
    def reads_ram(self) -> bool:
        """Whether RAM conditions a frame."""
        return self.model.reads_ram

    def latents(self, num: int, seed: Seed = None) -> Latents:
        """Draw latents float32 (num, latent_size). Raises InputError if num is below 0."""
        return draw_latents(num, self.latent_size, self.latent_distribution, seed)

    def decode(self, latents: Latents, conditions: npt.NDArray[Any] | None = None) -> Frames:
        """Return the frames of latents (N, latent_size), uint8 (N, H, W, C).

        Args:
            latents: float32, from `latents`.
            conditions: RAM uint8 (N, bytes), other states float32 (N, size) or classes float32 (N,
                num_classes), if the generator was trained with them.

        Raises:
            InputError: it generates points, or the latents or conditions have another shape.
        """
        if conditions is not None and self.state is not None:
            conditions = self.state.with_no_op(conditions)
        given = [latents] if conditions is None else [latents, conditions]
        shapes: list[tuple[int, ...]] = [(self.latent_size,)]
        if self.model.sample.condition_shape:
            shapes.append(self.model.sample.condition_shape)
        expected = _named((len(latents), *shape) for shape in shapes)
        found = _named(array.shape for array in given)
        if found != expected:
            raise InputError(f"this generator takes {expected}, not {found}")
        frames = np.empty((len(latents), *self.frame_format.shape), np.uint8)
        for part in batches(len(latents)):
            of_network = latents[part, : self.model.run.latent_size]
            frames[part] = self.samples(of_network, *(array[part] for array in given[1:]))
        return frames

    def samples(self, *inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the samples of the network's part of latents, and conditions if any, in one
        batch.
        """
        named = _named(map(np.ascontiguousarray, inputs))
        samples: npt.NDArray[Any] = self._session.run(None, named)[0]
        return samples


def _session(content: bytes, name: str, num_threads: int) -> Any:
    runtime = imported("onnxruntime", "onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = num_threads
    try:
        return runtime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has an exception class for each error code
        reason = one_line(error)
        raise InputError(f"{name} is not a readable ONNX file: {reason}") from None


def _model(written: str | None, name: str) -> ModelConfig:
    if written is None:
        raise InputError(f"{name} was not written by python -m atarigan.export")
    try:
        data = json.loads(written)
    except ValueError as error:
        raise InputError(f"{name} is damaged: {error}") from None
    return typed_json.from_dict(ModelConfig, data, name)


def _latent_size(model: ModelConfig, written: str | None, name: str) -> int:
    """Return the length of a latent by the file, or else that of the network's part.

    Raises:
        InputError: the length in the file is impossible for this generator.
    """
    least = model.run.latent_size
    if written is None:
        if model.state is not None:
            warnings.warn(
                f"{name} was exported by an earlier release: with the same seed its frames differ "
                "from those of the run; export it again",
                stacklevel=4,
            )
        return least
    most = least + math.prod(model.sample.condition_shape or (0,)) * (model.state is not None)
    if not written.isdecimal() or not least <= int(written) <= most:
        raise InputError(
            f"{name} is damaged: the size of its latents must be {least} to {most}, "
            f"not {shown(written)}"
        )
    return int(written)


def _named(values: Iterable[T]) -> dict[str, T]:
    """Return values by the names of a file's one or two inputs."""
    return dict(zip(INPUTS, values, strict=False))
