"""Backbones whose networks compute what they must not; the declarations are sound."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from planted.declare import STAGES, tiny
from planted.sound import AUXILIARIES

KINDS = {
    "planted-softmax": "Probabilities",
    "planted-dropping": "Dropping",
    "planted-led-by-the-head": "LedByTheHead",
    "planted-of-the-batch": "OfTheBatch",
    "planted-centred": "Centred",
    "planted-counting": "Counting",
    "planted-drifting": "DriftsInside",
    "planted-decaying": "Decaying",
    "planted-remembering": "Remembering",
    "planted-stubborn": "Stubborn",
    "planted-detached": "Detached",
    "planted-unused": "Unused",
    "planted-silenced": "Silenced",
    "planted-backwards": "Backwards",
    "planted-faint": "Faint",
    "planted-path": "PathDropping",
    "planted-hoarding": "Hoarding",
    "planted-scaling": "Scaling",
    "planted-reusing": "Reusing",
    "planted-dividing": "Dividing",
    "planted-one-eyed": "OneEyed",
    "planted-projecting": "Projecting",
    "planted-caching": "Caching",
    "planted-at-home": "AtHome",
    "planted-striding": "Striding",
    "planted-batch-of-two": "BatchOfTwo",
    "planted-mixing": "Mixing",
    "planted-chatty": "Chatty",
    "planted-deprecated": "Deprecated",
    "planted-rolling": "Rolling",
    "planted-bound": "Bound",
    "planted-undeclared": "Undeclared",
    "planted-reading": "Reading",
    "planted-sharing": "Sharing",
    "planted-renaming": "Renaming",
    "planted-led-from-behind": "LedFromBehind",
}


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield them."""
    for name, kind in KINDS.items():
        yield tiny(name, kind, **({"stages": {**STAGES, "aux": ("aux1", "aux2")}} if kind == "Undeclared" else {}))
    yield tiny("planted-aux-in-eval", "AuxiliariesInEval", auxiliary=AUXILIARIES)
