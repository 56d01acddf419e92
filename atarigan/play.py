"""`python -m atarigan.play`: play in generated frames, in a browser or in a window."""

import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atarigan.cli import command_line
from atarigan.errors import InputError, flag_of

if TYPE_CHECKING:
    import gymnasium as gym


@dataclass(frozen=True)
class PlayArguments:
    """Play in generated frames.

    --run opens a page in the browser that plays a dream, or shows a generator. --env-id opens a
    window with the real game on the left and its generated frames on the right. Windows need
    pygame, of the extra `play`.
    """

    run: str | None = None
    """A run, a checkpoint or a dream, the name of a shipped model, or hf://USER/NAME[@REVISION]."""
    env_id: str | None = None
    """A game of ALE, such as ALE/Breakout-v5."""
    generator: str | None = None
    """With --env-id: a run, a checkpoint, a shipped name or hf://USER/NAME[@REVISION]. Default: the
    one of the game.
    """
    out: str | None = None
    """With --run: a new FILE.html for the page. Default: a file in a temporary folder."""
    window: bool = False
    """With --run: play a dream in a window."""
    seed: int = 0
    """Of a window: seed of the game."""
    max_steps: int = 0
    """Of a window: agent steps after which it closes; 0 for no limit."""

    def __post_init__(self) -> None:
        if (self.run is None) == (self.env_id is None):
            found = "neither" if self.run is None else "both"
            raise InputError(f"either --run or --env-id must be given, not {found}")
        if self.generator is not None and self.env_id is None:
            raise InputError("--generator needs --env-id: --run is a generator itself")
        if self.out is not None:
            if self.env_id is not None or self.window:
                raise InputError("--out needs --run without --window: a window is no file")
            if not self.out.endswith(".html"):
                raise InputError(f"--out must end in .html, not {self.out!r}")
        for name in ("seed", "max_steps"):
            if getattr(self, name) < 0:
                flag = flag_of(name)
                raise InputError(f"{flag} must be at least 0, not {getattr(self, name)}")
        if (self.seed or self.max_steps) and self.env_id is None and not self.window:
            raise InputError(
                "--seed and --max-steps need a window, which --env-id or --window opens"
            )


def main(argv: Sequence[str] | None = None) -> int:
    """Open a page or a window; return the exit status."""
    arguments = command_line.parse(PlayArguments, argv, command="play")
    if arguments.env_id is None and not arguments.window:
        open_page(arguments)
    else:
        open_window(arguments)
    return command_line.EXIT_OK


def open_page(arguments: PlayArguments) -> None:
    """Write the page of a model, and open it in the browser.

    Raises:
        InputError: the model is missing or damaged, or no page can run it.
    """
    from atarigan.models.web_pages.page import write_page

    assert arguments.run is not None
    name = Path(arguments.run).name or "model"
    if arguments.out is None:
        out = Path(tempfile.mkdtemp(prefix="atarigan-")) / f"{name}.html"
    else:
        out = Path(arguments.out)
    if out.exists():
        raise InputError(f"--out must be a new file, and {out} exists")
    write_page(arguments.run, out)
    print(f"wrote {out}, {out.stat().st_size / 1e6:.2f} MB")
    if not webbrowser.open(out.resolve().as_uri()):
        print("there is no browser here: open the file in one")


def open_window(arguments: PlayArguments) -> None:
    """Play in a window until it is closed, and print the scores.

    Raises:
        InputError: pygame is not installed, the game is unknown, or the model is none for it.
    """
    from atarigan.envs.play_window import play_in_window

    episodes = play_in_window(_env(arguments), arguments.seed, arguments.max_steps)
    scores = ", ".join(f"{score:g}" for score in episodes.scores) or "none"
    print(f"{episodes.num_steps} agent steps, scores: {scores}")


def _env(arguments: PlayArguments) -> "gym.Env[Any, Any]":
    """Return the real game beside its generated frames, or a dream."""
    import gymnasium as gym

    options: dict[str, Any]
    if arguments.env_id is not None:
        name, options = "Generated-v0", {"env_id": arguments.env_id, "render": "beside"}
        if arguments.generator is not None:
            options["generator"] = arguments.generator
    else:
        from atarigan.models import model_source

        model = str(arguments.run)
        if not model_source.has_dream(model):
            raise InputError(
                f"--window needs a dream, and {model} has none: leave it out for a page"
            )
        name, options = "Dream-v0", {"model": model}
    env: gym.Env[Any, Any] = gym.make(
        f"atarigan:atarigan/{name}", render_mode="rgb_array", **options
    )
    return env


if __name__ == "__main__":
    command_line.run(main, command="play")
