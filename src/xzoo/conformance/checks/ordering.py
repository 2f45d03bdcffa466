"""Stages as a forward pass goes through them, and whether all that it computes with has a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from xzoo.conformance.check import check
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault
from xzoo.model.ownership import HEAD

_SHOWN = 3


@check
def stages_in_order(on: Subject) -> Iterator[Fault]:
    """Stages stand in the order in which a forward pass first uses their layers, one after the other, the head behind them."""
    order, alive = on.uses.order, on.alive
    place = {stage: number for number, stage in enumerate(alive.stages)} | {HEAD: len(alive.stages)}
    bare = _bare(on)
    aside = bare | _of_earlier_heads(on)
    used = [name for name in sorted(order, key=order.__getitem__) if alive.tensor_owner[name] in place and name not in aside]
    first: dict[str, str] = {}
    for name in used:
        first.setdefault(alive.tensor_owner[name], name)
    found = [stage for stage in first if stage != HEAD]
    if found != sorted(found, key=place.__getitem__):
        yield Fault(
            f"a forward pass goes through {', '.join(found)}",
            f"stages={{{', '.join(f'{stage!r}: ...' for stage in found)}}}, in this order",
        )
        return
    yield from _late(used, alive.tensor_owner, place, first)
    for name in sorted(bare & order.keys(), key=order.__getitem__):
        mine = alive.tensor_owner[name]
        later = [one for one in used if order[one] > order[name] and place[alive.tensor_owner[one]] < place.get(mine, 0)]
        if later:
            stage = alive.tensor_owner[later[0]]
            yield Fault(
                f"{name} of stage {mine!r} is used before {later[0]} of stage {stage!r}", f"put {name!r} into stage {stage!r}"
            )


def _late(used: list[str], owner: Mapping[str, str], place: Mapping[str, int], first: Mapping[str, str]) -> Iterator[Fault]:
    """Yield, for every two stages, what of the earlier one is first used when the later one has begun."""
    told: set[tuple[str, str]] = set()
    furthest = ""
    for name in used:
        mine = owner[name]
        if furthest and place[mine] < place[furthest] and (mine, furthest) not in told:
            told.add((mine, furthest))
            behind = "the head" if furthest == HEAD else f"stage {furthest!r}"
            line = "declare as head what gives the logits: nothing that learns stands behind it"
            yield Fault(
                f"{name} of stage {mine!r} is first used when {behind} has begun (with {first[furthest]})",
                line if furthest == HEAD else f"put {name.rpartition('.')[0] or name!r} into {behind}, or make one stage of both",
            )
        if not furthest or place[mine] > place[furthest]:
            furthest = mine


def _of_earlier_heads(on: Subject) -> set[str]:
    """Return the parameters of several heads but for the one that a pass reaches last: the body may go on beside the others."""
    order, paths = on.uses.order, on.backbone.head.paths
    names = {path: [name for name in order if name.startswith(f"{path}.")] for path in paths}
    reached = [path for path in paths if names[path]]
    last = max(reached, key=lambda path: min(order[name] for name in names[path]), default="")
    return {name for path in reached if path != last for name in names[path]}


def _bare(on: Subject) -> set[str]:
    """Return the parameters that a module holds beside modules with parameters of their own: tokens, embeddings, scales."""
    network = on.alive.network
    found = set()
    for path, module in network.named_modules():
        if any(next(child.parameters(), None) is not None for child in module.children()):
            found |= {f"{path}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=False)}
    return found


@check
def registered(on: Subject) -> Iterator[Fault]:
    """All that the network computes with is its parameter or buffer: it is saved, moved and frozen with it."""
    hidden = on.built.hidden
    if hidden:
        yield Fault(
            f"{len(hidden)} tensors or modules are plain attributes: {', '.join(dict.fromkeys(hidden[:_SHOWN]))}",
            f"self.register_buffer({hidden[0].rpartition('.')[2]!r}, ...), or nn.Parameter, nn.ModuleList",
        )
    for stranger in dict.fromkeys(on.uses.strangers.values()):
        yield Fault(f"the forward pass uses {stranger} that belongs to no module", "assign it to self, or to a submodule")
