"""Nodes of a Ray cluster killed in mid-run: `python -m tests.killed_nodes --kills 20 [--stream]`.

Every step that the collection left is compared with the emulator.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from atarigan.data.buffer.frame_buffer import FrameBuffer
from tests.killed_collection import ROOT, check_alive, num_collected
from tests.ray_nodes import add_node, kill_node, running_cluster
from tests.replayed_rings import check_rings

NUM_NODES = 2
STEPS_BETWEEN = (800, 1600)
STEPS_AFTER = 300


def survived(path: Path, num_kills: int, *, streams: bool = False, seed: int = 0) -> list[int]:
    """Kill so many nodes, each at a random moment of one collection, and start another in the
    place of each; return how many steps there were before each kill.
    """
    rng = Random(seed)
    num_steps = num_kills * STEPS_BETWEEN[1] + STEPS_AFTER
    flags = ["--num-steps", str(num_steps), "--num-envs", str(NUM_NODES), "--out", str(path)]
    flags += ["--frame-format", "palette", "--frame-size", "native"]
    flags += ["--ray-stream"] if streams else []
    kills: list[int] = []
    with running_cluster(NUM_NODES) as cluster:
        command = [sys.executable, "-m", "atarigan.collect", "--ray", cluster.address, *flags]
        process = subprocess.Popen(
            command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            for number in range(num_kills):
                wait_for(process, path, sum(kills[-1:]) + rng.randint(*STEPS_BETWEEN))
                kill_node(cluster, cluster.nodes[number % NUM_NODES])
                kills.append(num_collected(path))
                cluster.nodes[number % NUM_NODES] = add_node(cluster)
            printed, _ = process.communicate()
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, printed
    assert "died after" in printed, printed
    num_stored = check_rings(path)
    assert num_stored >= num_steps, printed
    assert all(num <= num_stored for num in kills)
    assert len(FrameBuffer.open(path)) == num_stored
    return kills


def wait_for(process: "subprocess.Popen[str]", path: Path, num_steps: int) -> None:
    while num_collected(path) < num_steps:
        check_alive(process, 0.02)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "buffer"
        kills = survived(path, flags.kills, streams=flags.stream, seed=flags.seed)
        num = num_collected(path)
    print(f"{len(kills)} nodes killed after {kills} steps; {num:,} steps replayed, all as stored")
    return 0


if __name__ == "__main__":
    sys.exit(main())
