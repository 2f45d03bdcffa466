"""Plans, experiments and what follows from them.

The room bears the name of its main call, so it answers it: `xzoo.compare(...)` is `xzoo.compare.api.compare(...)`.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xzoo.compare.outcome import Outcome


class _Room(ModuleType):
    """A package that can be called. Import binds it to `xzoo.compare`, whatever else would stand there."""

    def __call__(self, *args: Any, **kwargs: Any) -> Outcome:
        from xzoo.compare.api import compare

        return compare(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        from xzoo.compare.api import compare

        return inspect.signature(compare)


sys.modules[__name__].__class__ = _Room
