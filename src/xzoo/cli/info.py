"""`xzoo info`: what a backbone is, counted on the network itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import rich_click as click

from xzoo.cli.frame import emit, format_option

if TYPE_CHECKING:
    from xzoo.model.facts import Facts, WeightsFacts


@click.command("info")
@click.argument("names", nargs=-1, required=True)
@format_option
def command(names: tuple[str, ...], form: str) -> None:
    """Show parameters, cost, stages and weights of each of NAMES."""
    from xzoo.zoo.registry import Registry

    registry = Registry.installed()
    choices = [registry.get(name) for name in names]

    from xzoo.model.facts import describe

    facts = [describe(choice) for choice in choices]
    emit({"schema": "xzoo.info/1", "backbones": facts}, form, lambda: "\n\n".join("\n".join(_lines(each)) for each in facts))


def _lines(facts: Facts) -> Iterator[str]:
    yield f"{facts.name}  ({', '.join(word for word in (facts.origin, facts.paper) if word)})"
    if facts.summary:
        yield f"  {facts.summary}"
    more = facts.params_with_auxiliary - facts.params
    yield f"  {facts.params:,} parameters" + (f", and {more:,} in auxiliary heads while it learns" if more else "")
    yield f"  {facts.gmacs:.3f} GMACs for one image of {facts.channels} x {facts.size[0]} x {facts.size[1]}"
    yield f"  strategy of its own: {facts.freeze}"
    yield ""
    rows = [(stage.name, stage.params, "") for stage in facts.stages]
    rows.append(("head", facts.params_head, f"  begins at {facts.head}, is replaced"))
    width = max(len(name) for name, _, _ in rows)
    for name, params, note in rows:
        yield f"  {name:{width}}  {params:>13,}  {params / max(facts.params, 1):6.1%}{note}"
    yield ""
    if not facts.weights:
        yield "  no published weights: it starts from scratch"
    for weights in facts.weights:
        yield f"  @{_weights_line(weights)}"


def _weights_line(weights: WeightsFacts) -> str:
    scores = [f"{name} {value:g}%" for name, value in (("top-1", weights.top1), ("top-5", weights.top5)) if value is not None]
    words = [weights.trained_on, *scores, weights.licence, "on this disk" if weights.here else "not on this disk"]
    return f"{weights.name}  {', '.join(word for word in words if word)}"
