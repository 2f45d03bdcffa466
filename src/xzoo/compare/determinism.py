"""How far a cell's figures repeat, from what was recorded of it: the levels of docs/determinism.md."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from xzoo.runs.conditions import RAN_OUT, Determinism, Shortage
from xzoo.runs.result import CellResult

if TYPE_CHECKING:
    from xzoo.train.device import Device

HIGHEST = 4
LEVELS = (
    "all that the figures rest on is recorded",
    "the same command gives the same bytes on this machine",
    "also when it is resumed",
    "in any order and company",
    "with any number of workers and however it is watched",
)
"""What each level says beyond the one below it."""


def level_of(
    device: Device, memory: Sequence[Shortage], notes: Sequence[str], *, heads: int, changes: Sequence[str], draws_on_host: bool
) -> Determinism:
    """Return the level of a cell: where it was computed, where memory ran out, what its notes say, how many heads learnt at once.

    `changes` are what was different when it went on from a checkpoint; `draws_on_host` says that no seed ruled what it drew.
    """
    unrepeated = [f"it was begun on one machine and ended on another ({change})" for change in changes]
    if device.runs_ahead and not device.deterministic:
        unrepeated.append("some of CUDA's kernels add in the order of arrival, and --deterministic was not asked for")
    if any(one.way == "parts" for one in memory) or any(RAN_OUT in note for note in notes):
        unrepeated.append("memory ran out, and how much was free is no part of the command")
    if device.runs_ahead and device.ranks.are_many:
        unrepeated.append("several GPUs add in an order that was never tried for whether it repeats")
    if draws_on_host:
        unrepeated.append("the network draws from Python's or numpy's own random numbers, which no seed of the cell rules")
    if unrepeated:
        return Determinism(0, tuple(unrepeated))
    if device.ranks.are_many:
        count = device.ranks.count
        return Determinism(3, (f"{count} ranks summed its gradients, and another number of them adds in another order",))
    if device.runs_ahead and heads > 1:
        return Determinism(2, (f"{heads} heads learnt at once, and CUDA may add otherwise for another number of them",))
    return Determinism(HIGHEST)


def streams() -> tuple[object, ...]:
    """Return where the random numbers stand that belong to the process and not to a cell: Python's and numpy's."""
    of_numpy = np.random.get_state(legacy=False)["state"]
    return random.getstate(), of_numpy["key"].tobytes(), of_numpy["pos"]


def lowest(results: Sequence[CellResult]) -> Determinism | None:
    """Return the lowest level of finished cells, with every reason for it; None where a cell does not know its own."""
    levels = [result.determinism for result in results if result.status == "done"]
    known = [level for level in levels if level is not None]
    if not known or len(known) < len(levels):
        return None
    least = min(one.level for one in known)
    return Determinism(least, tuple(dict.fromkeys(reason for one in known if one.level == least for reason in one.reasons)))
