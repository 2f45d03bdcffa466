"""Long work followed to its end: a generator that says line by line what it does, and returns its answer."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")


def followed(steps: Generator[str, None, T], tell: Callable[[str], object] = str) -> T:
    """Carry work out, hand each of its lines to `tell`, and return the answer; without `tell` nobody hears them."""
    while True:
        try:
            tell(next(steps))
        except StopIteration as end:
            found: T = end.value
            return found
