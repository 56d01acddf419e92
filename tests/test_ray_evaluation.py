"""A policy comparison spread over the nodes of a Ray cluster, which all run on this machine."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan import evaluate
from atarigan.config.ray_cluster import connected
from atarigan.evaluation.policy import disturbances
from tests.fakes import untrained_policy
from tests.ray_nodes import running_cluster


@pytest.mark.slow  # starts a cluster
def test_episodes_have_the_same_results_on_a_cluster(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("ray")
    policy = untrained_policy(6)
    policy.trained_on = {"preprocessing": "clone"}
    policy.save(tmp_path / "player.zip")
    words = ["--policy", str(tmp_path / "player.zip"), "--env-id", "ALE/Pong-v5", "--run", "pong"]
    words += ["--episodes", "5", "--max-frames", "200", "--out"]
    assert evaluate.main([*words, str(tmp_path / "local")]) == 0
    with running_cluster(2) as cluster, connected(cluster.address):
        assert evaluate.main([*words, str(tmp_path / "ray"), "--ray", "auto"]) == 0
    found = [
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("ray", "local")
    ]
    assert found[0] == found[1]
    assert len(found[0]["returns"]["generated"]["episodes"]) == 5
    assert "video/mp4" in (tmp_path / "ray" / "evaluation.html").read_text()


def test_noise_depends_on_the_episode_alone() -> None:
    statistics: Any = None  # which noise does not ask for
    frames = np.full((3, 4, 4, 1), 100, np.uint8)
    together = disturbances.disturbances(statistics, seed=1)["noise"]
    alone = disturbances.disturbances(statistics, seed=1)["noise"]
    begins, goes_on = [True] * 3, [False] * 3
    first = together([5, 6, 7], begins, frames, None), together([5, 6, 7], goes_on, frames, None)
    assert not np.array_equal(first[0][0], first[0][1])
    for view, step in (
        (alone([6], [True], frames[:1], None), 0),
        (alone([6], [False], frames[:1], None), 1),
    ):
        assert np.array_equal(view[0], first[step][1])
