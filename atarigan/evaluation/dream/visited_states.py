"""How exact a dream is on the states that it visits: the emulator plays on from them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.cli.terminal import discarded_stderr
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.frame_player import SavedGame
from atarigan.data.collection.screen import RamScreen
from atarigan.evaluation.dream.episode_bootstrap import episode_weights, share
from atarigan.evaluation.dream.played_games import NamedPolicy
from atarigan.evaluation.dream.unseen_steps import UnseenSteps
from atarigan.evaluation.metrics.score import METRICS, Score
from atarigan.models.dynamics.controls import NO_PADDLE, Controls
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.dream_batch import DreamBatch, GameStates
from atarigan.models.dynamics.exactness import read_bytes

MOST_VISITS = 2000  # agent steps of each policy's play
VISITS_APART = 20  # agent steps
_MOST_REAL = 1000
_JOYSTICK = 3  # inputs before those of the paddle

Bytes = npt.NDArray[np.uint8]
Inputs = npt.NDArray[np.int32]
Progress = Callable[[int], None]


class StepsFrom(NamedTuple):
    """Agent steps from n states, and what they lead to.

    Attributes:
        previous: RAM a frame before them, uint8 (n, bytes).
        states: RAM before them, uint8 (n, bytes).
        inputs: of the frame between these two, and of the steps' frames, int32 (n, 1 + frames,
            inputs).
        next_states: RAM after them, uint8 (n, bytes).
        ends: whether the game is over then, bool (n,).
        lives: lives then, uint8 (n,).
        groups: the policy or the episode of each, from 0, int64 (n,).
    """

    previous: Bytes
    states: Bytes
    inputs: Inputs
    next_states: Bytes
    ends: npt.NDArray[np.bool_]
    lives: Bytes
    groups: npt.NDArray[np.int64]


class EmulatedSteps:
    """Plays agent steps in the emulator from any RAM.

    First it plays the frame before, from RAM as it was then: the console's other chips hold which
    objects touched in that frame. For that frame, they are as they were at a moment after a reset,
    and the paddle is where the frame begins.

    Args:
        env: the game.
        controls: translate its actions.

    Attributes:
        player: of the game's frames.
    """

    def __init__(self, env: AgentSteps, controls: Controls) -> None:
        assert env.frame_player is not None
        self.player = env.frame_player
        env.reset(0)
        joysticks = controls.joysticks[: controls.num_actions].tolist()
        self._actions = {tuple(each): number for number, each in enumerate(joysticks)}
        self._has_paddle = controls.has_paddle
        sides = [int(np.argmax(controls.directions == side)) for side in (-1, 1)]
        self._moments = self._with_every_resistance(sides if controls.has_paddle else [])

    def _with_every_resistance(self, sides: Sequence[int]) -> dict[int, SavedGame]:
        """Return moments of the game by the resistance of the paddle, all that actions lead to."""
        player = self.player
        moments = {player.state.paddle: player.saved()}
        waiting = list(moments.values())
        while waiting:
            moment = waiting.pop()
            for action in sides:
                player.restore(moment)
                player.play_exactly(action)
                if player.state.paddle not in moments:
                    moments[player.state.paddle] = player.saved()
                    waiting.append(moments[player.state.paddle])
        return moments

    def repeats(
        self, steps: StepsFrom, is_read: npt.NDArray[np.bool_], progress: Progress
    ) -> npt.NDArray[np.bool_]:
        """Return which steps lead to the same bytes of those read, end and lives, bool (n,)."""
        player, is_same = self.player, np.zeros(len(steps.states), np.bool_)
        for row, inputs in enumerate(steps.inputs):
            with discarded_stderr():  # the emulator tells of code that a wrong stack leads to
                self._play(steps.previous[row], steps.states[row], inputs)
            is_same[row] = (
                np.array_equal(player.ram[is_read], steps.next_states[row][is_read])
                and player.is_over == steps.ends[row]
                and player.state.lives == steps.lives[row]
            )
            progress(1)
        return is_same

    def put(self, state: Bytes, inputs: npt.NDArray[np.int32]) -> None:
        """Put the game into a state, with the paddle where a frame with these inputs begins.

        Args:
            state: RAM, uint8 (bytes,).
            inputs: of the frame that begins with it, int32 (inputs,).
        """
        resistance = int(inputs[-2]) if self._has_paddle else NO_PADDLE
        self.player.restore(self._moments[resistance])
        self.player.write_ram(state)

    def play_before(self, previous: Bytes, inputs: npt.NDArray[np.int32]) -> None:
        """Play the frame before a state.

        Args:
            previous: RAM before that frame, uint8 (bytes,).
            inputs: of that frame, int32 (inputs,).
        """
        self.put(previous, inputs)
        self.player.play_exactly(self.action_of(inputs))

    def _play(self, previous: Bytes, state: Bytes, inputs: npt.NDArray[np.int32]) -> None:
        """Play the frame before, and then the step, until the frame that ends the game."""
        self.play_before(previous, inputs[0])
        self.player.write_ram(state)
        for each in inputs[1:]:
            self.player.play_exactly(self.action_of(each))
            if self.player.is_over:
                return

    def action_of(self, inputs: npt.NDArray[np.int32]) -> int:
        """Return the number of the action that gives a frame these inputs, int32 (inputs,)."""
        return self._actions[tuple(inputs[:_JOYSTICK].tolist())]


def visited_score(
    dream: Dream,
    env: AgentSteps,
    visited: StepsFrom,
    real: StepsFrom,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> dict[str, Score]:
    """Score a dream by an agent step from each of many states that it visits by itself.

    Such a step is exact if the emulator, put into the same state, comes to the same bytes that the
    game reads, and to the same end and lives. The floor is the share of real agent steps that the
    emulator repeats when it is put into their states: it lacks what is not in RAM.

    Args:
        dream: the learned game.
        env: its real game, without a limit on standstill.
        visited: steps of its own play, as it predicts them.
        real: real agent steps.
        seed: of the resamples of whole policies.
        progress: called after each state.

    Returns:
        the score by its metric; nothing without any visited or real steps.
    """
    if not len(visited.states) or not len(real.states):
        return {}
    emulator = EmulatedSteps(env, dream.controls)
    is_read = read_bytes(dream.dynamics.num_bytes, dream.settings.unread)
    is_exact, is_repeated = (emulator.repeats(each, is_read, progress) for each in (visited, real))
    weights = episode_weights(int(visited.groups.max()) + 1, seed)
    value, interval = share(is_exact, visited.groups, weights)
    name, floor = "exact_visited", float(is_repeated.mean())
    return {name: Score(value=value, floor=floor, interval=interval, better=METRICS[name].better)}


def visited_steps(
    dream: Dream, policies: Sequence[NamedPolicy], num_steps: int, seed: int
) -> StepsFrom:
    """Let each policy play a dream for so many agent steps. Now and then, go on with its action for
    two agent steps, without sticky actions, and return the second one, as the dream predicts it.
    """
    batch, everyone = DreamBatch(dream, len(policies)), np.arange(len(policies))
    rng = np.random.default_rng(seed)
    batch.seed(everyone, rng.integers(2**63, size=len(policies), dtype=np.uint64))
    batch.reset(everyone)
    players = [policy.make(rng) for policy in policies]
    for player in players:
        player.begin_episode()
    found = []
    for number in range(num_steps):
        pairs = zip(players, batch.games.rams, strict=True)
        actions = np.array([player.act(RamScreen(ram)) for player, ram in pairs], np.int64)
        if number % VISITS_APART == 0:
            found.append(_predicted(dream, batch.games, actions, batch.frame_skip))
        over = np.flatnonzero(batch.step(actions).ends)
        batch.reset(over)
        for row in over:
            players[row].begin_episode()
    return StepsFrom._make(np.concatenate(arrays) for arrays in zip(*found, strict=True))


def _predicted(
    dream: Dream, games: GameStates, actions: npt.NDArray[np.int64], num_frames: int
) -> StepsFrom:
    """Return the second of two agent steps in the games that do not end before it."""
    held = actions[:, None].repeat(2 * num_frames, axis=1)
    inputs = dream.controls.frames(games.resistances, held)[1]
    play = dream.dynamics.play
    previous = play(games.rams, games.lives, inputs[:, : num_frames - 1])
    present = play(previous.states, previous.lives, inputs[:, num_frames - 1 : num_frames])
    found = play(present.states, present.lives, inputs[:, num_frames:])
    steps = StepsFrom(
        previous.states,
        present.states,
        inputs[:, num_frames - 1 :],
        found.states,
        found.ends,
        found.lives,
        np.arange(len(actions)),
    )
    goes_on = ~(previous.ends | present.ends)
    return StepsFrom._make(array[goes_on] for array in steps)


def real_steps(unseen: UnseenSteps, num_frames: int) -> StepsFrom:
    """Return some of the real agent steps that have so many frames and do not begin an episode."""
    is_first = np.isin(np.arange(len(unseen)), unseen.episode_begins)
    whole = np.flatnonzero((np.diff(unseen.begins) == num_frames) & ~is_first)
    chosen = whole[:: max(1, len(whole) // _MOST_REAL)]
    numbers = unseen.begins[chosen][:, None] + np.arange(-1, num_frames)
    first, last, frames = numbers[:, 0], numbers[:, -1], unseen.frames
    return StepsFrom(
        frames.states[first],
        frames.states[first + 1],
        frames.inputs[numbers],
        frames.next_states[last],
        frames.ends[last],
        frames.lives[last],
        unseen.episodes[chosen],
    )
