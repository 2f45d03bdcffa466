"""What tells one version of a declaration from another, so that a result is never taken for that of changed code."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from xzoo.zoo.spec import Choice


def identity(choice: Choice) -> str:
    """Return a hash of a backbone's declaration, its origin (a distribution's version, a file's bytes) and its functions' code.

    Functions are followed into what they captured, their defaults, and the functions and classes of their own module that they
    name. Code of other modules is told by the distribution's version alone.
    """
    digest = hashlib.sha256()
    path = Path(choice.origin)
    digest.update(path.read_bytes() if path.is_file() else choice.origin.encode())
    for word in _words(choice.backbone, set()):
        digest.update(word.encode() + b"\n")
    return digest.hexdigest()


def _words(value: Any, seen: set[int]) -> Iterator[str]:
    if isinstance(value, (FunctionType, type)):
        # Functions and classes may name each other. Their ids hold while they live, which those of passing values do not.
        if id(value) in seen:
            return
        seen.add(id(value))
    if isinstance(value, functools.partial):
        yield from _words([value.func, value.args, value.keywords], seen)
    elif isinstance(value, FunctionType):
        yield from _function(value, seen)
    elif isinstance(value, type):
        yield value.__qualname__
        yield from _words([list(value.__bases__), [item for item in vars(value).values() if callable(item)]], seen)
    elif is_dataclass(value):
        yield type(value).__name__
        counted = [field.name for field in fields(value) if field.metadata.get("identity", True)]
        yield from _words({name: getattr(value, name) for name in counted}, seen)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (str(key), *_words(item, seen))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _words(item, seen)
    else:
        yield repr(value)


def _function(function: Callable[..., Any], seen: set[int]) -> Iterator[str]:
    assert isinstance(function, FunctionType)
    yield from _code(function.__code__)
    yield from _words([function.__defaults__, function.__kwdefaults__], seen)
    for cell in function.__closure__ or ():
        yield from _words(cell.cell_contents, seen)
    for name in sorted(_names(function.__code__)):
        named = function.__globals__.get(name)
        if isinstance(named, (FunctionType, type)) and named.__module__ == function.__module__:
            yield from _words(named, seen)


def _code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield from code.co_names
    for constant in code.co_consts:
        yield from _code(constant) if isinstance(constant, CodeType) else [repr(constant)]


def _names(code: CodeType) -> set[str]:
    """Return the names that a function's code uses, that of the functions inside it included."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)
