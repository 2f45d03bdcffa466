"""How the installed plugins fare: each asked for its declarations in a process of its own, with limits."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from xzoo.zoo.isolation import LIMITS, Ending, Limits, run
from xzoo.zoo.offers import Offer, normal
from xzoo.zoo.registry import Registry, clash
from xzoo.zoo.wording import brief

OK, CARELESS, CLASH, BROKEN = "ok", "careless", "clash", "broken"
"""Declares as it must; does so with side effects; is offered by another too; cannot be used."""

AT_ONCE = 4
_MOST_LOSSES = 3
"""Processes that plugins of one distribution may end before the rest of them go unexamined."""
_LINE = re.compile(r'File "([^"<][^"]*)", line (\d+)')
"""The line at which a crash or a limit met a plugin, as faulthandler writes it."""

# One thread each: on machines with many cores, libraries of linear algebra reserve more memory for theirs than a plugin may take.
_VARIABLES = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a plugin, and what to do."""

    text: str
    remedy: str


@dataclass(frozen=True)
class Health:
    """How a plugin fared. `num_backbones` counts a family's members too; without `seconds` it did not finish."""

    name: str
    distribution: str
    version: str
    module: str
    health: str
    seconds: float | None
    num_backbones: int
    faults: tuple[Fault, ...]


def examine(registry: Registry, limits: Limits = LIMITS) -> tuple[Health, ...]:
    """Return the health of every plugin, in the order of their names, those with unusable metadata at the end.

    Plugins of one distribution share a process as long as it lives, for they are one author's; those of two never do.
    """
    batches: dict[tuple[str, str], list[Offer]] = {}
    for offer in registry.offers:
        batches.setdefault((normal(offer.distribution), offer.place), []).append(offer)
    names = Counter(offer.name for offer in registry.offers)
    stop = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            futures = [pool.submit(_examined, registry, batch, limits, stop) for batch in batches.values()]
            found = dict(pair for future in futures for pair in future.result())
        except BaseException:
            # The pool waits for its threads, and these for their processes, unless they are told.
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    fared = [_with_clash(registry, found[offer]) if names[offer.name] > 1 else found[offer] for offer in registry.offers]
    return (*fared, *map(_misfit, registry.misfits))


def _examined(registry: Registry, batch: Sequence[Offer], limits: Limits, stop: threading.Event) -> list[tuple[Offer, Health]]:
    """Examine the plugins of one distribution; the one that ends their process is told so, and the rest go on in another."""
    own = sorted(registry.own_names(batch[0]))
    found: list[tuple[Offer, Health]] = []
    rest = list(batch)
    for _ in range(_MOST_LOSSES):
        asked = {"offers": [asdict(offer) for offer in rest], "own": own}
        ending = run("xzoo.zoo.probe:declare", asked, limits, variables=_VARIABLES, stop=stop)
        answers = list(_in_order(ending.answers))[: len(rest)]
        found += [(offer, _fared(offer, answer, ending.num_left)) for offer, answer in zip(rest, answers, strict=False)]
        rest = rest[len(answers) :]
        if rest:
            culprit = rest.pop(0)
            found.append((culprit, _lost(culprit, ending)))
        if not rest:
            return found
    gave_up = f"was not examined: {_MOST_LOSSES} other plugins of its distribution ended the process that they shared"
    return found + [(offer, _broken(offer, f"the plugin {offer.name!r} of {offer.origin} {gave_up}")) for offer in rest]


def _in_order(answers: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield the answers of plugins that finished, up to one that is not as the probe writes it: a plugin can write there too."""
    expected = {"place": int, "seconds": float, "names": int, "fault": list, "manners": list}
    place = 0
    for answer in answers:
        if not isinstance(answer, dict) or "begins" in answer:
            continue
        if {key: type(value) for key, value in answer.items()} != expected or answer["place"] != place:
            return
        place += 1
        yield answer


def _fared(offer: Offer, answer: dict[str, Any], num_left: int) -> Health:
    text, remedy = map(str, answer["fault"])
    manners = [str(manner) for manner in answer["manners"]]
    manners += ["leaves processes running (or another plugin of its distribution does)"] if num_left else []
    faults = [Fault(text, remedy)] if text else []
    faults += [
        Fault(f"the plugin {offer.name!r} of {offer.origin} {manner}", f"tell its author; until then --no-plugin {offer.name}")
        for manner in manners
    ]
    health = BROKEN if text else CARELESS if manners else OK
    return _health(offer, health, tuple(faults), seconds=answer["seconds"], num_backbones=answer["names"])


def _lost(offer: Offer, ending: Ending) -> Health:
    what = ending.fault or "ended the process without an answer"
    where = _LINE.search(ending.output)
    line = f" ({brief(where[1])}, line {where[2]})" if where else ""
    return _broken(offer, f"the plugin {offer.name!r} of {offer.origin} {what} when it is declared{line}")


def _broken(offer: Offer, text: str) -> Health:
    remedy = f"upgrade, repair or uninstall {offer.distribution}; other backbones are not affected"
    return _health(offer, BROKEN, (Fault(text, remedy),))


def _misfit(offer: Offer) -> Health:
    return replace(_broken(offer, f"{offer.origin} {offer.fault}"), name=brief(offer.name), module=brief(offer.value))


def _with_clash(registry: Registry, fared: Health) -> Health:
    error = clash(fared.name, registry.family_offers(fared.name))
    health = BROKEN if fared.health == BROKEN else CLASH
    return replace(fared, health=health, faults=(*fared.faults, Fault(error.text, error.remedy)))


def _health(offer: Offer, health: str, faults: tuple[Fault, ...], seconds: float | None = None, num_backbones: int = 0) -> Health:
    return Health(offer.name, offer.distribution, offer.version, offer.value, health, seconds, num_backbones, faults)
