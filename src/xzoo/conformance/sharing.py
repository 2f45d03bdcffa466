"""Values that are made once, when they are first asked for, and whose failures are told once.

`current` names who is asking: a check.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, overload

from xzoo.conformance.verdicts import BlockedError

Made = TypeVar("Made")


@dataclass(frozen=True)
class _Failure:
    error: Exception
    by: str


@dataclass(eq=False)
class Kept:
    """What has been made so far, failures among it."""

    current: str = ""
    made: dict[str, Any] = field(default_factory=dict)

    def forget_failures(self) -> None:
        """Let the next check meet for itself what could not be made for this one, which went another way."""
        for name, found in list(self.made.items()):
            if isinstance(found, _Failure) and found.by == self.current:
                del self.made[name]


class Holder(Protocol):
    """Whose values are shared."""

    kept: Kept


class shared(Generic[Made]):  # noqa: N801
    """A value that is made once; where making it failed, later checks are told by which one that was met."""

    def __init__(self, make: Callable[[Any], Made]) -> None:
        self.make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, holder: None, owner: type) -> shared[Made]: ...
    @overload
    def __get__(self, holder: Holder, owner: type) -> Made: ...
    def __get__(self, holder: Holder | None, owner: type) -> shared[Made] | Made:
        """Return the value, or raise what its making raised: the error itself where the same check asks again."""
        if holder is None:
            return self
        kept, name = holder.kept, self.make.__name__
        if name not in kept.made:
            try:
                kept.made[name] = self.make(holder)
            except Exception as error:
                kept.made[name] = _Failure(error, kept.current)
        found = kept.made[name]
        if isinstance(found, _Failure):
            raise found.error if found.by == kept.current else BlockedError(found.by)
        made: Made = found
        return made
