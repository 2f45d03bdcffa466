"""A reading of a dataset: is it whole, does it repeat or contradict itself, do its splits leak or differ, what can they tell.

The room bears the name of its main call, so it answers it: `xzoo.audit(...)` is `xzoo.audit.reading.audit(...)`.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xzoo.audit.outcome import Audit


class _Room(ModuleType):
    """A package that can be called. Import binds it to `xzoo.audit`, whatever else would stand there."""

    def __call__(self, *args: Any, **kwargs: Any) -> Audit:
        from xzoo.audit.reading import audit

        return audit(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        from xzoo.audit.reading import audit

        return inspect.signature(audit)


sys.modules[__name__].__class__ = _Room
