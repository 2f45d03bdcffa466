"""Results shown: it reads, and never trains.

The room bears the name of its main call, so it answers it: `xzoo.report(...)` is `xzoo.report.writing.report(...)`.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    """A package that can be called. Import binds it to `xzoo.report`, whatever else would stand there."""

    def __call__(self, *args: Any, **kwargs: Any) -> Path:
        from xzoo.report.writing import report

        return report(*args, **kwargs)

    def as_text(self, value: object) -> str:
        """Return a result as its command prints it."""
        from xzoo.report.printed import as_text

        return as_text(value)

    def as_html(self, value: object) -> str:
        """Return a result as a notebook shows it."""
        from xzoo.report.notebook import as_html

        return as_html(value)

    def drawn(self, kind: str, value: Any, ax: Any, **wishes: Any) -> Any:
        """Return matplotlib axes with a result drawn on them."""
        from xzoo.report.axes import drawn

        return drawn(kind, value, ax, **wishes)

    @property
    def __signature__(self) -> inspect.Signature:
        from xzoo.report.writing import report

        return inspect.signature(report)


sys.modules[__name__].__class__ = _Room
