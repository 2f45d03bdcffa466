"""Head and stages as declared, held against the network's own names: nothing runs yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from xzoo.conformance.check import check
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault
from xzoo.model.heads import last_layers
from xzoo.zoo.spec import Head, ReplaceConv, ReplaceLinear, ReplaceSeveral

_SHOWN = 3


@check
def head_exists(on: Subject) -> Iterator[Fault]:
    """Head, what stands after it, and auxiliary heads are modules of the network, of the kind that is declared."""
    network, backbone = on.built.skeleton, on.backbone
    yield from _fault_of_head(network, backbone.head, "head")
    for auxiliary in backbone.auxiliary:
        if not _has(network, auxiliary.path):
            yield Fault(
                f"the network has no module {auxiliary.path}", f"Auxiliary(path=...): its modules are {_children(network)}"
            )
            continue
        yield from _fault_of_head(network, auxiliary.head, "Auxiliary(head")
        if not f"{auxiliary.head.path}.".startswith(f"{auxiliary.path}."):
            yield Fault(
                f"the head {auxiliary.head.path} of an auxiliary lies outside of it",
                f"declare a module inside of {auxiliary.path}",
            )


def _fault_of_head(network: nn.Module, head: Head, word: str) -> Iterator[Fault]:
    if isinstance(head, ReplaceSeveral):
        for part in head.parts:
            yield from _fault_of_head(network, part, f"{word}=xzoo.ReplaceSeveral(...)")
        return
    kind, line = type(head).__name__, f"{word}=xzoo.{type(head).__name__}({head.path!r})"
    layers = f"name the layer that gives the logits: the last ones are {last_layers(network)}"
    if not head.path or not _has(network, head.path):
        yield Fault(f"the network has no module {head.path!r}", f"{word}=xzoo.{kind}(...): {layers}")
        return
    found = network.get_submodule(head.path)
    wanted = {ReplaceLinear: nn.Linear, ReplaceConv: nn.Conv2d}.get(type(head))
    if wanted is not None and not isinstance(found, wanted):
        yield Fault(
            f"{head.path} is {type(found).__name__}, and {kind} replaces {wanted.__name__}", f"{word}=xzoo.{kind}(...): {layers}"
        )
    for step in head.after:
        if isinstance(step, str) and step != "flatten" and not _has(network, step):
            yield Fault(
                f"the network has no module {step!r} behind its head", f"{line}, after=(...): paths of modules, or flatten"
            )


@check
def stages_cover(on: Subject) -> Iterator[Fault]:
    """Stages, head and auxiliary heads hold every parameter exactly once, and each of their prefixes holds one."""
    prefixes = _prefixes(on)
    names = [name for name, _ in on.built.skeleton.named_parameters()]
    claims = {
        name: [owner for owner, held in prefixes.items() if any(_is_below(name, prefix) for prefix in held)] for name in names
    }
    none = [name for name, owners in claims.items() if not owners]
    # Where the head is not found, its layer is among these, and another check says so.
    if none and all(_has(on.built.skeleton, path) for path in on.backbone.head.paths):
        yield Fault(f"{len(none)} parameters are in no stage: {', '.join(none[:_SHOWN])}", _home(none, claims, prefixes))
    for name, owners in {tuple(owners): name for name, owners in claims.items() if len(owners) > 1}.items():
        yield Fault(f"{owners} is held by {' and by '.join(name)}", f"take it out of all but one of {', '.join(name)}")
    for owner, held in prefixes.items():
        for prefix in held:
            if not any(_is_below(name, prefix) for name in names):
                yield Fault(
                    f"{owner} names {prefix!r}, which holds no parameter", f"take {prefix!r} out of {owner}, or correct it"
                )
        if not held:
            yield Fault(f"{owner} names nothing", f"name the modules of {owner}, or take it out")


def _prefixes(on: Subject) -> Mapping[str, Sequence[str]]:
    backbone = on.backbone
    stages = {f"stage {name!r}": (held,) if isinstance(held, str) else tuple(held) for name, held in on.stages.items()}
    auxiliaries = {f"auxiliary {one.path!r}": (one.path,) for one in backbone.auxiliary}
    return {**stages, "the head": backbone.head.paths, **auxiliaries}


def _home(none: Sequence[str], claims: Mapping[str, Sequence[str]], prefixes: Mapping[str, Sequence[str]]) -> str:
    """Return what to declare: a stage for each module that no stage holds anything of, else the likeliest stage."""
    free = list(dict.fromkeys(prefix for name in none if (prefix := _free(name, claims))))
    if free:
        return (
            "stages={..., " + ", ".join(f"{prefix!r}: {prefix!r}" for prefix in free[:_SHOWN]) + "}, where it runs in forward()"
        )
    return f"stages={{..., {_likely(none[0], prefixes)!r}: (..., {none[0].rpartition('.')[0] or none[0]!r})}}"


def _free(name: str, claims: Mapping[str, Sequence[str]]) -> str:
    """Return the outermost module around a parameter of which no stage holds anything, the whole network aside; or nothing."""
    parts = name.split(".")[:-1]
    for end in range(1, len(parts) + 1):
        prefix = ".".join(parts[:end])
        if not any(owners and _is_below(other, prefix) for other, owners in claims.items()):
            return prefix
    return ""


def _likely(name: str, prefixes: Mapping[str, Sequence[str]]) -> str:
    """Return the stage with the prefix that has most in common with a name."""

    def common(owner: str) -> int:
        return max((sum(1 for _ in _same(name.split("."), prefix.split("."))) for prefix in prefixes[owner]), default=0)

    stages = [owner for owner in prefixes if owner.startswith("stage ")]
    return max(stages, key=common).removeprefix("stage ").strip("'")


def _same(one: Sequence[str], other: Sequence[str]) -> Iterator[str]:
    for a, b in zip(one, other, strict=False):
        if a != b:
            return
        yield a


def _has(network: nn.Module, path: str) -> bool:
    return path in dict(network.named_modules(remove_duplicate=False))


def _children(network: nn.Module) -> str:
    return ", ".join(name for name, _ in network.named_children())


def _is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")
