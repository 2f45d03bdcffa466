"""What happens when a plugin is asked for one declaration in an interpreter that has done nothing else. No torch."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xzoo.conformance.watching import watched
from xzoo.errors import XzooError
from xzoo.zoo import manners, plugin
from xzoo.zoo.identity import identity
from xzoo.zoo.names import Reference, parse
from xzoo.zoo.offers import Offer
from xzoo.zoo.patches import patches
from xzoo.zoo.registry import Registry
from xzoo.zoo.spec import Family

HEAVY = ("torch", "torchvision", "timm", "tensorflow", "jax", "transformers", "sklearn", "scipy", "matplotlib")
"""Modules that take a second to import, or bring one along that does."""

_MISSPELT = "no-network-is-called-this"


def declare(request: Mapping[str, str], tell: Callable[[Any], None]) -> None:
    """Tell what `request["wanted"]` declares and what that does beside: one answer of plain values."""
    registry, reference = Registry.installed(), parse(request["wanted"])
    offer = _offer(registry, reference)
    answer: dict[str, Any] = {"error": "", "remedy": "", "identity": "", "family": {}}
    before, began = set(sys.modules), time.perf_counter()
    with watched("declaring", _own_folders(offer)) as heard, manners.kept() as changes:
        try:
            if offer is not None:
                plugin.declared_by(offer, registry.own_names(offer))
            choice = registry.get(request["wanted"])
            answer |= {"name": choice.backbone.name, "identity": identity(choice)}
        except XzooError as error:
            answer |= {"error": error.text, "remedy": error.remedy}
    answer["seconds"] = time.perf_counter() - began
    answer["imported"] = [name for name in HEAVY if name in sys.modules]
    answer |= {"printed": heard.printed, "warned": heard.warned, "touched": heard.touched}
    answer["changed"] = [*changes, *_replaced(offer, before)]
    tell(answer)
    if offer is not None and not answer["error"] and "/" in reference.name:
        tell({"family": _family(registry, offer, reference.name.partition("/")[2])})


def members(request: Mapping[str, str], tell: Callable[[Any], None]) -> None:
    """Tell the full names behind every offer of the name `request["family"]`. Raises XzooError."""
    registry = Registry.installed()
    for offer in registry.family_offers(request["family"]):
        tell(list(registry.members(offer)))


def _offer(registry: Registry, reference: Reference) -> Offer | None:
    """Return the one offer behind a name; None for a file, and where the registry has something to say against the name."""
    offers = registry.family_offers(reference.name) or registry.family_offers(reference.name.partition("/")[0])
    return offers[0] if len(offers) == 1 and not reference.file else None


def _own_folders(offer: Offer | None) -> tuple[str, ...]:
    """Return the folders of the package that declares: its tables may be read."""
    spec = importlib.util.find_spec(offer.value.partition(":")[0].partition(".")[0]) if offer else None
    return tuple(str(Path(place).resolve()) for place in (spec.submodule_search_locations or ())) if spec else ()


def _replaced(offer: Offer | None, before: set[str]) -> list[str]:
    own = offer.value.partition(":")[0].partition(".")[0] if offer else ""
    return [f"replaces {name}" for name in patches(own, before)] if own else []


def _family(registry: Registry, offer: Offer, member: str) -> dict[str, Any]:
    """Return what a family says of its names: how many, which stand twice, whether this one is among them."""
    for item in plugin.declarations(offer, registry.own_names(offer)):
        if isinstance(item, Family):
            names = Counter(plugin.listed(offer, item))
            twice = [name for name, count in names.items() if count > 1]
            return {"count": len(names), "twice": twice[:3], "has": member in names, "invents": _invents(item)}
    return {}


def _invents(family: Family) -> bool:
    """Whether the family declares a network under a name that nobody gave one."""
    try:
        family.get(_MISSPELT)
    except Exception:
        return False
    return True
