"""A card's front matter: YAML that every parser reads alike, since all text in it is quoted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xzoo.data.items import printable

FENCE = "---"


def front_matter(values: Mapping[str, Any]) -> str:
    """Return values between fences. Keys are the caller's own words; text becomes one line; what is None or empty is left out.

    Raises ValueError for a number that is not finite, which YAML and JSON spell differently.
    """
    return "\n".join([FENCE, *_mapping(values, 0), FENCE]) + "\n"


def _mapping(values: Mapping[str, Any], depth: int) -> Iterator[str]:
    for key, value in values.items():
        if value is None or value in ("", [], (), {}):
            continue
        if isinstance(value, Mapping):
            yield f"{'  ' * depth}{key}:"
            yield from _mapping(value, depth + 1)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield f"{'  ' * depth}{key}:"
            yield from _sequence(value, depth)
        else:
            yield f"{'  ' * depth}{key}: {_scalar(value)}"


def _sequence(values: Sequence[Any], depth: int) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping):
            first, *rest = _mapping(value, depth + 1)
            yield f"{'  ' * depth}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{'  ' * depth}- {_scalar(value)}"


def _scalar(value: str | float) -> str:
    if isinstance(value, str):
        escaped = printable(value).replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if not math.isfinite(value):
        raise ValueError(f"{value} has no place in a front matter")
    return repr(value)
