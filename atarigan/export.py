"""`python -m atarigan.export`: writes a generator as an ONNX file for other programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atarigan.cli import command_line
from atarigan.errors import InputError
from atarigan.models.model_source import is_dream


@dataclass(frozen=True)
class ExportArguments:
    """Write a generator as an ONNX file for batches of any size, and compare ONNX Runtime's samples
    with torch's.

    The inputs are latents float32 (N, latent_size) and, if the generator was trained with them,
    conditions: RAM uint8 (N, 128), other states float32 (N, size) or classes float32 (N,
    num_classes). The output is frames uint8 (N, H, W, C) or points float32 (N, 2).
    """

    run: str
    """A run folder, a checkpoint folder, the name of a shipped generator, or
    hf://USER/NAME[@REVISION].
    """
    out: str
    """A new FILE.onnx."""

    def __post_init__(self) -> None:
        if not self.out.endswith(".onnx"):
            raise InputError(f"--out must end in .onnx, not {self.out!r}")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, write, compare; return the exit status."""
    arguments = command_line.parse(ExportArguments, argv, command="export")
    out = Path(arguments.out)
    if out.exists():
        raise InputError(f"--out must be a new file, and {out} exists")
    if is_dream(arguments.run):
        raise InputError(
            f"--run must be a generator, and {arguments.run} is a dream: ONNX is for networks"
        )
    from atarigan.models.frame_generator import FrameGenerator
    from atarigan.models.onnx_file import compared, write_onnx

    generator = FrameGenerator.load(arguments.run, "cpu")
    write_onnx(generator, out)
    print(f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB")
    print(compared(generator, out))
    return command_line.EXIT_OK


if __name__ == "__main__":
    command_line.run(main, command="export")
