"""CopiedWithGame: wrappers whose copies keep the state of the game."""

from typing import Any

from ale_py.env import AtariEnv


class CopiedWithGame:
    """A wrapper whose copies and pickles continue the game from its present state.

    A copy of an `AtariEnv` begins a new game, so the wrapper restores the emulator's state in it.
    The emulator's screen shows that state only after the next step. The state lacks the action that
    a sticky action would repeat next, so the first steps of a copy may differ with sticky actions.
    """

    unwrapped: Any

    def __getstate__(self) -> dict[str, Any]:
        games = [(game.clone_state(include_rng=True), game.np_random) for game in _games_in(self)]
        return {"attributes": self.__dict__.copy(), "games": games}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state["attributes"])
        for game, (emulator, rng) in zip(_games_in(self), state["games"], strict=True):
            game.restore_state(emulator)
            game.np_random = rng


def _games_in(wrapper: CopiedWithGame) -> list[AtariEnv]:
    """Return the AtariEnvs in a wrapper of one, or of a vector environment in this process."""
    base = wrapper.unwrapped
    games = [each.unwrapped for each in getattr(base, "envs", [base])]
    return [game for game in games if isinstance(game, AtariEnv)]
