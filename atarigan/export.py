"""`python -m atarigan.export`: writes a model as an ONNX file or as a page that plays it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atarigan.cli import command_line
from atarigan.errors import InputError
from atarigan.models.model_source import is_dream


@dataclass(frozen=True)
class ExportArguments:
    """Write a generator as an ONNX file, and compare ONNX Runtime's samples with torch's; or write
    it, with its dream if it has one, as a page that runs in a browser, from disk and alone.

    ONNX files take batches of any size. The inputs are latents float32 (N, latent_size) and, if the
    generator was trained with them, conditions: RAM or codes uint8 (N, bytes), other states float32
    (N, size) or classes float32 (N, num_classes). The output is frames uint8 (N, H, W, C) or points
    float32 (N, 2).
    """

    run: str
    """A run, a checkpoint, the name of a shipped model, or hf://USER/NAME[@REVISION]; for a page,
    also a dream.
    """
    out: str
    """A new FILE.onnx or FILE.html."""

    def __post_init__(self) -> None:
        if Path(self.out).suffix not in (".onnx", ".html"):
            raise InputError(f"--out must end in .onnx or .html, not {self.out!r}")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse and write; return the exit status."""
    arguments = command_line.parse(ExportArguments, argv, command="export")
    out = Path(arguments.out)
    if out.exists():
        raise InputError(f"--out must be a new file, and {out} exists")
    if out.suffix == ".html":
        from atarigan.models.web_pages.page import write_page

        write_page(arguments.run, out)
        print(f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB")
    else:
        export_onnx(arguments.run, out)
    return command_line.EXIT_OK


def export_onnx(run: str, out: Path) -> None:
    """Write the file, and print how its samples compare with torch's.

    Raises:
        InputError: the generator is missing or damaged, or a dream; or the extra `onnx` is missing.
    """
    if is_dream(run):
        raise InputError(f"--run must be a generator, and {run} is a dream: ONNX is for networks")
    from atarigan.models.frame_generator import FrameGenerator
    from atarigan.models.onnx_file import compared, write_onnx

    generator = FrameGenerator.load(run, "cpu")
    write_onnx(generator, out)
    print(f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB")
    print(compared(generator, out))
    if generator.num_encoded:
        print("the file decodes codes; the encoder of frames stays with the run")


if __name__ == "__main__":
    command_line.run(main, command="export")
