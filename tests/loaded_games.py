"""Loads each game once, not at every reset with a seed and in every environment.

ALE takes 0.1 s to load a game. It spends nearly all of it on a table of blended colors, which is
the same every time; in the fast tests it was a fifth of the time of the processors.
"""

import contextlib
import sys
import weakref
from collections import defaultdict
from collections.abc import Iterator

from ale_py import Action, ALEInterface, ALEState, AtariEnv

load_game = AtariEnv.load_game


class LoadedGames:
    """Emulators that have loaded their games, and what these began with.

    An environment that nothing refers to any more leaves its emulator to the next one with the same
    settings. A reset with a seed goes back to the state in which some emulator was after it had
    loaded the game with that seed. This state has the random numbers in it, so that what follows is
    the same.
    """

    def __init__(self) -> None:
        self._seeded: dict[tuple[object, ...], ALEState] = {}
        self._first: dict[tuple[object, ...], ALEState] = {}
        self._idle: dict[tuple[object, ...], list[ALEInterface]] = defaultdict(list)
        self._num_reused = 0

    def load(self, env: AtariEnv) -> None:
        """Do what `AtariEnv.load_game` does."""
        settings, seed = _settings_of(env), env.ale.getInt("random_seed")
        is_new = not env.ale.getString("rom_file")
        if is_new and (ale := self._taken(settings)) is not None:
            env.ale = ale
        elif not is_new and (settings, seed) in self._seeded:
            env.ale.restoreSystemState(self._seeded[settings, seed])
        else:
            load_game(env)
            self._seeded[settings, seed] = env.ale.cloneSystemState()
            self._first.setdefault(settings, env.ale.cloneState())
        if is_new:
            weakref.finalize(env, self._idle[settings].append, env.ale).atexit = False

    def _taken(self, settings: tuple[object, ...]) -> ALEInterface | None:
        """Take an idle emulator back to the game's beginning. Its random numbers go on: new
        environments have not been seeded.
        """
        idle = self._idle[settings]
        for number in range(len(idle)):
            if sys.getrefcount(idle[number]) > 2:  # the list's, and this call's: others use it
                continue
            ale = idle.pop(number)
            self._num_reused += 1
            ale.restoreState(self._first[settings])
            for _ in range(self._num_reused % 8):  # so that two games differ
                ale.act(Action.NOOP)
            ale.restoreState(self._first[settings])
            return ale
        return None


def _settings_of(env: AtariEnv) -> tuple[object, ...]:
    return (
        env._game,
        env._game_mode,
        env._game_difficulty,
        env.sound_obs,
        env.render_mode == "human",
        env.ale.getFloat("repeat_action_probability"),
        env.ale.getInt("max_num_frames_per_episode"),
    )


@contextlib.contextmanager
def loaded_once() -> Iterator[None]:
    """Let all environments of ALE share what they load."""
    before, games = AtariEnv.load_game, LoadedGames()
    AtariEnv.load_game = lambda env: games.load(env)
    try:
        yield
    finally:
        AtariEnv.load_game = before
