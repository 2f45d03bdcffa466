"""How a backbone is written down: `[distribution:]name[@weights]`, or `./mynet.py:net[@weights]` for one's own file.

A family's member may also be named by where it lies: `timm/local-dir:/folder`, `timm/hf-hub:owner/name@revision`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from xzoo.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][\w.\-]*(/[A-Za-z0-9][\w.\-]*)*", re.ASCII)
_PLACE = re.compile(r"[A-Za-z0-9][\w.\-]*/[a-z]+-[a-z]+:[^@\x00-\x1f\x7f]+", re.ASCII)
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._\-]*[A-Za-z0-9])?")
_MOST_LETTERS = 200


@dataclass(frozen=True)
class Reference:
    """The parts of a backbone's written name; those that were not written are empty. A file has an attribute and no name."""

    name: str
    distribution: str = ""
    weights: str = ""
    file: str = ""
    attribute: str = ""


def is_name(text: object) -> bool:
    """Whether a backbone, a family or a distribution can be called so."""
    return isinstance(text, str) and len(text) <= _MOST_LETTERS and _NAME.fullmatch(text) is not None


def is_place(text: object) -> bool:
    """Whether a family's member is named by where it lies, as `family/kind:place`."""
    return isinstance(text, str) and _PLACE.fullmatch(text) is not None


def parse(text: str) -> Reference:
    """Take a backbone's written name apart: `@` splits at its first place, a `:` before the first `/` ends a distribution.

    Raises UsageError.
    """
    body, at, weights = text.strip().partition("@")
    if at and not weights:
        raise UsageError(f"{text!r} names no weights behind the '@'", f"write {body}, {body}@random or {body}@NAME")
    if body.startswith((".", "/")):
        return _file(text, body, weights)
    head, colon, tail = body.partition(":")
    distribution, name = (head, tail) if colon and "/" not in head else ("", body)
    if not (_NAME.fullmatch(name) or is_place(name)) or (colon and "/" not in head and not _DISTRIBUTION.fullmatch(distribution)):
        raise UsageError(
            f"{text!r} is no backbone's name",
            "write [distribution:]name[@weights], such as alexnet@random, or ./mynet.py:net; `xzoo list` shows the names",
        )
    return Reference(name=name, distribution=distribution, weights=weights)


def _file(text: str, body: str, weights: str) -> Reference:
    file, _, attribute = body.rpartition(":")
    if not file or not attribute.isidentifier():
        raise UsageError(
            f"{text!r} does not say what to take from the file", f"write {(file or body)}:NAME, NAME being a Backbone in it"
        )
    return Reference(name="", weights=weights, file=file, attribute=attribute)
