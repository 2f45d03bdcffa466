"""One plugin after the other asked for its declarations, inside an isolated process, with a protocol of how each behaves."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from xzoo.errors import XzooError
from xzoo.zoo import manners, plugin
from xzoo.zoo.offers import Offer, tolerate
from xzoo.zoo.patches import patches
from xzoo.zoo.plugin import Declared
from xzoo.zoo.spec import Family
from xzoo.zoo.wording import shown, told

HEAVY = ("torch", "torchvision", "timm", "tensorflow", "jax")
SLOW_S = 2.0


def declare(request: Any, tell: Callable[[Any], None]) -> None:
    """Tell of every offer first that it begins, then how it ended: seconds, the names it declares, a fault and bad manners."""
    tolerate()
    own_names = frozenset(request["own"])
    for place, row in enumerate(request["offers"]):
        tell({"begins": place})
        tell({"place": place, **_examined(Offer(**row), own_names)})


def _examined(offer: Offer, own_names: frozenset[str]) -> dict[str, Any]:
    before = {name for name, module in sys.modules.items() if module is not None}
    printed = io.StringIO()
    declared: tuple[Declared, ...] = ()
    fault = ("", "")
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), manners.kept() as changes:
        began = time.perf_counter()
        try:
            declared = plugin.declared_by(offer, own_names)
            names = sum(_num_names(offer, item) for item in declared)
        except XzooError as error:
            fault, names = (error.text, error.remedy), 0
        except BaseException as error:
            fault, names = (f"the plugin {offer.name!r} of {offer.origin} raises {told(error)}", "take that out of it"), 0
        seconds = time.perf_counter() - began
    if not fault[0] and all(item.name.partition("/")[0] != offer.name and item.name != offer.name for item in declared):
        misnamed = plugin.misnamed(offer, offer.name, ", ".join(item.name for item in declared) or "nothing")
        fault = (misnamed.text, misnamed.remedy)
    # A plugin may have closed what stands for the streams.
    text = "" if printed.closed else printed.getvalue()
    beside = list(_manners(offer, before, changes, text, seconds))
    return {"seconds": seconds, "names": names, "fault": fault, "manners": beside}


def _num_names(offer: Offer, item: Declared) -> int:
    return len(plugin.listed(offer, item)) if isinstance(item, Family) else 1


def _manners(offer: Offer, before: set[str], changes: list[str], printed: str, seconds: float) -> Iterator[str]:
    """Yield what a plugin does beside declaring."""
    if heavy := [name for name in HEAVY if sys.modules.get(name) is not None and name not in before]:
        yield f"imports {heavy[0]} when it is declared: import it inside build()"
    if printed:
        yield f"prints when it is declared: {shown(printed)}"
    if seconds > SLOW_S:
        yield f"takes {seconds:.1f} s to declare: do the work inside build()"
    yield from changes
    if gone := sorted(
        name for name in {*before, *HEAVY} if sys.modules.get(name, sys) is None or name in before - sys.modules.keys()
    ):
        yield f"takes {', '.join(gone[:3])}{' and more' if len(gone) > 3 else ''} away from sys.modules"
    own = offer.value.partition(":")[0].partition(".")[0].strip()
    if own not in sys.stdlib_module_names and (found := patches(own, before)):
        yield f"replaces {', '.join(found[:3])}{' and more' if len(found) > 3 else ''}"
