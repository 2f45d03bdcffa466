"""Whether a declaration's fields hold what they are annotated with: dataclasses take anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, get_args

from xzoo.zoo.maps import MapLayer
from xzoo.zoo.names import is_name, is_place
from xzoo.zoo.spec import Auxiliary, Backbone, ExpectedFailure, Family, Head, Preprocess, Weights
from xzoo.zoo.wording import shown

Check = tuple[str, Callable[[Any], bool]]


def _is(*kinds: type) -> Callable[[Any], bool]:
    # A type's own word, not __class__, which an object may give at will.
    return lambda value: issubclass(type(value), kinds)


def _all(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: _is(Sequence)(value) and not _is(str)(value) and all(map(check, value))


def _is_pair(value: Any) -> bool:
    return _all(_is(str))(value) and len(value) == 2


def _are_stages(value: Any) -> bool:
    if callable(value):
        return True
    return _is(Mapping)(value) and all(_is(str)(key) and (_is(str)(item) or _all(_is(str))(item)) for key, item in value.items())


def _is_count(value: Any) -> bool:
    return _is(int)(value) and not _is(bool)(value) and value >= 0


_TEXT: Check = ("text", _is(str))
_HEAD: Check = (f"one of {', '.join(kind.__name__ for kind in get_args(Head))}", _is(*get_args(Head)))
_FUNCTION: Check = ("a function", callable)
_PERHAPS: Check = ("a function or None", lambda value: value is None or callable(value))

_FIELDS: Mapping[str, Check] = {
    "name": (
        "a name: letters, digits, '_', '-' and '.', with '/' after a family",
        lambda value: is_name(value) or is_place(value),
    ),
    # A network is callable as well, and `build=build()` an easy slip.
    "build": (
        "a function that returns the network",
        lambda value: callable(value) and not hasattr(value, "named_parameters"),
    ),
    "head": _HEAD,
    "stages": ("a mapping of names to prefixes, or a function", _are_stages),
    "freeze": _TEXT,
    "weights": ("a sequence of Weights", _all(_is(Weights))),
    "auxiliary": ("a sequence of Auxiliary", _all(_is(Auxiliary))),
    "leave_out": ("a sequence of texts", _all(_is(str))),
    "rename": ("a sequence of pairs of texts", _all(_is_pair)),
    "convert": _PERHAPS,
    "other_weights": _PERHAPS,
    "expected_failures": ("a sequence of ExpectedFailure", _all(_is(ExpectedFailure))),
    "map_layer": (
        "a MapLayer, a function or None",
        lambda value: value is None or _is(MapLayer)(value) or callable(value),
    ),
    "preprocess": ("a Preprocess", _is(Preprocess)),
    "fixed_size": ("True or False", _is(bool)),
    "min_size": ("a whole number", _is_count),
    "summary": _TEXT,
    "paper": _TEXT,
    "licence": _TEXT,
    "params": ("a whole number or None", lambda value: value is None or _is_count(value)),
    "gmacs": ("a number or None", lambda value: value is None or _is(int, float)(value)),
    "names": _FUNCTION,
    "get": _FUNCTION,
    "note": _FUNCTION,
}


def mistyped(declared: Backbone | Family | object) -> str:
    """Return the first field that holds what it must not, as `head is 'fc', not ...`; nothing where all are right."""
    for field in fields(declared):  # type: ignore[arg-type]
        if field.name in _FIELDS:
            what, is_right = _FIELDS[field.name]
            value = getattr(declared, field.name)
            if not is_right(value):
                return f"{field.name} is {shown(value)}, not {what}"
    return ""
