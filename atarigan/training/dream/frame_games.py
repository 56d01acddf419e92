"""FrameGames: plays a game frame by frame, in as many ways as a model of it has to know."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.held_actions import HeldActions
from atarigan.data.collection.policies import EpsilonMixture, Policy, policy_maker
from atarigan.models.dynamics.controls import Controls
from atarigan.models.dynamics.dynamics import Dynamics
from atarigan.models.dynamics.transitions import FrameTransitions

_MOST_BRANCHES = 8  # in an episode
_BRANCH_FRAMES = 240
_MOST_FRAMES = 18_000  # of an episode, 5 minutes: some games go on forever if nobody scores


class _Frame(NamedTuple):
    state: npt.NDArray[np.uint8]
    next_state: npt.NDArray[np.uint8]
    action: int
    resistances: tuple[int, int]
    reward: float
    ends: bool
    lives: int


class PlayedFrames(NamedTuple):
    """Frames of episodes, and frames that went on from predicted states, a part each."""

    frames: FrameTransitions
    branches: list[FrameTransitions]


class FrameGames:
    """Plays episodes one after the other, each with a policy of its own.

    Every other episode holds random actions; the rest are played by the given policy, with a share
    of random actions that differs between episodes.

    Args:
        env: a game whose frames are played one by one.
        policy: name of a policy, as for `policy_maker`; None or "random" for held actions alone.
        sticky: probability that a frame repeats the action before it, 0 to 1.
        seed: of everything.

    Attributes:
        controls: translates actions to inputs of frames.
        starts: RAM and lives at the begin of each episode.
    """

    def __init__(self, env: AgentSteps, policy: str | None, sticky: float, seed: int) -> None:
        player = env.frame_player
        assert player is not None
        self._env, self._player, self._sticky = env, player, sticky
        self._rng = np.random.default_rng(seed)
        self.controls = Controls(env.action_meanings, has_paddle=player.state.paddle >= 0)
        self._held = HeldActions(self.controls.num_actions, self._rng)
        self._policies: list[Policy | EpsilonMixture] = [self._held]
        if policy not in (None, "random"):
            given = policy_maker(policy, env)(self._rng)
            mixture = EpsilonMixture(given, 1.0, env.action_space, self._rng, varies=True)
            self._policies.append(mixture)
        self.starts: list[tuple[npt.NDArray[np.uint8], int]] = []
        self._seed: int | None = seed
        self._is_over = True

    def play(
        self, num_frames: int, dynamics: Dynamics | None = None, unread: Sequence[int] = ()
    ) -> PlayedFrames:
        """Play at least so many frames, of whole agent steps.

        With dynamics, a frame that they predict wrongly is followed by some hundred frames that go
        on from the predicted state, as a dream would. Then the game goes on from the true one.

        Args:
            num_frames: at least 1.
            dynamics: a model.
            unread: addresses of bytes that need not be predicted.
        """
        frames: list[_Frame] = []
        branches = []
        while len(frames) < num_frames:
            if self._is_over:
                self._begin_episode()
            begin = len(frames)
            frames += self._agent_step(self._policy)
            self._num_frames += len(frames) - begin
            self._is_over = self._is_over or self._num_frames >= _MOST_FRAMES
            if dynamics is None or self._is_over or not self._num_branches:
                continue
            guessed = self._wrong_prediction(frames[begin:], dynamics, unread)
            if guessed is not None:
                self._num_branches -= 1
                branches.append(self._transitions(self._branch(guessed)))
        return PlayedFrames(self._transitions(frames), branches)

    def _begin_episode(self) -> None:
        self._env.reset(self._seed)
        self._seed = None
        self._policy = self._policies[len(self.starts) % len(self._policies)]
        self._policy.begin_episode()
        self._is_over = False
        self._num_branches, self._num_frames = _MOST_BRANCHES, 0
        self.starts.append((self._player.ram, self._player.state.lives))

    def _agent_step(self, policy: Policy | EpsilonMixture) -> list[_Frame]:
        action, persists = policy.act(self._env.screen), True
        frames: list[_Frame] = []
        for _ in range(self._env.frame_skip):
            persists = persists and self._rng.random() < self._sticky
            frames.append(self._frame(self._player.last_action if persists else action))
            if self._is_over:
                break
        return frames

    def _frame(self, action: int) -> _Frame:
        player = self._player
        state, before = player.ram, player.state.paddle
        reward = player.play_exactly(action)
        ends, (lives, after) = player.is_over, player.state
        self._is_over = ends or player.is_truncated
        return _Frame(state, player.ram, action, (before, after), reward, ends, lives)

    def _wrong_prediction(
        self, frames: list[_Frame], dynamics: Dynamics, unread: Sequence[int]
    ) -> npt.NDArray[np.uint8] | None:
        """Return the state that is predicted for the last frame, if it is another."""
        last = self._transitions(frames[-1:])
        predicted = dynamics.step(last.states, last.inputs).states[0]
        predicted[list(unread)] = last.next_states[0, list(unread)]
        return None if np.array_equal(predicted, last.next_states[0]) else predicted

    def _branch(self, ram: npt.NDArray[np.uint8]) -> list[_Frame]:
        """Play on with other RAM, and return to where the game was."""
        saved = self._player.saved()
        self._player.write_ram(ram)
        self._held.begin_episode()
        frames: list[_Frame] = []
        while len(frames) < _BRANCH_FRAMES and not self._is_over:
            frames += self._agent_step(self._held)
        self._player.restore(saved)
        self._is_over = False
        return frames

    def _transitions(self, frames: list[_Frame]) -> FrameTransitions:
        states, next_states, actions, resistances, rewards, ends, lives = zip(*frames, strict=True)
        before, after = np.array(resistances, np.int32).T
        return FrameTransitions(
            np.stack(states),
            np.stack(next_states),
            self.controls.inputs(np.array(actions), before, after),
            np.array(rewards, np.float32),
            np.array(ends),
            np.array(lives).astype(np.uint8),
        )
