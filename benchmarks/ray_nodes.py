"""`ray`: agent steps a second of 1, 2 and 4 nodes of a Ray cluster on this machine, which share its
cores.
"""

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atarigan.config.ray_cluster import connected
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.collection import StartEngine, collect
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.ray_engine import RayEngine
from atarigan.data.collection.supervisor import Supervisor
from benchmarks.emulator import FRAME_SKIP
from benchmarks.measurement import Case, Stopwatch
from benchmarks.peers import installed
from benchmarks.report import Row, rate_rows

NUM_NODES = (1, 2, 4)


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Tasks that write into the buffer, and tasks that send their steps, against the processes that
    collect without Ray.
    """
    if installed("ray.cluster_utils") is None:
        return
    num_steps = stopwatch.sized(full=30_000, quick=200)  # Ray itself is busy in the first seconds
    with _nodes(max(NUM_NODES)):
        for num in stopwatch.sized(full=NUM_NODES, quick=NUM_NODES[:1]):
            local = f"{num} processes, without Ray"
            engines: dict[str, StartEngine] = {
                f"{num} nodes, shared storage": RayEngine,
                f"{num} nodes, steps sent": functools.partial(RayEngine, streams=True),
                local: Supervisor,
            }
            cases = [
                Case(
                    name,
                    num_steps,
                    functools.partial(_seconds, num_steps, num, start),
                    against=() if name == local else (local,),
                    times_itself=True,
                )
                for name, start in engines.items()
            ]
            yield from rate_rows("ray", "agent steps/s", cases, stopwatch.timings(cases))


def _seconds(num_steps: int, num_envs: int, start: StartEngine) -> float:
    """Fill a new buffer; return the seconds of the process that stepped the longest."""
    origin = Origin("ALE/Breakout-v5", policy="random", seed=0, frame_skip=FRAME_SKIP)
    engines: list[Any] = []

    def started(*given: Any) -> Any:
        engines.append(start(*given))
        return engines[-1]

    with tempfile.TemporaryDirectory() as folder:
        buffer = create_buffer(
            Path(folder) / "buffer", origin, capacity=num_steps, num_envs=num_envs
        )
        collect(buffer, num_steps, num_envs=num_envs, start=started)
    return float(max(tally.elapsed_s for tally in engines[0].tallies))


@contextlib.contextmanager
def _nodes(num: int) -> Iterator[None]:
    """A cluster of so many nodes with one CPU each, to which this process is connected."""
    from ray.cluster_utils import Cluster

    os.environ.update({"RAY_worker_niceness": "0"})  # as the processes without Ray
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        for _ in range(num):
            cluster.add_node(num_cpus=1)
        with connected(cluster.address):
            yield
    finally:
        cluster.shutdown()
