"""Connect to a running Ray cluster."""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from atarigan.config.extras import imported
from atarigan.errors import InputError, one_line, shown

_OF_CLIENTS = "ray://"
_LONGEST_WAIT_S = 10.0


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect this process to a cluster, and yield the module ray. A process that is connected
    already stays so.

    Args:
        address: "auto", the cluster that this machine is a node of or that `$RAY_ADDRESS` names; or
            the HOST:PORT of its head node.

    Raises:
        InputError: Ray is not installed, or there is no such cluster, or it has no CPU.
    """
    ray = imported("ray", "ray")
    if address.startswith(_OF_CLIENTS):
        raise InputError(
            f"--ray must be auto or HOST:PORT, on a node of the cluster, not {shown(address)}"
        )
    is_new = not ray.is_initialized()
    if is_new:
        try:
            _reach(address)
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (OSError, OverflowError, RuntimeError, ValueError) as error:
            raise InputError(
                f"--ray must be auto or the HOST:PORT of a running cluster, not {shown(address)}: "
                f"{one_line(error)}"
            ) from error
    try:
        if num_cpus(ray) < 1:
            raise InputError("the cluster of --ray must have at least 1 CPU, not 0")
        yield ray
    finally:
        if is_new:
            ray.shutdown()


def _reach(address: str) -> None:
    """Raise OSError if nothing answers at HOST:PORT, or OverflowError if there is no such port. Ray
    would try for five minutes.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), _LONGEST_WAIT_S).close()


def num_cpus(ray: Any) -> int:
    """Return the number of CPUs of all nodes."""
    return int(ray.cluster_resources().get("CPU", 0))
