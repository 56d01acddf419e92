"""`python -m atarigan.export`: a generator as an ONNX file, for other programs and languages."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atarigan.cli import command_line
from atarigan.errors import InputError


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
    from atarigan.models.frame_generator import FrameGenerator
    from atarigan.models.onnx_file import compared, write_onnx

    generator = FrameGenerator.load(arguments.run, "cpu")
    write_onnx(generator, out)
    print(f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB")
    print(compared(generator, out))
    return command_line.EXIT_OK


if __name__ == "__main__":
    command_line.run(main, command="export")
