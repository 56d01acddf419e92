"""Behavior cloning with aggregation: the student plays, the teacher says what it would do."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.screen import read_frame
from atarigan.data.collection.scripted import NUM_JUDGED, PaddleTeacher, scripted_game
from atarigan.evaluation.policy.cloned_policy import ClonedPolicy
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.pixels import Frames

NUM_GAMES = 16
CAPACITY = 200_000
_MOST_SHARE, _LEAST_SHARE = 0.8, 0.1
_SWAPPED_SHARE, _BLOCK = 0.01, 4


@dataclass(frozen=True)
class Lesson:
    """What came of some batches: their mean cross-entropy, and the share of labels hit."""

    loss: float
    agreement: float


class Cloning:
    """DAgger (Ross, Gordon and Bagnell 2011, algorithm 3.1) with a player that reads memory as the
    expert.

    Several games go on at once. The teacher plays alone in the beginning. Then it acts with a
    probability that falls from 0.8 to 0.1 in the first third, otherwise the student does; what the
    teacher would have done is the label of the state, and the newest 200,000 are kept.
    The student never sees memory. One in a hundred blocks of 4x4 pixels shows it what another game
    shows there (swap noise): eyes that wrong pixels do not bewilder also serve where frames are
    generated.

    Args:
        env_id: the game, one that the scripted player knows.
        num_steps: agent steps to play and label in all.
        seed: of weights, games, who acts, and batches.

    Raises:
        InputError: the game has no teacher.
    """

    def __init__(self, env_id: str, num_steps: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._envs = [AgentSteps(env_id) for _ in range(NUM_GAMES)]
        game, meanings = scripted_game(self._envs[0]), self._envs[0].action_meanings
        self._teachers = [PaddleTeacher(game, meanings) for _ in self._envs]
        self.student = ClonedPolicy(len(meanings), NUM_JUDGED, seed)
        self._stacks = FrameStacks(self.student.layout, NUM_GAMES)
        self._is_first = [True] * NUM_GAMES
        self.max_steps = num_steps
        self.num_steps = 0
        capacity = min(num_steps, CAPACITY) // NUM_GAMES * NUM_GAMES
        self._features = np.zeros((capacity, self.student.num_features), np.float16)
        self._labels = np.zeros(capacity, np.int64)
        self._judged = np.zeros((capacity, NUM_JUDGED), np.float32)
        for env, teacher in zip(self._envs, self._teachers, strict=True):
            env.reset(int(self._rng.integers(2**31)))
            teacher.begin_episode()

    @property
    def teacher_share(self) -> float:
        """Probability that the teacher acts."""
        done = min(1.0, 3 * self.num_steps / self.max_steps)
        return _MOST_SHARE + done * (_LEAST_SHARE - _MOST_SHARE)

    @property
    def is_done(self) -> bool:
        """Whether another step of all games would be too many."""
        return self.num_steps + NUM_GAMES > self.max_steps

    def begin(self, num_steps: int) -> None:
        """Let the teacher play alone for a while, and the student standardize what it sees."""
        seen = []
        for _ in range(-(-num_steps // NUM_GAMES)):
            seen.append(self._look())
            for game in range(NUM_GAMES):
                self._step(game, None)
        self.student.fit(np.concatenate(seen))

    def play(self, num_rounds: int) -> None:
        """So many agent steps in every game, but no more in all than there should be."""
        for _ in range(min(num_rounds, (self.max_steps - self.num_steps) // NUM_GAMES)):
            features = self.student.features(self._look())
            actions = self.student.actions(features)
            teacher_acts = self._rng.random(NUM_GAMES) < self.teacher_share
            first = self.num_steps % len(self._labels)
            self._features[first : first + NUM_GAMES] = features
            for game, row in enumerate(range(first, first + NUM_GAMES)):
                chosen = None if teacher_acts[game] else int(actions[game])
                self._labels[row], self._judged[row] = self._step(game, chosen)
            self.num_steps += NUM_GAMES

    def learn(self, num_batches: int, batch_size: int, learning_rate: float) -> Lesson:
        """So many steps of the student on labeled states drawn uniformly."""
        results = []
        for _ in range(num_batches):
            rows = self._rng.integers(min(self.num_steps, len(self._labels)), size=batch_size)
            batch = self._features[rows], self._labels[rows], self._judged[rows]
            results.append(self.student.learn(*batch, learning_rate))
        loss, agreement = np.mean(results, axis=0)
        return Lesson(float(loss), float(agreement))

    def close(self) -> None:
        for env in self._envs:
            env.close()

    def _look(self) -> npt.NDArray[np.uint8]:
        """What the student sees of all games, (16, 4, 84, 84)."""
        frame_format = self.student.layout.frame_format
        frames = np.stack([read_frame(env.screen, frame_format) for env in self._envs])
        frames = with_swapped_blocks(frames, self._rng)
        seen: npt.NDArray[np.uint8] = self._stacks.push_each(
            range(NUM_GAMES), frames, self._is_first
        )
        return seen

    def _step(self, game: int, chosen: int | None) -> tuple[int, npt.NDArray[np.float32]]:
        """Ask the teacher, and do what was chosen or else what it says; returns its label, and what
        it judged by.
        """
        env, teacher = self._envs[game], self._teachers[game]
        label = teacher.act(env.screen)
        judged = teacher.judged
        _, terminated, truncated = env.step(label if chosen is None else chosen)
        self._is_first[game] = terminated or truncated
        if self._is_first[game]:
            env.reset()
            teacher.begin_episode()
        return label, judged


def with_swapped_blocks(frames: Frames, rng: np.random.Generator) -> Frames:
    """Frames (N, H, W, C) in which one in a hundred blocks of 4x4 pixels is another frame's there;
    H and W are multiples of 4.
    """
    num, height, width, _ = frames.shape
    is_swapped = rng.random((num, height // _BLOCK, width // _BLOCK, 1)) < _SWAPPED_SHARE
    is_swapped = is_swapped.repeat(_BLOCK, axis=1).repeat(_BLOCK, axis=2)
    return np.where(is_swapped, frames[rng.permutation(num)], frames)
