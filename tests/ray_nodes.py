"""Several nodes of a Ray cluster on this machine."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def running_cluster(num_nodes: int = 2) -> Iterator[Any]:
    """A cluster whose head has no CPU, and so many nodes with one each, as `cluster.nodes`."""
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    niceness = {"RAY_worker_niceness": "0"}  # else tests that run as well come first
    os.environ.update(niceness, RAY_USAGE_STATS_ENABLED="0")
    head = {"num_cpus": 0, "include_dashboard": False}
    with warnings.catch_warnings(action="ignore"):  # of Ray's own
        cluster: Any = Cluster(initialize_head=True, head_node_args=head)
        cluster.nodes = [add_node(cluster) for _ in range(num_nodes)]
    try:
        yield cluster
    finally:
        with warnings.catch_warnings(action="ignore"):
            cluster.shutdown()
        os.environ.clear()
        os.environ.update(before)


def add_node(cluster: Any) -> Any:
    return cluster.add_node(num_cpus=1)


def kill_node(cluster: Any, node: Any) -> None:
    """SIGKILL for the node's raylet; its workers end when they notice."""
    cluster.remove_node(node, allow_graceful=False)
