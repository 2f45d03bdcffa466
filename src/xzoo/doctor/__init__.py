"""What xzoo stands on: the machine, libraries, folders, the network and plugins, and what each problem among them needs.

The room bears the name of its main call, so it answers it: `xzoo.doctor(...)` is `xzoo.doctor.examination.doctor(...)`.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xzoo.doctor.examination import Examination


class _Room(ModuleType):
    """A package that can be called. Import binds it to `xzoo.doctor`, whatever else would stand there."""

    def __call__(self, *args: Any, **kwargs: Any) -> Examination:
        from xzoo.doctor.examination import doctor

        return doctor(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        from xzoo.doctor.examination import doctor

        return inspect.signature(doctor)


sys.modules[__name__].__class__ = _Room
