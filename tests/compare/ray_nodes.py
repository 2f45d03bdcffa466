"""Ray nodes on this machine for a test or a measurement: processes of their own, which end with the block."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

STORE_BYTES = 200 << 20
"""Bytes of each node's object store, which lies in /dev/shm."""

_START_SECONDS = 60.0

_OPEN = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}

# Without the API server, which asks clouds' metadata services where it is, dashboard or not (Ray 2.60).
_START = """
import ray._private.node
from ray.scripts.scripts import main
ray._private.node.Node.start_api_server = lambda *words, **more: None
main()
"""


@dataclass(eq=False)
class Node:
    """One node: `ray start --block`, and all that it has started. Whatever it says is in its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End the node as a power failure does: its processes all at once."""
        for number in [self.process.pid, *below(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.wait(30)


@dataclass(eq=False)
class Nodes:
    """A cluster on 127.0.0.1; the head is its first node."""

    address: str
    nodes: list[Node]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that uses the cluster."""
        return {**os.environ, **_OPEN, "RAY_ADDRESS": self.address}


@contextlib.contextmanager
def nodes(
    count: int, folder: Path, *, cpus: int = 1, variables: Mapping[str, str] | None = None, hidden: Path | None = None
) -> Iterator[Nodes]:
    """Yield a cluster of so many nodes of so many cores, its logs and sockets below a folder of a short path.

    The nodes see nothing of a `hidden` folder, as if it lay on another machine; that takes root's rights on Linux.
    """
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{door.getsockname()[1]}"
    found = Nodes(address, [])
    try:
        for number in range(count):
            found.nodes.append(_started(address, folder, cpus, {**os.environ, **(variables or {})}, number, hidden))
        yield found
    finally:
        for node in reversed(found.nodes):
            node.kill()


def _started(address: str, folder: Path, cpus: int, variables: Mapping[str, str], number: int, hidden: Path | None) -> Node:
    port = address.rpartition(":")[2]
    of_head = ["--head", f"--port={port}", "--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}"]
    where = of_head if number == 0 else [f"--address={address}"]
    size = [f"--num-cpus={cpus}", f"--object-store-memory={STORE_BYTES}", "--node-ip-address=127.0.0.1"]
    command = [sys.executable, "-c", _START, "start", *where, *size, "--block"]
    if hidden is not None:
        command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(hidden), *command]
    log = folder / f"start-{number}.log"
    with log.open("wb") as out:
        node = Node(subprocess.Popen(command, stdout=out, stderr=out, env={**variables, **_OPEN}), log)
    until = time.monotonic() + _START_SECONDS
    while "Ray runtime started" not in log.read_text():
        if node.process.poll() is not None or time.monotonic() > until:
            node.kill()
            raise AssertionError(log.read_text())
        time.sleep(0.1)
    return node


def below(number: int) -> list[int]:
    """Return the numbers of all processes that a process has started, and those that these have."""
    parents: dict[int, int] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with contextlib.suppress(OSError):
                parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
    own = [child for child, parent in parents.items() if parent == number]
    return [*own, *(one for child in own for one in below(child))]
