"""Where the cells of a plan are computed: by this process, or by the nodes of a Ray cluster. Free of torch."""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from xzoo.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from xzoo.compare.experiment import Event, Launch
    from xzoo.compare.plan import Plan
    from xzoo.compare.sharing import Sharing
    from xzoo.runs.result import Cell
    from xzoo.train.device import Device

LOCAL, RAY = "local", "ray"
LAUNCHERS = (LOCAL, RAY)


def check_launcher(name: str) -> None:
    """Raise, before anything costly begins, what keeps a launcher from being used.

    UsageError for an unknown one, or for Ray in a process that torchrun has started beside others; UnavailableError where Ray is
    not installed or no cluster answers at RAY_ADDRESS.
    """
    if name not in LAUNCHERS:
        raise UsageError(f"launcher {name!r} is unknown", f"use {' or '.join(LAUNCHERS)}")
    if name == LOCAL:
        return
    if importlib.util.find_spec("ray") is None:
        raise UnavailableError("the launcher ray needs Ray, which is not installed", "pip install 'xzoo[ray]', on every node")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError(
            "--launcher ray hands out whole cells, and torchrun spreads one cell over several processes",
            "use one of the two: leave out torchrun, or --launcher ray",
        )
    from xzoo.compare.cluster import connection

    connection.check_address()


@contextlib.contextmanager
def launching(name: str) -> Iterator[Launch | None]:
    """Yield what computes cells, None being this process itself; what it starts with the first of them ends with the block.

    Raises as `check_launcher` does.
    """
    check_launcher(name)
    if name == LOCAL:
        yield None
        return
    from xzoo.compare.cluster import connection, driver

    with contextlib.ExitStack() as stack:
        begun: list[str] = []

        def launch(
            plan: Plan, sharing: Sharing, device: Device, cells: Sequence[Cell], places: Mapping[str, int]
        ) -> Iterator[Event]:
            if cells and not begun:
                stack.enter_context(connection.connected())
                begun.append(name)
            yield from driver.on_ray(plan, sharing, device, cells, places)

        yield launch
