"""Behavior cloning with aggregation: the student plays, the teacher says what it would do."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.frames.agent_steps import AgentSteps
from atarigan.frames.frame_buffer import FrameBuffer
from atarigan.frames.layout import layout_of_space
from atarigan.frames.screen import read_frame
from atarigan.frames.scripted import NUM_READ, teacher
from atarigan.play.frame_stacks import FrameStacks
from atarigan.play.student import NUM_STACK, Student

Batch = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.float32]]
NUM_GAMES = 16
NUM_PLACES = 2 * NUM_READ
_MOST_SHARE, _LEAST_SHARE, _STEPS_TO_LEAST = 0.8, 0.1, 20_000
_LONGEST_EPISODE = 4000


@dataclass(frozen=True)
class Lesson:
    """What came of some batches: their mean cross-entropy, and the share of labels hit."""

    loss: float
    agreement: float


class Cloning:
    """DAgger (Ross, Gordon and Bagnell 2011, algorithm 3.1) with a player that reads memory as the
    expert.

    Several games go on at once. The teacher plays alone in the beginning. Then it acts with a
    probability that falls from 0.8 to 0.1 over 20,000 steps, otherwise the student does; what the
    teacher would have done is stored with the frame as its action. The student never sees memory.

    Args:
        student: learns.
        buffer: holds the labeled states of 84×84 gray frames; played on where it was left.
        env_id: the game.
        seed: of games, of who acts, and of batches.
        num_alone: agent steps that the teacher plays alone in the beginning, at least 32.
    """

    def __init__(
        self, student: Student, buffer: FrameBuffer, env_id: str, seed: int, num_alone: int = 12_800
    ) -> None:
        self._num_alone = num_alone
        self._student = student
        self._buffer = buffer
        self._rng = np.random.default_rng([seed, buffer.num_collected])
        self._envs = [AgentSteps(env_id) for _ in range(NUM_GAMES)]
        self._teachers = [teacher(env, self._rng) for env in self._envs]
        self._writers = [buffer.new_writer() for _ in self._envs]
        layout = layout_of_space(student.model.observation_space)
        assert layout is not None
        self._stacks = FrameStacks(layout, NUM_GAMES, buffer.meta.frame_format)
        self._lengths = [0] * NUM_GAMES
        for env, player in zip(self._envs, self._teachers, strict=True):
            env.reset(int(self._rng.integers(2**31)))
            player.begin_episode()

    @property
    def num_steps(self) -> int:
        """Agent steps labeled since the beginning."""
        return self._buffer.num_collected

    @property
    def has_begun(self) -> bool:
        """Whether the teacher has played alone long enough."""
        return self.num_steps >= self._num_alone

    @property
    def teacher_share(self) -> float:
        """Probability that the teacher acts."""
        if not self.has_begun:
            return 1.0
        done = min(1.0, (self.num_steps - self._num_alone) / _STEPS_TO_LEAST)
        return _MOST_SHARE + done * (_LEAST_SHARE - _MOST_SHARE)

    def play(self, num_rounds: int) -> None:
        """So many agent steps in every game."""
        for _ in range(num_rounds):
            frames = [read_frame(env.screen, self._buffer.meta.frame_format) for env in self._envs]
            is_first = [length == 0 for length in self._lengths]
            observations = self._stacks.push(range(NUM_GAMES), is_first, np.stack(frames))
            teacher_acts = self._rng.random(NUM_GAMES) < self.teacher_share
            chosen: list[int | None] = [None] * NUM_GAMES
            if not teacher_acts.all():
                actions = self._student.actions(observations)
                pairs = zip(teacher_acts, actions, strict=True)
                chosen = [None if taught else int(action) for taught, action in pairs]
            for game, (frame, action) in enumerate(zip(frames, chosen, strict=True)):
                self._step(game, frame, action)

    def begin(self) -> None:
        """Let the teacher play alone for a while, and set the fresh student up to what it reads."""
        self.play(-(-self._num_alone // NUM_GAMES))
        self._student.start_from(*self._batch(self._num_alone), self._rng)

    def learn(self, num_batches: int, batch_size: int, learning_rate: float) -> Lesson:
        """So many steps of the student on labeled states drawn uniformly."""
        results = [
            self._student.learn(*self._batch(batch_size), learning_rate) for _ in range(num_batches)
        ]
        loss, agreement = np.mean(results, axis=0)
        return Lesson(float(loss), float(agreement))

    def close(self) -> None:
        for env in self._envs:
            env.close()
        self._buffer.close()

    def _step(self, game: int, frame: npt.NDArray[np.uint8], chosen: int | None) -> None:
        """Ask the teacher, do what it says or what the student chose, and store what it said."""
        env, player, writer = self._envs[game], self._teachers[game], self._writers[game]
        label, ram = player.act(env.screen), env.screen.ram()
        if chosen is not None:
            player.did(chosen)
        reward, terminated, truncated = env.step(label if chosen is None else chosen)
        self._lengths[game] += 1
        truncated = truncated or self._lengths[game] >= _LONGEST_EPISODE
        writer.add(frame, label, reward, terminated, truncated, ram)
        if terminated or truncated:
            self._lengths[game] = 0
            env.reset()
            player.begin_episode()

    def _batch(self, batch_size: int) -> Batch:
        """Observations, labels, and the places that the teacher reads: now, and a step later."""
        drawn: Any = self._buffer.sample_transitions(batch_size, NUM_STACK, self._rng)
        read = self._teachers[0].places
        now, later = drawn.ram[:, read], drawn.next_ram[:, read]
        places: Any = np.concatenate([now, later], axis=1).astype(np.float32) / 64 - 2
        return drawn.frames[..., 0], drawn.actions, places
