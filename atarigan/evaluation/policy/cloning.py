"""Behavior cloning by DAgger: the policy plays, and a scripted teacher labels its states."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.screen import read_frame
from atarigan.data.collection.scripted.scripts import script_of
from atarigan.evaluation.policy.cloned_policy import ClonedPolicy
from atarigan.evaluation.policy.frame_noise import with_noise, with_swapped_blocks
from atarigan.images.frame_stack import FrameStacks

NUM_GAMES = 16
CAPACITY = 200_000
_MAX_TEACHER_SHARE, _MIN_TEACHER_SHARE = 0.8, 0.1
_MOST_LEVELS = 2


@dataclass(frozen=True)
class TrainingStats:
    """Averages over some batches: the cross-entropy, and the share of labels predicted."""

    loss: float
    agreement: float


class Cloning:
    """DAgger (Ross, Gordon and Bagnell 2011, algorithm 3.1) with a scripted player as the expert,
    which reads the environment's state: RAM (the console's 128 bytes of memory) or a vector.

    Sixteen games are played at once. First the teacher plays alone. Then it acts with a probability
    that falls from 0.8 to 0.1 over the first third of the steps; otherwise the policy acts. The
    teacher's action is the label of every state, and the newest 200,000 states are kept.

    The policy sees pixels only. So that it tolerates the errors of generated frames, pixels are up
    to 2 levels off, in some frames less. One in a hundred blocks of 4 × 4 pixels is replaced by
    that of another game (swap noise); `Script.swapped_share` may say otherwise.

    Args:
        env_id: the environment, one of `SCRIPTS`.
        num_steps: total agent steps to play and label.
        seed: seed of weights, games, the choice of who acts, and batches.
        frame_skip: as in `AgentSteps`.

    Attributes:
        time_done: the share of a time limit that has passed, 0 without one.

    Raises:
        InputError: the environment has no scripted player.
    """

    def __init__(
        self, env_id: str, num_steps: int, seed: int, frame_skip: int | None = None
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._envs = [AgentSteps(env_id, frame_skip) for _ in range(NUM_GAMES)]
        script = script_of(self._envs[0])
        self._swapped_share = script.swapped_share
        self._teachers = [script.teacher(env.action_meanings) for env in self._envs]
        num_features = self._teachers[0].num_features
        actions = self._envs[0].action_space
        assert isinstance(actions, gym.spaces.Discrete)
        self.policy = ClonedPolicy(int(actions.n), num_features, seed)
        self.policy.model.trained_on = {
            "preprocessing": "clone",
            "env_id": env_id,
            "frame_skip": self._envs[0].frame_skip,
        }
        self._stacks = FrameStacks(self.policy.layout, NUM_GAMES)
        self._is_first = [True] * NUM_GAMES
        self.max_steps = num_steps
        self.num_steps = 0
        self.time_done = 0.0
        capacity = min(num_steps, CAPACITY) // NUM_GAMES * NUM_GAMES
        self._features = np.zeros((capacity, self.policy.num_features), np.float16)
        self._labels = np.zeros(capacity, np.int64)
        self._targets = np.zeros((capacity, num_features), np.float32)
        for env, teacher in zip(self._envs, self._teachers, strict=True):
            env.reset(int(self._rng.integers(2**31)))
            teacher.begin_episode()

    @property
    def teacher_share(self) -> float:
        """Probability that the teacher acts."""
        done = min(1.0, 3 * max(self.num_steps / self.max_steps, self.time_done))
        return _MAX_TEACHER_SHARE + done * (_MIN_TEACHER_SHARE - _MAX_TEACHER_SHARE)

    @property
    def is_done(self) -> bool:
        """Whether another step of all games would exceed the number of steps."""
        return self.num_steps + NUM_GAMES > self.max_steps

    def begin(self, num_steps: int) -> None:
        """Let the teacher play alone, and standardize the policy's features by what it sees."""
        observations = []
        for _ in range(-(-num_steps // NUM_GAMES)):
            observations.append(self._observe())
            for game in range(NUM_GAMES):
                self._step(game, None)
        self.policy.fit(np.concatenate(observations))

    def play(self, num_rounds: int) -> None:
        """Play and label `num_rounds` agent steps of every game, or what is left of the total."""
        for _ in range(min(num_rounds, (self.max_steps - self.num_steps) // NUM_GAMES)):
            features = self.policy.features(self._observe())
            actions = self.policy.actions(features)
            teacher_acts = self._rng.random(NUM_GAMES) < self.teacher_share
            first = self.num_steps % len(self._labels)
            self._features[first : first + NUM_GAMES] = features
            for game, row in enumerate(range(first, first + NUM_GAMES)):
                chosen = None if teacher_acts[game] else int(actions[game])
                self._labels[row], self._targets[row] = self._step(game, chosen)
            self.num_steps += NUM_GAMES

    def learn(self, num_batches: int, batch_size: int, learning_rate: float) -> TrainingStats:
        """Train the policy on batches of labeled states drawn uniformly."""
        results = []
        for _ in range(num_batches):
            rows = self._rng.integers(min(self.num_steps, len(self._labels)), size=batch_size)
            batch = self._features[rows], self._labels[rows], self._targets[rows]
            results.append(self.policy.learn(*batch, learning_rate))
        loss, agreement = np.mean(results, axis=0)
        return TrainingStats(float(loss), float(agreement))

    def close(self) -> None:
        for env in self._envs:
            env.close()

    def _observe(self) -> npt.NDArray[np.uint8]:
        """Return the policy's observations of all games, uint8 (16, 4, 84, 84)."""
        frame_format = self.policy.layout.frame_format
        frames = np.stack([read_frame(env.screen, frame_format) for env in self._envs])
        frames = with_swapped_blocks(frames, self._swapped_share, self._rng)
        frames = with_noise(frames, _MOST_LEVELS, self._rng)
        observations: npt.NDArray[np.uint8] = self._stacks.push_each(
            range(NUM_GAMES), frames, self._is_first
        )
        return observations

    def _step(self, game: int, chosen: int | None) -> tuple[int, npt.NDArray[np.float32]]:
        """Step a game by the chosen action, or by the teacher's if that is None.

        Returns:
            The teacher's action, and the auxiliary targets.
        """
        env, teacher = self._envs[game], self._teachers[game]
        label = teacher.act(env.screen)
        targets = teacher.features
        _, terminated, truncated = env.step(label if chosen is None else chosen)
        self._is_first[game] = terminated or truncated
        if self._is_first[game]:
            env.reset()
            teacher.begin_episode()
        return label, targets
