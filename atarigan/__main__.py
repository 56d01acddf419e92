"""`python -m atarigan`: list the commands, or run one of them."""

import runpy
import sys
from collections.abc import Sequence

from atarigan.cli import command_line
from atarigan.errors import did_you_mean

COMMANDS = {
    "collect": "play an environment and store its steps",
    "train": "train a GAN on stored frames or another source",
    "sample": "draw pictures, animations or arrays from a generator",
    "evaluate": "evaluate a generator's samples, a dream, or a policy on generated frames",
    "export": "write a generator as an ONNX file, or a model as a page that plays it",
    "play": "play in generated frames, in a browser or in a window",
    "pack": "write only the generator into a small folder, to share it",
    "convert": "write a buffer as a dataset of another library, or read one",
    "clone": "train a pixel policy to imitate a scripted player",
    "demo": "run everything on Breakout: collect, train, and play in generated frames",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `atarigan COMMAND [flags]`; without a command, or with --help, list them.

    Args:
        argv: command line to parse; None means that of the process.

    Returns:
        the exit status, if no command was run. A command exits with its own status.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    name = words[0] if words else "--help"
    if name in ("--help", "-h"):
        print("usage: python -m atarigan COMMAND [flags]; COMMAND --help shows the flags\n")
        for command, purpose in COMMANDS.items():
            print(f"  {command:10}{purpose}")
        return command_line.EXIT_OK
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS)
        print(f"python -m atarigan: unknown command {name!r}: {hint}", file=sys.stderr)
        return command_line.EXIT_BAD_INPUT
    sys.argv = [name, *words[1:]]
    runpy.run_module(f"atarigan.{name}", run_name="__main__", alter_sys=True)
    return command_line.EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
