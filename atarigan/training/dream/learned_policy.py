"""A policy that learns in a dream, to find where the dream is wrong.

Play by fixed policies comes to some of a game's states only. A policy that learns in the dream
looks for rewards, and so comes to other states, and to those where the dream gives rewards that the
game does not. Played in the real game, it shows both.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from atarigan.data.collection.policy import Policy
from atarigan.data.collection.screen import Screen
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.dream_batch import DreamBatch
from atarigan.models.dynamics.tree_fitting import Progress
from atarigan.training.dream.frame_games import MOST_FRAMES
from atarigan.training.dream.ppo import Policy as PolicyNetwork
from atarigan.training.dream.ppo import Ppo, PpoSettings, features_of

_NUM_GAMES = 128


class DreamGames:
    """Games of a dream as PPO plays them: RAM alone, and a new episode at the end of one.

    Args:
        dream: the learned game.
        num: number of games.
    """

    def __init__(self, dream: Dream, num: int) -> None:
        self._batch = DreamBatch(dream, num, max_frames=MOST_FRAMES)

    def reset(self, *, seed: int) -> tuple[npt.NDArray[np.uint8], None]:
        everyone = np.arange(len(self._batch))
        seeds = np.random.default_rng(seed).integers(2**63, size=len(everyone), dtype=np.uint64)
        self._batch.seed(everyone, seeds)
        self._batch.reset(everyone)
        return self._batch.games.rams.copy(), None

    def step(self, actions: npt.NDArray[np.int64]) -> tuple[Any, Any, Any, Any, None]:
        outcomes = self._batch.step(actions)
        self._batch.reset(np.flatnonzero(outcomes.ends | outcomes.truncations))
        rams = self._batch.games.rams.copy()
        return rams, outcomes.rewards, outcomes.ends, outcomes.truncations, None


class LearnedPolicy(Policy):
    """Draws actions as a network says that reads RAM and its change.

    Args:
        network: gives logits.
        rng: source of randomness.
    """

    def __init__(self, network: PolicyNetwork, rng: np.random.Generator) -> None:
        self._network, self._rng = network, rng
        self.begin_episode()

    def begin_episode(self) -> None:
        self._before: torch.Tensor | None = None

    @torch.no_grad()
    def act(self, screen: Screen) -> int:
        ram = screen.ram()
        assert ram is not None
        now = torch.from_numpy(ram[None])
        features = features_of(now, now if self._before is None else self._before)
        self._before = now.clone()
        shares = self._network(features)[0][0].double().softmax(0).numpy()
        return int(self._rng.choice(len(shares), p=shares))


def learn_policy(
    dream: Dream,
    num_steps: int,
    seed: int,
    network: PolicyNetwork | None = None,
    progress: Progress = lambda *_: None,
) -> PolicyNetwork:
    """Let a policy learn in a dream, and return its network.

    Args:
        dream: the learned game.
        num_steps: agent steps of all games together.
        seed: of weights, actions and games.
        network: goes on from this one, such as that of the round before.
        progress: called with the agent steps so far and the number of all.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # such small matrices gain nothing from more
    try:
        num_actions = len(dream.settings.action_meanings)
        games = DreamGames(dream, _NUM_GAMES)
        ppo = Ppo(games, num_actions, PpoSettings(), torch.device("cpu"), seed)
        if network is not None:
            ppo.policy.load_state_dict(network.state_dict())
        for played in ppo.train(num_steps):
            progress(min(played, num_steps), num_steps)
        return ppo.policy
    finally:
        torch.set_num_threads(threads)
