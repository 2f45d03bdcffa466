"""Items of a reporting checklist, answered from a run: an item is filled only where the run has a value for all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FILLED, YOURS, NOT_APPLICABLE = "filled from this run", "you must write", "not applicable"


@dataclass(frozen=True)
class Ask:
    """An item in our words: the facts (`fills`) that answer all of it, else what its author must `write`.

    `knows` names facts that speak to it without answering it. `never` says why no run of xzoo can have it.
    """

    number: str
    topic: str
    write: str = ""
    fills: tuple[str, ...] = ()
    knows: tuple[str, ...] = ()
    never: str = ""


@dataclass(frozen=True)
class Item:
    """An answered item: `text` is the run's value, what to write, or why it does not apply."""

    number: str
    topic: str
    status: str
    text: str


@dataclass(frozen=True)
class Checklist:
    """A published checklist: its `items` are numbered as in `source`, and worded by us."""

    name: str
    source: str
    asks: Sequence[Ask]

    def answered(self, facts: Mapping[str, str]) -> list[Item]:
        """Return every item with its answer from the facts of a run, which are empty where it does not know them."""
        return [answer(ask, facts) for ask in self.asks]


def answer(ask: Ask, facts: Mapping[str, str]) -> Item:
    """Return an item with the run's value where every fact that fills it is known; one is never filled with nothing."""
    if ask.never:
        return Item(ask.number, ask.topic, NOT_APPLICABLE, ask.never)
    values = [facts[name].strip() for name in ask.fills]
    if values and all(values):
        return Item(ask.number, ask.topic, FILLED, " ".join(values))
    known = " ".join(value for name in (*ask.fills, *ask.knows) if (value := facts[name].strip()))
    told = f"This run knows: {known}" if known else ""
    return Item(ask.number, ask.topic, YOURS, " ".join(part for part in (ask.write or "The run does not know it.", told) if part))


def summary(items: Sequence[Item]) -> str:
    """Return how many items have which answer, in a sentence."""
    count = Counter(item.status for item in items)
    return f"{len(items)} items: {', '.join(f'{count[status]} {status}' for status in (FILLED, YOURS, NOT_APPLICABLE))}."
