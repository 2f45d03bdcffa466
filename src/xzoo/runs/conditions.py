"""Under which conditions a cell was computed: where memory ran out, and how far its figures repeat."""

from __future__ import annotations

from dataclasses import dataclass

RAN_OUT = "memory ran out in"


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """Memory that ran out in a cell, and how it went on: `at_once` images of a batch of `of` from then on.

    `epoch` and `step`, counted from 1, are those of training, 0 elsewhere. `way` is `parts`, or `host` where the batch stayed
    whole and what its backward pass needs was kept in the host's memory. `statistics` says that batch norms which learn saw the
    parts, whose statistics are not the batch's; else nothing differs but last bits.
    """

    what: str
    at_once: int
    of: int
    epoch: int = 0
    step: int = 0
    way: str = "parts"
    statistics: bool = False


@dataclass(frozen=True)
class Determinism:
    """How far a cell's figures repeat, as docs/determinism.md defines it: `level` 0 to 4, and why it is no higher."""

    level: int
    reasons: tuple[str, ...] = ()


def in_words(told: Shortage) -> str:
    """Return one shortage as a sentence's part, for notes and findings; it begins with RAN_OUT."""
    where = f" from step {told.step} of epoch {told.epoch} on" if told.epoch else ""
    way = "what the backward pass needs is kept on the host" if told.way == "host" else f"{told.at_once} images at once"
    return f"{RAN_OUT} {told.what}:{where} {way}"
