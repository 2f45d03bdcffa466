"""Results at a prompt and in a notebook: what shows them stands above what makes them; the face, which is loaded, knows both."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from xzoo.errors import UnavailableError


def brief(value: object, *parts: str) -> str:
    """Return what a result is on one line, as `<Outcome: 2 contenders, 6 cells, xzoo-runs/0123>`, where its fields fill pages."""
    line = f"<{type(value).__name__}: {', '.join(parts)}>"
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def as_text(value: object) -> str:
    """Return a result as the command prints it."""
    text: str = sys.modules["xzoo"].report.as_text(value)
    return text


def as_html(value: object) -> str:
    """Return a result as the HTML that a notebook shows in place of its text; names in it are text and never markup."""
    html: str = sys.modules["xzoo"].report.as_html(value)
    return html


def drawn(kind: str, value: object, ax: Any, **wishes: Any) -> Any:
    """Return matplotlib axes with a result drawn on them, new ones where `ax` is None. Raises UsageError, UnavailableError."""
    return sys.modules["xzoo"].report.drawn(kind, value, ax, **wishes)


def frame(rows: Sequence[Mapping[str, Any]], index: str | None = None) -> Any:
    """Return rows as a pandas frame, with a column as its index. Raises UnavailableError where pandas is not installed."""
    found = needed("pandas", "to_frame").DataFrame(list(rows))
    return found if index is None or not rows else found.set_index(index)


def needed(module: str, by: str) -> Any:
    """Return a module that only notebooks need. Raises UnavailableError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        name = module.partition(".")[0]
        raise UnavailableError(f"{by} needs {name}, which is not installed", "pip install 'xzoo[notebook]'") from None
