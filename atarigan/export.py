"""`python -m atarigan.export`: a generator as an ONNX file, for other programs and languages."""

import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atarigan import command_line
from atarigan.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from atarigan.frame_generator import FrameGenerator

NUM_CHECKED = 64


@dataclass(frozen=True)
class ExportArguments:
    """Write a generator as ONNX, for batches of any size, and compare what ONNX Runtime makes of it
    with what torch does.

    The file takes latents float32 (N, latent_size) and, where the generator was trained with them,
    conditions: the console's memory uint8 (N, 128), or classes float32 (N, num_classes). It gives
    frames uint8 (N, H, W, C), or points float32 (N, 2).
    """

    run: str
    """A run's folder, or one checkpoint's, or the name of a generator that comes with atarigan."""
    out: str
    """A new FILE.onnx."""

    def __post_init__(self) -> None:
        if not self.out.endswith(".onnx"):
            raise InputError(f"--out must end in .onnx, not {self.out!r}")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, write, compare; returns the exit status."""
    arguments = command_line.parse(ExportArguments, argv, command="export")
    out = Path(arguments.out)
    if out.exists():
        raise InputError(f"--out must be a new file, and {out} exists")
    from atarigan.frame_generator import FrameGenerator
    from atarigan.onnx_generator import imported

    for name in ("onnx", "onnxscript", "onnxruntime"):
        imported(name)
    generator = FrameGenerator.load(arguments.run, "cpu")
    write_onnx(generator, out)
    print(f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB")
    print(compared(generator, out))
    return command_line.EXIT_OK


def write_onnx(generator: "FrameGenerator", out: Path) -> None:
    """Write the file; readers see nothing or all of it."""
    import torch

    from atarigan.onnx_generator import CONDITIONS, LATENTS, METADATA_KEY, SAMPLES

    inputs = example_inputs(generator, num=8)
    batch = torch.export.Dim("batch", min=1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, of its own code
        program: Any = torch.onnx.export(
            generator.network(),
            inputs,
            dynamo=True,
            dynamic_shapes=({0: batch},) * len(inputs),
            input_names=[LATENTS, CONDITIONS][: len(inputs)],
            output_names=[SAMPLES],
            verbose=False,
        )
    program.model.metadata_props[METADATA_KEY] = json.dumps(asdict(generator.model))
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f"new-{out.name}")
    program.save(temporary)
    temporary.replace(out)


def example_inputs(generator: "FrameGenerator", num: int) -> tuple["Tensor", ...]:
    """What the network is called with for `num` samples, from seed 0."""
    import numpy as np
    import torch

    latents = generator.latents(num, seed=0)
    numbers = torch.from_numpy(latents[:, : generator.model.run.latent_size].copy())
    if generator.reads_ram:
        return numbers, torch.from_numpy(generator.states(latents))
    if generator.num_classes:
        labels = np.arange(num) % generator.num_classes
        return numbers, torch.from_numpy(generator.conditions(labels))
    return (numbers,)


def compared(generator: "FrameGenerator", file: Path) -> str:
    """How far ONNX Runtime's samples of the file are from torch's, in words."""
    import numpy as np
    import torch

    from atarigan.onnx_generator import CONDITIONS, LATENTS, imported

    session = imported("onnxruntime").InferenceSession(str(file))
    inputs = example_inputs(generator, NUM_CHECKED)
    names = (LATENTS, CONDITIONS)[: len(inputs)]
    fed = {name: each.numpy() for name, each in zip(names, inputs, strict=True)}
    found = session.run(None, fed)[0]
    with torch.inference_mode():
        expected = generator.network()(*inputs).numpy()
    furthest = float(np.abs(found.astype(np.float64) - expected).max())
    kind = "levels" if generator.makes_frames else "units"
    return (
        f"{NUM_CHECKED} samples by ONNX Runtime: {(found == expected).mean():.4%} of numbers as by "
        f"torch, the others at most {furthest:.3g} {kind} off"
    )


if __name__ == "__main__":
    command_line.run(main, command="export")
