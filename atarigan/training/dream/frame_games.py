"""FrameGames: plays a game frame by frame, in as many ways as a model of it has to know."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.frame_player import SavedGame
from atarigan.data.collection.held_actions import HeldActions
from atarigan.data.collection.policies import EpsilonMixture, policy_maker
from atarigan.data.collection.policy import Policy
from atarigan.evaluation.dream.visited_states import EmulatedSteps, StepsFrom
from atarigan.models.dynamics.controls import Controls
from atarigan.models.dynamics.dynamics import Dynamics
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.training.dream.byte_roles import NO_ROLES, ByteRoles

_BRANCH_FRAMES = 240
_BRANCHES_APART = 960  # frames of an episode, at least
_NUM_VARIATIONS = 32  # of a frame that is predicted wrongly
_VARIATIONS_APART = 128  # frames of an episode, at least
_VISITED_FRAMES = 8  # from a state that a dream visited
_ALTERED_SHARE = 0.05  # of the agent steps that frames with altered RAM follow
_ALTERED_FRAMES = 8
_MOST_ALTERED = 3  # bytes
_NUM_DONORS = 4000  # of each kind: states after ends, after rewards, and others
_DONATED_SHARE = 0.02  # of the others
MOST_FRAMES = 20_000  # of an episode; some games end after 5 minutes, others go on forever


class _Frame(NamedTuple):
    state: npt.NDArray[np.uint8]
    next_state: npt.NDArray[np.uint8]
    action: int
    resistances: tuple[int, int]
    reward: float
    ends: bool
    lives: int


_Newest = deque[tuple[SavedGame, _Frame]]  # frames, and where the game was before them


class PlayedFrames(NamedTuple):
    """Frames of episodes, and frames that went on from predicted states, a part each."""

    frames: FrameTransitions
    branches: list[FrameTransitions]


class FrameGames:
    """Plays episodes one after the other, each with a policy of its own.

    Episodes take turns: one holds random actions, one is played by the given policy, with a share
    of random actions that differs between episodes, and one by a policy that learned, likewise.

    Args:
        env: a game whose frames are played one by one.
        policy: "scripted", in games that it can play; None for held actions alone.
        sticky: probability that a frame repeats the action before it, 0 to 1.
        seed: of everything.

    Attributes:
        controls: translates actions to inputs of frames.
        emulated: the same game, played from any RAM.
        starts: RAM and lives at the begin of each episode.
    """

    def __init__(self, env: AgentSteps, policy: str | None, sticky: float, seed: int) -> None:
        player = env.frame_player
        assert player is not None
        self._env, self._player, self._sticky = env, player, sticky
        self._rng = np.random.default_rng(seed)
        self.controls = Controls(env.action_meanings, has_paddle=player.state.paddle >= 0)
        held, self._held_in_branches = (
            HeldActions(self.controls.num_actions, self._rng) for _ in range(2)
        )
        self._policies: list[Policy | EpsilonMixture] = [held]
        if policy is not None:
            self._policies.append(self._varied(policy_maker(policy, env)(self._rng)))
        self._num_fixed = len(self._policies)
        self.emulated = EmulatedSteps(env, self.controls)
        self.starts: list[tuple[npt.NDArray[np.uint8], int]] = []
        self._newest: _Newest = deque(maxlen=2)
        self._donors: list[deque[npt.NDArray[np.uint8]]] = [
            deque(maxlen=_NUM_DONORS) for _ in range(3)
        ]
        self._seed: int | None = seed
        self._is_over = True

    def take_policy(self, policy: Policy) -> None:
        """Play further episodes by a policy that learned, in the place of the last such one."""
        self._policies[self._num_fixed :] = [self._varied(policy)]

    def _varied(self, policy: Policy) -> EpsilonMixture:
        return EpsilonMixture(policy, 1.0, self._env.action_space, self._rng, varies=True)

    def play_on(self, visited: StepsFrom, score: Sequence[int]) -> list[FrameTransitions]:
        """Play some frames from each of the states that a dream visited, and return to where the
        game was.
        """
        saved, is_over = self._player.saved(), self._is_over
        parts = []
        for previous, state, inputs in zip(
            visited.previous, visited.states, visited.inputs[:, 0], strict=True
        ):
            self.emulated.play_before(previous, inputs)
            if not self._player.is_over:
                self._is_over = False
                parts.append(self._branch(state, _VISITED_FRAMES, score))
        self._player.restore(saved)
        self._is_over = is_over
        return parts

    def play(
        self,
        num_frames: int,
        dynamics: Dynamics | None = None,
        roles: ByteRoles = NO_ROLES,
    ) -> PlayedFrames:
        """Play at least so many frames, of whole agent steps.

        With dynamics, the game also goes on in other ways, and then from where it was. An agent
        step whose last state they predict wrongly is followed by some hundred frames from the
        predicted state, as in a dream, and its last frame is played again from states in which a
        few bytes take values of other states. And now and then a few bytes do so elsewhere: what is
        rare in play, such as the last frame of a game, then happens with all kinds of other bytes,
        so that trees tell causes from what merely comes with them.

        Args:
            num_frames: at least 1.
            dynamics: a model.
            roles: of the game's bytes; those that nothing reads need not be predicted.
        """
        frames: list[_Frame] = []
        branches: list[FrameTransitions] = []
        while len(frames) < num_frames:
            if self._is_over:
                self._begin_episode()
            step = self._agent_step(self._policy, self._newest)
            frames += step
            self._num_frames += len(step)
            self._is_over = self._is_over or self._num_frames >= MOST_FRAMES
            self._remember(step[-1])
            if dynamics is not None:
                branches += self._branches(step[-1], dynamics, roles)
        return PlayedFrames(self._transitions(frames), branches)

    def _begin_episode(self) -> None:
        self._env.reset(self._seed)
        self._seed = None
        self._policy = self._policies[len(self.starts) % len(self._policies)]
        self._policy.begin_episode()
        self._is_over = False
        self._newest.clear()
        self._num_frames, self._branches_from, self._variations_from = 0, 0, 0
        self.starts.append((self._player.ram, self._player.state.lives))

    def _agent_step(
        self,
        policy: Policy | EpsilonMixture,
        newest: _Newest | None = None,
    ) -> list[_Frame]:
        """Play; keep the frames and where the game was before them in `newest`."""
        action, persists = policy.act(self._env.screen), True
        frames: list[_Frame] = []
        for _ in range(self._env.frame_skip):
            persists = persists and self._rng.random() < self._sticky
            saved = None if newest is None else self._player.saved()
            frames.append(self._frame(self._player.last_action if persists else action))
            if newest is not None and saved is not None:
                newest.append((saved, frames[-1]))
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

    def _remember(self, frame: _Frame) -> None:
        """Keep a state whose bytes others may get: ends and rewards, which are rare, apart."""
        kind = 0 if frame.ends else 1 if frame.reward else 2
        if kind == 2 and self._rng.random() >= _DONATED_SHARE:
            return
        self._donors[kind].append(frame.next_state)

    def _branches(
        self, last: _Frame, dynamics: Dynamics, roles: ByteRoles
    ) -> Iterator[FrameTransitions]:
        """Go on from other states than the present one, and return to it."""
        is_over, has_donors = self._is_over, any(self._donors)
        may_branch = self._num_frames >= self._branches_from and not is_over
        may_vary = self._num_frames >= self._variations_from or is_over
        may_vary = may_vary and has_donors and len(self._newest) == 2
        if may_branch or may_vary:
            guessed = self._wrong_prediction(last, dynamics, roles.unread)
            if guessed is not None and may_vary:
                self._variations_from = self._num_frames + _VARIATIONS_APART
                yield from self._variations(roles)
            if guessed is not None and may_branch:
                self._branches_from = self._num_frames + _BRANCHES_APART
                yield self._branch(guessed, _BRANCH_FRAMES, roles.score)
        if has_donors and not is_over and self._rng.random() < _ALTERED_SHARE:
            altered = self._altered(last.next_state, roles.unread)
            yield self._branch(altered, _ALTERED_FRAMES, roles.score)

    def _variations(self, roles: ByteRoles) -> list[FrameTransitions]:
        """Play the newest two frames again with a few other bytes before the first, and return to
        where the game was. The first is played because the console's chips keep which objects
        touched in its picture.

        Returns:
            the second frames, of which there may be none.
        """
        (before, first), (_, second) = self._newest
        saved, is_over = self._player.saved(), self._is_over
        frames = []
        for _ in range(_NUM_VARIATIONS):
            self._player.restore(before)
            self._player.write_ram(self._altered(first.state, (*roles.unread, *roles.score)))
            self._frame(first.action)
            if not self._is_over:
                frames.append(self._frame(second.action))
        self._player.restore(saved)
        self._is_over = is_over
        return [self._transitions(frames)] if frames else []

    def _altered(self, ram: npt.NDArray[np.uint8], kept: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Return RAM in which a few bytes have values of another state, other than those kept."""
        kinds = [donors for donors in self._donors if donors]
        donors = kinds[self._rng.integers(len(kinds))]
        donor = donors[self._rng.integers(len(donors))]
        differing = np.setdiff1d(np.flatnonzero(donor != ram), kept)
        num = min(len(differing), int(self._rng.integers(1, _MOST_ALTERED + 1)))
        chosen = self._rng.choice(differing, num, replace=False)
        altered = ram.copy()
        altered[chosen] = donor[chosen]
        return altered

    def _wrong_prediction(
        self, last: _Frame, dynamics: Dynamics, unread: Sequence[int]
    ) -> npt.NDArray[np.uint8] | None:
        """Return the state that is predicted for a frame, if it is another."""
        true = self._transitions([last])
        predicted = dynamics.step(true.states, true.inputs).states[0]
        predicted[list(unread)] = last.next_state[list(unread)]
        return None if np.array_equal(predicted, last.next_state) else predicted

    def _branch(
        self, ram: npt.NDArray[np.uint8], num_frames: int, score: Sequence[int]
    ) -> FrameTransitions:
        """Play on with other RAM, and return to where the game was.

        The emulator's first reward is the difference to the score before the change. So the first
        frame is left out if the score was changed.
        """
        saved = self._player.saved()
        has_other_score = bool((ram != self._player.ram)[list(score)].any())
        self._player.write_ram(ram)
        policy = self._held_in_branches
        policy.begin_episode()
        frames: list[_Frame] = []
        while len(frames) < num_frames and not self._is_over:
            frames += self._agent_step(policy)
        self._player.restore(saved)
        self._is_over = False
        return self._transitions(frames)[int(has_other_score) :]

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
