"""Where the figures come from: data, weights, code, machine, and the command that makes them again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xzoo.compare.outcome import Outcome
from xzoo.data.items import counted
from xzoo.report.reading import Reading
from xzoo.report.tables import determinism_line


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A backbone and the weights it starts from. `sha256` and `licence` are empty where there are none."""

    label: str
    weights: str
    licence: str
    sha256: str
    source: str
    plugin: str
    size: tuple[int, int]
    params: int


@dataclass(frozen=True, kw_only=True)
class Origins:
    """`command` makes the run again; it is empty where the run does not know it, being older or made from Python values."""

    command: str
    when: str
    plan: str
    data: Mapping[str, Any]
    looks: str
    recipe: Mapping[str, Any]
    environment: Mapping[str, Any]
    versions: Mapping[str, str]
    weights: Sequence[Origin]
    engines: Sequence[str]
    determinism: str = ""


def origins(reading: Reading) -> Origins:
    """Return what the run recorded of its surroundings."""
    outcome = reading.outcome
    words = reading.plan.get("command") or ()
    machine = {name: value for name, value in outcome.environment.items() if name != "versions"}
    weights = [
        Origin(
            label=label,
            weights=str(facts.weights.get("name", "")),
            licence=str(facts.weights.get("licence", "") or ""),
            sha256=str(facts.weights.get("sha256", "") or ""),
            source=str(facts.weights.get("source", "") or ""),
            plugin=facts.origin,
            size=facts.size,
            params=facts.params,
        )
        for label, facts in outcome.backbones.items()
    ]
    return Origins(
        command=shlex.join(["xzoo", *words]) if words else "",
        when=reading.when,
        plan=str(reading.plan.get("hash", reading.name)),
        data=outcome.dataset,
        looks=_looks(outcome),
        recipe=outcome.recipe,
        environment=machine,
        versions=outcome.environment.get("versions", {}),
        weights=weights,
        engines=sorted({f"{cell.engine}, {cell.precision}" for cell in outcome.cells if cell.engine}),
        determinism=" ".join(determinism_line(outcome).removeprefix("Determinism ").split()),
    )


def _looks(outcome: Outcome) -> str:
    """Return how often test was looked at, more than once for a network only where it was watched."""
    networks, looks = (
        counted(sum(cell.status == "done" for cell in outcome.cells), "trained network"),
        outcome.dataset.get("test_looks"),
    )
    if looks is None:
        return f"Test was looked at an unknown number of times, by {networks}."
    if looks == sum(cell.status == "done" for cell in outcome.cells):
        return f"Test was looked at once for each trained network, after training: {networks}."
    return f"Test was looked at {looks} times for {networks}: after every epoch too, as was asked."
