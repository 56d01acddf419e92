"""`python -m atarigan`: lists the commands, and runs the one that is named first."""

import runpy
import sys
from collections.abc import Sequence

from atarigan.cli import command_line
from atarigan.errors import did_you_mean

COMMANDS = {
    "collect": "play an environment and store what it shows",
    "train": "train a GAN on stored frames or another source",
    "sample": "draw pictures, animations or arrays from a generator",
    "evaluate": "measure how good a generator's samples are, or what a policy keeps of its score",
    "export": "write a generator as an ONNX file",
    "pack": "write a generator alone into a small folder, to pass it on",
    "clone": "teach a pixel policy what a scripted player does",
    "demo": "all of it on Breakout: collect, train, and play in generated frames",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `atarigan COMMAND [flags]`; without a command, or with --help, list them.

    Args:
        argv: words to parse; None means those of the process.

    Returns:
        the exit status of the list. A command ends the process with its own.
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
