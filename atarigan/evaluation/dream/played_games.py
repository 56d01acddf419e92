"""Games that the same policies play in the real game and in a dream."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.data.collection.held_actions import ActionShares, HeldActions
from atarigan.data.collection.policies import EpsilonMixture, PolicyMaker
from atarigan.data.collection.screen import RamScreen
from atarigan.data.collection.scripted.scripts import SCRIPTS, script_of
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.dream_batch import DreamBatch

_MOST_RANDOM = 0.6  # share of random actions of the worst scripted player
Progress = Callable[[int], None]
Returns = npt.NDArray[np.float64]


class NamedPolicy(NamedTuple):
    """A policy that reads RAM alone.

    Attributes:
        name: what tables call it.
        make: makes it from a random generator.
    """

    name: str
    make: PolicyMaker


@dataclass(frozen=True, eq=False)
class PlayedGames:
    """Games of P policies, G each.

    Attributes:
        returns: sum of rewards of each game, float64 (P, G).
        lowest: the smallest sum at any time of the game, from 0 at its begin, float64 (P, G).
        highest: the largest one, float64 (P, G).
        num_steps: agent steps of each game, float64 (P, G).
        num_unseen: those that lead to a state that no real play of the training reaches, as the
            dream tells it, float64 (P, G).
    """

    returns: Returns
    lowest: Returns
    highest: Returns
    num_steps: Returns
    num_unseen: Returns

    @classmethod
    def begun(cls, num_policies: int, num_games: int) -> "PlayedGames":
        return cls(*np.zeros((5, num_policies, num_games)))

    def add(self, where: Any, rewards: Any) -> None:
        """Add an agent step's rewards to the games at an index, each at most once."""
        self.num_steps[where] += 1
        self.returns[where] += rewards
        self.lowest[where] = np.minimum(self.lowest[where], self.returns[where])
        self.highest[where] = np.maximum(self.highest[where], self.returns[where])


def evaluation_policies(env: AgentSteps, num: int, seed: int) -> list[NamedPolicy]:
    """Return policies of different strength and habits, at least one.

    In games of `SCRIPTS`, half of them are scripted players with different shares of random
    actions. The others hold random actions, each by a distribution of its own.
    """
    num_actions = len(env.action_meanings)
    num_scripted = num // 2 if env.game in SCRIPTS else 0
    policies = []
    for share in np.linspace(0, _MOST_RANDOM, num_scripted).round(2).tolist():
        policies.append(NamedPolicy(f"scripted, {share:.0%} random", _scripted(env, share)))
    rng = np.random.default_rng([seed, num])
    for number in range(num - num_scripted):
        shares = ActionShares.drawn(num_actions, rng)
        policies.append(NamedPolicy(f"held actions {number + 1}", _held(num_actions, shares)))
    return policies


def _scripted(env: AgentSteps, share: float) -> PolicyMaker:
    def make(rng: np.random.Generator) -> EpsilonMixture:
        player = script_of(env).player(env.action_meanings, rng)
        return EpsilonMixture(player, share, env.action_space, rng)

    return make


def _held(num_actions: int, shares: ActionShares) -> PolicyMaker:
    return lambda rng: HeldActions(num_actions, rng, shares)


def real_env(dream: Dream) -> AgentSteps:
    """Return the game that a dream learned, without a limit on standstill.

    Raises:
        InputError: the game is unknown or not one of ALE.
    """
    settings = dream.settings
    return AgentSteps(
        settings.env_id,
        settings.frame_skip,
        env_kwargs=settings.env_kwargs,
        max_still_frames=0,
        sticky=settings.sticky,
    )


def play_real(
    env: AgentSteps,
    dream: Dream,
    policies: Sequence[NamedPolicy],
    num_games: int,
    max_steps: int,
    seed: int,
    progress: Progress = lambda _: None,
) -> PlayedGames:
    """Play G games with each policy in the real game, at most `max_steps` agent steps each."""
    played = PlayedGames.begun(len(policies), num_games)
    env_seed: int | None = seed  # each reset but the first keeps some RAM, as in training
    for number, policy in enumerate(policies):
        for game in range(num_games):
            player = policy.make(_rng_of(seed, number, game))
            env.reset(env_seed)
            env_seed = None
            player.begin_episode()
            states = []
            for _ in range(max_steps):
                reward, terminated, truncated = env.step(player.act(env.screen))
                played.add((number, game), reward)
                states.append(env.screen.ram())
                if terminated or truncated:
                    break
            played.num_unseen[number, game] = dream.is_unseen(np.array(states)).sum()
            progress(1)
    return played


def play_dream(
    dream: Dream,
    policies: Sequence[NamedPolicy],
    num_games: int,
    max_steps: int,
    seed: int,
    progress: Progress = lambda _: None,
) -> PlayedGames:
    """Play G games with each policy in a dream, all at once."""
    played = PlayedGames.begun(len(policies), num_games)
    places = np.indices(played.returns.shape).reshape(2, -1)  # policy and game of each row
    players = [
        policies[number].make(_rng_of(seed, number, game)) for number, game in places.T.tolist()
    ]
    for player in players:
        player.begin_episode()
    batch = DreamBatch(dream, len(players))
    going = np.arange(len(players))
    batch.seed(going, np.random.default_rng(seed).integers(2**63, size=len(going), dtype=np.uint64))
    batch.reset(going)
    for _ in range(max_steps):
        actions = [players[row].act(RamScreen(batch.games.rams[row])) for row in going]
        outcomes = batch.step(np.array(actions, np.int64), going)
        where = tuple(places[:, going])
        played.add(where, outcomes.rewards)
        played.num_unseen[where] += dream.is_unseen(batch.games.rams[going])
        progress(int(outcomes.ends.sum()))
        going = going[~outcomes.ends]
        if not len(going):
            break
    progress(len(going))
    return played


def _rng_of(seed: int, policy: int, game: int) -> np.random.Generator:
    return np.random.default_rng([seed, policy, game])
