"""Play a page of `python -m atarigan.export` in Chromium: a scripted player presses its keys.

    python -m atarigan.export --run pong --out pong.html
    python -m examples.play_page --page pong.html

The player reads RAM from the page, as `--policy scripted` does from the emulator, so it knows Pong
and Breakout. In another game it holds keys in turns, such as `--keys ArrowUp` in Freeway and
`--keys Space none` in Bowling. Without keys, and without a dream, a page is only measured. It needs
playwright (`pip install playwright`) and Chromium: `$ATARIGAN_CHROMIUM`, or one on the path.
"""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atarigan.cli import command_line
from atarigan.config.extras import imported
from atarigan.data.collection.screen import RamScreen
from atarigan.data.collection.scripted.scripts import SCRIPTS, Script
from atarigan.errors import InputError

CHROMIUM = "ATARIGAN_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_KEYS = {"RIGHT": "ArrowRight", "LEFT": "ArrowLeft", "FIRE": "Space"}
_POLL_S = 0.005
_STEPS_OF_A_KEY = 8
_NO_KEY = "none"
_MEASURED_MS = 2000


@dataclass(frozen=True)
class ExampleArguments:
    """Play a page in Chromium with scripted keys, and measure how fast it draws."""

    page: str
    """FILE.html of atarigan.export."""
    seconds: float = 60.0
    """How long to play, in real time."""
    seed: int = 0
    """Seed of the player."""
    keys: tuple[str, ...] = ()
    """Keys that are held for half a second each, in turns, instead of the player's: names in
    JavaScript's KeyboardEvent, or none for no key."""
    screenshot: str | None = None
    """FILE.png for a picture of the page at the end."""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = command_line.parse(ExampleArguments, argv, command="examples.play_page", package="")
    file = Path(arguments.page)
    if not file.is_file():
        raise InputError(f"--page must be a file, and {file} is none")
    if not arguments.seconds > 0:
        raise InputError(f"--seconds must be above 0, not {arguments.seconds}")
    with opened(file) as page:
        step_ms = page.evaluate(_MEASURE, _MEASURED_MS)
        size = f"{file.stat().st_size / 1e6:.2f} MB"
        print(f"{file.name}: {size}, {step_ms:.1f} ms a frame, {1000 / step_ms:.0f} frames/s")
        if page.evaluate("atarigan.app.world.isPlayable"):
            play(page, arguments.seconds, arguments.seed, arguments.keys)
        if arguments.screenshot is not None:
            page.screenshot(path=arguments.screenshot)
    return command_line.EXIT_OK


# The median milliseconds of an agent step that is drawn, which a busy machine hardly changes.
_MEASURE = """(duration) => {
  const times = [performance.now()];
  while (times.at(-1) - times[0] < duration) {
    atarigan.app.player.step();
    times.push(performance.now());
  }
  document.getElementById("reset").click();
  const each = times.slice(1).map((time, number) => time - times[number]).sort((a, b) => a - b);
  return each[each.length >> 1];
}"""


def find_chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    return os.environ.get(CHROMIUM) or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def opened(file: Path, **options: Any) -> Iterator[Any]:
    """Open a page in Chromium, and wait until it can be played.

    Args:
        file: FILE.html.
        options: of playwright's `new_context`.

    Raises:
        InputError: there is no playwright or no Chromium, or the file is no page of ours.
    """
    api = imported("playwright.sync_api", "dev")
    chromium = find_chromium()
    if chromium is None:
        raise InputError(f"there is no Chromium: set ${CHROMIUM}")
    if not Path(chromium).is_file():
        raise InputError(f"${CHROMIUM} must be a file, and {chromium} is none")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(**options).new_page()
        page.goto(file.resolve().as_uri())
        if page.query_selector('meta[name="generator"][content="atarigan"]') is None:
            raise InputError(f"--page must be a page of atarigan.export, and {file} is none")
        page.wait_for_selector("body.ready")
        yield page
        browser.close()


class KeysInTurns:
    """A player that holds a few keys in turns, for eight agent steps each.

    Args:
        names: as JavaScript's KeyboardEvent names them; "none" for no key.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def begin_episode(self) -> None:
        """Begin a new episode."""
        self._num_steps = 0

    def key(self, ram: Sequence[int]) -> str | None:
        """Return the key to hold, or None."""
        name = self._names[self._num_steps // _STEPS_OF_A_KEY % len(self._names)]
        self._num_steps += 1
        return None if name == _NO_KEY else name


class ScriptedKeys:
    """The scripted player of a game.

    Args:
        script: how the game is played.
        meanings: of the page's actions.
        seed: of the player.
    """

    def __init__(self, script: Script, meanings: tuple[str, ...], seed: int) -> None:
        self._meanings = meanings
        self._player = script.player(meanings, np.random.default_rng(seed))

    def begin_episode(self) -> None:
        """Begin a new episode."""
        self._player.begin_episode()

    def key(self, ram: Sequence[int]) -> str | None:
        """Return the key to hold, or None."""
        action = self._player.act(RamScreen(np.array(ram, np.uint8)))
        return _KEYS.get(self._meanings[action])


def play(page: Any, seconds: float, seed: int, keys: Sequence[str] = ()) -> None:
    """Press the scripted player's keys, or others in turns, in real time; print the score."""
    script = SCRIPTS.get(page.evaluate("atarigan.app.settings.title").lower())
    meanings = tuple(page.evaluate("atarigan.app.settings.dream.actionMeanings"))
    player: KeysInTurns | ScriptedKeys
    if keys:
        check_keys(page, keys)
        player = KeysInTurns(keys)
    elif script is not None:
        player = ScriptedKeys(script, meanings, seed)
    else:
        print("no scripted player knows this game: name keys with --keys")
        return
    player.begin_episode()
    held, scores, last = HeldKey(page), [], -1
    page.click("#play")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ram, num_steps, score, is_over = page.evaluate(_LOOK)
        if is_over:
            scores.append(score)
            page.click("#play")
            player.begin_episode()
        elif num_steps != last:
            held.hold(player.key(ram))
        last = num_steps
        time.sleep(_POLL_S)
    held.hold(None)
    page.click("#play")
    scores.append(page.evaluate("atarigan.app.world.score"))
    shown = ", ".join(f"{each:g}" for each in scores)
    print(f"{seconds:g} s of play, {last} agent steps, score: {shown}")


def check_keys(page: Any, names: Sequence[str]) -> None:
    """Raise InputError if a name is not that of a key."""
    api = imported("playwright.sync_api", "dev")
    for name in set(names) - {_NO_KEY}:
        try:
            page.keyboard.up(name)
        except api.Error:
            raise InputError(f"--keys must be names of keys or none, not {name!r}") from None


_LOOK = """() => {
  const { ram, numSteps, score, isOver } = atarigan.app.world;
  return [[...ram], numSteps, score, isOver];
}"""


class HeldKey:
    """Holds at most one key of a page."""

    def __init__(self, page: Any) -> None:
        self._keyboard = page.keyboard
        self._held: str | None = None

    def hold(self, key: str | None) -> None:
        """Hold a key, or none."""
        if key == self._held:
            return
        if self._held is not None:
            self._keyboard.up(self._held)
        if key is not None:
            self._keyboard.down(key)
        self._held = key


if __name__ == "__main__":
    command_line.run(main, command="examples.play_page", package="")
