"""Episodes with each view of a policy comparison, spread over the nodes of a Ray cluster."""

import pickle
from collections.abc import Mapping
from typing import Any, Self

from atarigan.config.extras import imported
from atarigan.config.ray_cluster import num_cpus
from atarigan.evaluation.policy.episodes import MAX_PARALLEL, EpisodeResults, Episodes
from atarigan.evaluation.policy.view_episodes import ComparedViews, Part

_PARTS_PER_CPU = 2
_LOOK_EVERY_S = 0.1


class RayViews:
    """Plays parts of the episodes as Ray tasks, which take one CPU each. Ray starts a task again,
    somewhere, when its node dies: the same episodes have the same results.

    The process has to be connected to a cluster (`atarigan.config.ray_cluster.connected`). The
    policy and the views travel with the tasks, so that nodes need no storage in common.
    """

    def __init__(
        self, views: Mapping[str, ComparedViews], episodes: Episodes, num_episodes: int
    ) -> None:
        self._ray = imported("ray", "ray")
        self._views, self._episodes, self._num_episodes = views, episodes, num_episodes
        self._parts: dict[str, list[Any]] = {}
        self._running: list[Any] = []
        self._found: dict[Any, EpisodeResults] = {}

    def __enter__(self) -> Self:
        ray = self._ray
        task = ray.remote(_play).options(num_cpus=1, scheduling_strategy="SPREAD")
        given = ray.put(ray.cloudpickle.dumps((self._views, self._episodes)))
        num, num_tasks = self._num_episodes, _PARTS_PER_CPU * num_cpus(ray)
        size = min(MAX_PARALLEL, -(-num * len(self._views) // num_tasks))
        for view in self._views:
            parts = (Part(view, first, min(size, num - first)) for first in range(0, num, size))
            self._parts[view] = [task.remote(part, given) for part in parts]
            self._running += self._parts[view]
        return self

    def __exit__(self, *error: object) -> None:
        for reference in self._running:
            self._ray.cancel(reference, force=True)

    def play(self, view: str) -> EpisodeResults:
        """Return the results of a view, of the finished parts if episodes are stopped.

        Raises:
            InputError: the episodes cannot be played.
        """
        references = self._parts[view]
        while not self._found.keys() >= set(references) and not self._episodes.must_stop():
            self._look()
        results = EpisodeResults()
        for reference in references:
            if reference in self._found:
                results.extend(self._found[reference])
        return results

    def _look(self) -> None:
        """Wait a moment for tasks to end, and take their results."""
        num = len(self._running)
        ended, self._running = self._ray.wait(self._running, num_returns=num, timeout=_LOOK_EVERY_S)
        for reference in ended:
            try:
                self._found[reference], num_steps = self._ray.get(reference)
            except self._ray.exceptions.RayTaskError as error:
                raise error.cause from error
            self._episodes.progress(num_steps)


def _play(part: Part, given: bytes) -> tuple[EpisodeResults, int]:
    """Play a part; return its results, and the steps that count as progress.

    `given` is a pickle of the views and of `Episodes`: what Ray unpickles by itself is read-only.
    """
    views: Mapping[str, ComparedViews]
    episodes: Episodes
    views, episodes = pickle.loads(given)
    steps: list[int] = []
    episodes.progress = steps.append
    try:
        return part.play(views, episodes), sum(steps)
    finally:
        episodes.close()
