"""Loads each game once with each seed, since every loading takes 0.1 s of a test's time."""

import contextlib
from collections.abc import Iterator

from ale_py import ALEState, AtariEnv

load_game = AtariEnv.load_game


@contextlib.contextmanager
def loaded_once() -> Iterator[None]:
    """Let resets with a seed go back to the state in which the same game was after it had been
    loaded with the same seed and settings.

    The state has the emulator's random numbers in it, so what follows is the same. ALE computes a
    table of blended colors whenever it loads a game, which takes nearly all of the time.
    """
    states: dict[tuple[object, ...], ALEState] = {}
    before = AtariEnv.load_game

    def go_back(env: AtariEnv) -> None:
        ale = env.ale
        key = (env._game, env._game_mode, env._game_difficulty, ale.getInt("random_seed"),
               ale.getFloat("repeat_action_probability"))  # fmt: skip
        if ale.getString("rom_file") and key in states:
            ale.restoreSystemState(states[key])
        else:
            load_game(env)
            states[key] = ale.cloneSystemState()

    AtariEnv.load_game = go_back
    try:
        yield
    finally:
        AtariEnv.load_game = before
