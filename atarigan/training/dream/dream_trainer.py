"""DreamTrainer: fits a model of a game's dynamics, and corrects it where it is wrong.

It plays rounds of frames in the emulator under varied policies. A round's frames first tell how
exact the model is on frames that it has not seen; then they are added, and the trees that were
wrong are fitted again. Where a frame is predicted wrongly, the emulator also goes on from the
predicted state, so that the model learns what follows its own mistakes (dataset aggregation; Ross
et al. 2011, arXiv:1011.0686, algorithm 3.1, with the emulator as the expert).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atarigan.cli.terminal import discarded_stderr
from atarigan.config.clock import Clock, clock_of
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.replayed_frames import replayed_games
from atarigan.errors import InputError, shown
from atarigan.evaluation.dream.played_games import NamedPolicy, evaluation_policies
from atarigan.evaluation.dream.visited_states import VISITS_APART, StepsFrom, visited_steps
from atarigan.models.dynamics.dream import (
    SETTINGS_FILE,
    Dream,
    DreamSettings,
    Starts,
    refuse_module,
)
from atarigan.models.dynamics.exactness import PredictedFrames
from atarigan.models.dynamics.game_transitions import transitions_of
from atarigan.models.dynamics.seen_states import SeenStates
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_fitting import Progress, TreeFitter
from atarigan.training.dream.byte_roles import ByteRoles, byte_roles
from atarigan.training.dream.dream_folder import DreamFolder, PartOfFrames, Round
from atarigan.training.dream.frame_games import FrameGames
from atarigan.training.dream.influences import Influences
from atarigan.training.dream.learned_policy import LearnedPolicy, learn_policy
from atarigan.training.dream.ppo import Policy as PolicyNetwork

_MOST_STARTS = 1000
_SEED_STRIDE = 100_000  # between the seeds of two rounds' play
_NUM_POLICIES = 10  # that visit states
_FRAMES_OF_A_VISIT = 80  # a state that a dream visits, for so many frames of a round
_KEPT_EVERY_S = 60.0


class DreamTrainer:
    """Trains a dream of a collection's game.

    Args:
        folder: where everything is kept; what it holds must be of the same game.
        buffer: the collection.
        generator: name of a shipped generator; "" for one in the folder, or none.
        seed: of play and trees.
        round_frames: frames of a round.
        policy_steps: agent steps that a policy learns before a round; 0 for none.
        clock: what the seconds of training are counted by.
        report: is told what is done.

    Attributes:
        rounds: what was measured so far.

    Raises:
        InputError: the buffer is not a collection of one of ALE's games with RAM, names an
            environment in a module, or is of another game than the folder's dream.
    """

    def __init__(
        self,
        folder: DreamFolder,
        buffer: FrameBuffer,
        *,
        generator: str,
        seed: int,
        round_frames: int,
        policy_steps: int,
        clock: Clock,
        report: Callable[[str], None],
    ) -> None:
        self._folder, self._buffer = folder, buffer
        self._seed, self._round_frames, self._report = seed, round_frames, report
        origin = buffer.meta.origin
        refuse_module(str(origin.env_id))  # which would run code that only the buffer names
        self._env = AgentSteps.of(origin)
        player = self._env.frame_player
        if player is None:
            raise InputError(
                f"{buffer.path} must be a collection of a game of ALE with discrete actions, "
                "of format version 2 or later"
            )
        self.rounds = folder.read_rounds()
        self._policy_steps = policy_steps
        self._network: PolicyNetwork | None = None
        self._dynamics: TreeDynamics | None = None
        self._dream: Dream | None = None
        self._fitter = TreeFitter(seed)
        self._is_real: list[npt.NDArray[np.bool_]] = []
        self._settings = DreamSettings(
            env_id=str(origin.env_id),
            env_kwargs=dict(origin.env_kwargs),
            action_meanings=self._env.action_meanings,
            has_paddle=player.state.paddle >= 0,
            frame_skip=self._env.frame_skip,
            sticky=float(origin.sticky or 0.0),
            generator=generator,
        )
        self._starts: list[Starts] = []
        if (folder.path / SETTINGS_FILE).exists():
            known = Dream.load(folder.path)
            _check_same_game(known.settings, self._settings, buffer.path)
            self._starts.append(known.starts)
        self._games = FrameGames(
            self._env,
            "scripted" if origin.policy == "scripted" else None,
            self._settings.sticky,
            seed + _SEED_STRIDE * (1 + len(folder.parts)),
        )
        self._influences, self._num_asked = Influences(self._games.emulated, seed), 0
        self._now = clock_of(clock)
        self._began = self._now() - (self.rounds[-1].elapsed_s if self.rounds else 0.0)

    @property
    def elapsed_s(self) -> float:
        """Seconds of training, those of earlier sessions included."""
        return self._now() - self._began

    def begin(self) -> None:
        """Take the frames of the collection, or those of earlier sessions.

        Raises:
            InputError: the collection holds no whole game, or something is damaged.
        """
        self._roles = self._folder.read_roles() or self._ask_roles()
        if not self._folder.parts:
            self._report("playing the collection again, frame by frame")
            games = list(replayed_games(self._buffer))
            if not games:
                raise InputError(f"{self._buffer.path} must hold a game from its begin on")
            meanings = self._settings.action_meanings
            frames = [transitions_of(game, meanings) for game in games]
            self._folder.add_part(PartOfFrames(FrameTransitions.concatenate(frames)))
            first = [(game.states[0], int(game.lives[0])) for game in games]
            self._starts.append(_starts(first))
        parts = [self._folder.read_part(path) for path in self._folder.parts]
        self._fitter.extend(FrameTransitions.concatenate([part.frames for part in parts]))
        self._is_real = [part.is_real for part in parts]
        mined = self._folder.read_mined()
        if mined is not None:
            self._report("fitting the trees of the last session again")
            self._fitter.restore(mined)

    def ask_influences(self, progress: Progress) -> None:
        """Ask the emulator which bytes decide which, by the real frames that are new. A byte that
        decides others is read, even if that happens too seldom to be seen in `byte_roles`.
        """
        transitions = self._fitter.transitions
        assert transitions is not None
        is_real = np.concatenate(self._is_real)
        is_real[: self._num_asked] = False
        self._influences.ask(transitions[is_real], progress)
        self._num_asked = len(is_real)
        self._roles = self._roles.with_influences(self._influences.found)
        self._folder.write_roles(self._roles)

    def _ask_roles(self) -> ByteRoles:
        self._report("asking the emulator which bytes nothing reads, and which are the score")
        with discarded_stderr():  # the emulator tells of code that a changed stack leads to
            roles = byte_roles(self._env, self._seed)
        self._folder.write_roles(roles)
        return roles

    def fit(self, progress: Progress) -> None:
        """Fit the trees to all frames so far, and save the dream.

        Trees that are done are kept every minute, and when `progress` raises an exception.
        """
        roles, kept_s = self._roles, time.monotonic()

        def keep_and_report(num_done: int, total: int) -> None:
            nonlocal kept_s
            if time.monotonic() >= kept_s + _KEPT_EVERY_S:
                self._fitter.mined().save(self._folder.mined)
                kept_s = time.monotonic()
            progress(num_done, total)

        try:
            tables = self._fitter.fit(
                roles.unread, roles.score, self._influences.found, keep_and_report
            )
            dynamics = TreeDynamics(tables)
        finally:
            self._fitter.mined().save(self._folder.mined)
        starts = self._all_starts()
        settings = replace(self._settings, unread=self._roles.unread)
        transitions = self._fitter.transitions
        assert transitions is not None
        real = np.flatnonzero(np.concatenate(self._is_real))
        seen_states = SeenStates.fit(transitions, real, settings.unread)
        self._dream = Dream(settings, dynamics, starts, seen_states=seen_states)
        self._dream.save(self._folder.path)
        self._dynamics = dynamics

    def learn_policy(self, progress: Progress) -> None:
        """Let a policy learn in the dream; it plays in the next rounds."""
        assert self._dream is not None
        seed = self._seed + len(self.rounds)
        self._network = learn_policy(self._dream, self._policy_steps, seed, self._network, progress)
        self._games.take_policy(LearnedPolicy(self._network, np.random.default_rng(seed)))

    def _visited(self, dream: Dream) -> StepsFrom:
        """Return states that the dream visits when policies of all kinds play it."""
        seed = self._seed + _SEED_STRIDE + len(self.rounds)
        policies = evaluation_policies(self._env, _NUM_POLICIES, seed)
        network = self._network
        if network is not None:
            learned = NamedPolicy("learned", lambda rng: LearnedPolicy(network, rng))
            policies += [learned] * _NUM_POLICIES
        num_states = -(-self._round_frames // _FRAMES_OF_A_VISIT)
        num_steps = -(-num_states * VISITS_APART // len(policies))
        return visited_steps(dream, policies, num_steps, seed)

    def measure(self) -> Round:
        """Play a round; tell how exact the model is on it, and add its frames."""
        dynamics, dream = self._dynamics, self._dream
        assert dynamics is not None
        assert dream is not None
        assert self._fitter.transitions is not None
        with discarded_stderr():
            visited = self._games.play_on(self._visited(dream), self._roles.score)
            played = self._games.play(self._round_frames, dynamics, self._roles)
        predicted = PredictedFrames.of(dynamics, played.frames, self._roles.unread)
        now = Round(
            num_frames=len(self._fitter.transitions),
            exact=float(predicted.is_exact.mean()),
            exact_read=float(predicted.is_exact_read.mean()),
            num_nodes=dynamics.num_nodes,
            elapsed_s=self.elapsed_s,
        )
        added = FrameTransitions.concatenate([*visited, *played.branches, played.frames])
        self._fitter.extend(added)  # which refuses what could not be gone on with
        part = PartOfFrames(added, len(added) - len(played.frames))
        self._folder.add_part(part)
        self._is_real.append(part.is_real)
        self.rounds.append(now)
        self._folder.write_rounds(self.rounds)
        return now

    def _all_starts(self) -> Starts:
        """Return states that episodes began with: the collection's, and the newest of the play."""
        if not self._starts:
            self._games.play(1)
        newest = [_starts(self._games.starts)] if self._games.starts else []
        parts = [*self._starts, *newest]
        states = np.concatenate([part.states for part in parts])[-_MOST_STARTS:]
        return Starts(states, np.concatenate([part.lives for part in parts])[-_MOST_STARTS:])


def _starts(states: Sequence[tuple[npt.NDArray[np.uint8], int]]) -> Starts:
    rams, lives = zip(*states, strict=True)
    return Starts(np.stack(rams), np.array(lives).astype(np.uint8))


def _check_same_game(known: DreamSettings, now: DreamSettings, data: Path) -> None:
    """Raise InputError if a collection is of another game than a dream, or played otherwise."""
    for name in ("env_id", "env_kwargs", "action_meanings", "has_paddle", "frame_skip", "sticky"):
        before, after = getattr(known, name), getattr(now, name)
        if before != after:
            raise InputError(
                f"{data} must be of the game that the dream has learned: {name} is "
                f"{shown(after)}, not {shown(before)}"
            )
