"""What tells one version of a declaration from another, so that a result is never taken for that of changed code."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from xzoo.zoo.spec import Choice


def identity(choice: Choice) -> str:
    """Return a hash of a backbone's declaration, its origin (a distribution's version, a file's bytes) and its functions' code.

    Code that those functions call elsewhere is not seen, unless it stands in the same file or comes with another version.
    """
    digest = hashlib.sha256()
    path = Path(choice.origin)
    digest.update(path.read_bytes() if path.is_file() else choice.origin.encode())
    for word in _words(choice.backbone):
        digest.update(word.encode() + b"\n")
    return digest.hexdigest()


def _words(value: Any) -> Iterator[str]:
    if is_dataclass(value) and not isinstance(value, type):
        yield type(value).__name__
        for field in fields(value):
            yield field.name
            yield from _words(getattr(value, field.name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (str(key), *_words(item))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _words(item)
    elif callable(value):
        yield from _code(getattr(value, "__code__", None) or str(getattr(value, "__qualname__", type(value).__qualname__)))
    else:
        yield repr(value)


def _code(code: CodeType | str) -> Iterator[str]:
    if isinstance(code, str):
        yield code
        return
    yield code.co_code.hex()
    yield from code.co_names
    for constant in code.co_consts:
        yield from _code(constant) if isinstance(constant, CodeType) else [repr(constant)]
