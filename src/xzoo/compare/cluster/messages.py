"""What a node says to the driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xzoo.compare.finishing import Output
    from xzoo.compare.resuming import Resumed
    from xzoo.compare.together import Begun
    from xzoo.errors import StorageError, XzooError
    from xzoo.runs.result import BackboneFacts, CellResult, EpochRecord

PACK = "the pack"
"""What a node lacks where it is no backbone's weights."""


@dataclass(frozen=True)
class Lacks:
    """A node does not hold something, the pack or a backbone's weights, and needs its bytes."""

    what: str


@dataclass(frozen=True)
class OnAnotherGpu:
    """This process has begun with another GPU than the one it is now given, and cannot change."""


@dataclass(frozen=True)
class CannotLearnTogether:
    """The heads of these cells are not linear: each is a job of its own."""


@dataclass(frozen=True)
class Measured:
    """What is known of a backbone."""

    label: str
    facts: BackboneFacts


@dataclass(frozen=True, eq=False)
class Came:
    """Something came of a cell: as `together.Item` has it, but an error is the result that it becomes."""

    cell: str
    item: Begun | Resumed | EpochRecord | Output | CellResult


@dataclass(frozen=True)
class Stopped:
    """What ends the whole command: a disk that takes no more."""

    error: StorageError


@dataclass(frozen=True)
class Seen:
    """A node as it introduces itself; `trouble` says why it cannot compute the plan."""

    node: str
    trouble: XzooError | None
