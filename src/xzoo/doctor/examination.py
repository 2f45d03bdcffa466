"""`xzoo.doctor`: everything looked at, and what each problem needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass

from xzoo.doctor import libraries, machine, network, places
from xzoo.doctor.problems import ERROR, Problem, Seen, problems
from xzoo.zoo import health
from xzoo.zoo.registry import Registry

SCHEMA = "xzoo.doctor/1"


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What was seen and what is wrong with it. Its fields are those of the machine output `xzoo.doctor/1`."""

    healthy: bool
    problems: tuple[Problem, ...]
    python: str
    xzoo: str
    seen: Seen
    schema: str = SCHEMA


def doctor(*, ask_network: bool = True) -> Examination:
    """Look at the machine, libraries, folders, the network and plugins; torch may be broken, for it runs in another process.

    It takes as long as torch takes to be imported. Without `ask_network` nothing is sent anywhere. It is `healthy` unless
    something does not work; warnings leave it so.
    """
    found, torch = libraries.look()
    seen = Seen(
        machine=machine.look(),
        libraries=found,
        torch=torch,
        places=places.look(),
        network=network.look(ask=ask_network),
        plugins=health.examine(Registry.installed()),
        omp=os.environ.get("OMP_NUM_THREADS", ""),
    )
    faults = problems(seen)
    healthy = not any(one.severity == ERROR for one in faults)
    version = importlib.metadata.version("xzoo")
    return Examination(healthy=healthy, problems=faults, python=platform.python_version(), xzoo=version, seen=seen)
