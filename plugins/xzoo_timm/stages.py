"""Stages of a network that nobody wrote down: its parts in the order of their calls, grouped as the field would.

The parts are the root's children; containers are opened until a series shows (`layer1` to `layer4`, `stages.0` to `stages.3`,
`blocks.0` to `blocks.11`). A short series is the stages. A long one is grouped where the picture shrinks, and one whose pictures
keep their size into four groups of as many parts.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xzoo_timm.observe import Calls, calls_of, is_below

if TYPE_CHECKING:
    from torch import nn

MOST_STAGES = 6
NUM_GROUPS = 4
_SERIES, _LEAST_ITEMS, _SHORT = 0.3, 3, 5
"""A series holds this share of the body, in this many items; up to so many of them are stages themselves."""
_OWN_STAGE = 0.25
"""What comes after a series is a stage of its own from this share of the body on."""
_SHRUNK = 0.7


@dataclass(frozen=True)
class Part:
    """A module, or a bare parameter, that is not looked into. `place` is its first call, None where it is never called."""

    path: str
    params: int
    place: tuple[int, int] | None


def stages_of(
    module: nn.Module, heads: Sequence[str], size: Sequence[int], late: Sequence[str] = ()
) -> Mapping[str, tuple[str, ...]]:
    """Return the stages of all but the `heads`, for images (C,H,W). `late` bare parameters join the last one, not the first."""
    calls = calls_of(module, size)
    parts, first = _opened(module, heads, calls)
    items = _series(parts) or parts
    groups = _merged(_grouped(items, calls))
    stages, tail = _around(parts, groups)
    body = sum(part.params for part in parts)
    if tail and sum(part.params for part in tail) < _OWN_STAGE * body:
        stages[-1] += tail
        tail = []
    first = [path for path in first if path not in late]
    while len(stages) + bool(tail) > MOST_STAGES or (first and not stages[0]):
        stages[:2] = [stages[0] + stages[1]]
    names = _names(stages, groups, tail, heads)
    paths = [[part.path for part in stage] for stage in ([*stages, tail] if tail else stages)]
    paths[0] = [*first, *paths[0]]
    paths[-1] += late
    return {name: tuple(each) for name, each in zip(names, paths, strict=True) if each}


def _opened(module: nn.Module, heads: Sequence[str], calls: Calls) -> tuple[list[Part], list[str]]:
    """Return the parts in the order of their calls, and the paths of the first stage: bare ones, and what is never called."""
    parts = _children(module, "", heads, calls)
    while not _series(parts):
        closed = [part for part in parts if _can_open(module, part.path, parts)]
        if not closed:
            break
        largest = max(closed, key=lambda part: part.params)
        at = parts.index(largest)
        parts[at : at + 1] = _children(module, largest.path, heads, calls)
    called = sorted((part for part in parts if part.place is not None), key=lambda part: part.place or (0, 0))
    return called, [part.path for part in parts if part.place is None]


def _children(module: nn.Module, path: str, heads: Sequence[str], calls: Calls) -> list[Part]:
    """Return what is right below `path`, heads left out; what holds a head, and lists that nobody calls, are opened at once."""
    from torch import nn

    parent = module.get_submodule(path)
    found = [
        # A bare parameter is used where its module is called; the root's, somewhere.
        Part(f"{path}.{name}".lstrip("."), parameter.numel(), _once(calls, path))
        for name, parameter in parent.named_parameters(recurse=False)
    ]
    names = [name for name, _ in parent.named_children()]
    for name, child in parent.named_children():
        below = f"{path}.{name}".lstrip(".")
        params = sum(parameter.numel() for parameter in child.parameters())
        if not params or any(is_below(below, head) for head in heads):
            continue
        is_list = isinstance(child, (nn.ModuleList, nn.ModuleDict)) and not _is_numbered(name, names)
        if is_list or any(is_below(head, below) for head in heads):
            found += _children(module, below, heads, calls)
        else:
            found.append(Part(below, params, calls.within(below)))
    return found


def _once(calls: Calls, path: str) -> tuple[int, int] | None:
    return (calls.first[path], calls.first[path]) if path and path in calls.first else None


def _can_open(module: nn.Module, path: str, parts: Iterable[Part]) -> bool:
    parent, _, name = path.rpartition(".")
    siblings = [part.path.rpartition(".")[2] for part in parts if part.path.rpartition(".")[0] == parent]
    modules = dict(module.named_modules())
    return path in modules and bool(list(modules[path].children())) and not _is_numbered(name, siblings)


def _is_numbered(name: str, siblings: Sequence[str]) -> bool:
    return bool(re.search(r"\d", name)) and sum(_stem(sibling) == _stem(name) for sibling in siblings) > 1


def _stem(name: str) -> str:
    """Return a name without its numbers: `layer3` and `layer4` have one, `Mixed_5b` and `Mixed_6a` too."""
    return re.sub(r"\d+[a-z]?(?![a-zA-Z])", "#", name)


def _series(parts: Sequence[Part]) -> list[Part]:
    """Return the first series of like-named parts that holds much of the body; nothing where there is none."""
    kinds: dict[tuple[str, str], list[Part]] = {}
    for part in sorted((part for part in parts if part.place), key=lambda part: part.place or (0, 0)):
        parent, _, name = part.path.rpartition(".")
        if re.search(r"\d", name):
            kinds.setdefault((parent, _stem(name)), []).append(part)
    body = sum(part.params for part in parts)
    long = [items for items in kinds.values() if len(items) >= _LEAST_ITEMS]
    return next((items for items in long if sum(part.params for part in items) >= _SERIES * body), [])


def _grouped(items: Sequence[Part], calls: Calls) -> list[list[Part]]:
    """Return the items as groups: each one, or those of one size of picture, or four of as many."""
    if _LEAST_ITEMS <= len(items) <= _SHORT and _stem_of(items):
        return [[item] for item in items]
    groups: list[list[Part]] = []
    before = math.inf
    for item in items:
        now = _positions(_given(item, calls))
        if not groups or (now and now < _SHRUNK * before):
            groups.append([])
        groups[-1].append(item)
        before = now or before
    if len(groups) >= _LEAST_ITEMS:
        return groups
    num_groups = min(NUM_GROUPS, len(items))
    ends = [round(number * len(items) / num_groups) for number in range(num_groups + 1)]
    return [list(items[start:end]) for start, end in itertools.pairwise(ends)]


def _stem_of(items: Sequence[Part]) -> str:
    """Return the stem that all items share, or nothing."""
    stems = Counter(_stem(item.path.rpartition(".")[2]) for item in items)
    return next(iter(stems)) if len(stems) == 1 else ""


def _given(part: Part, calls: Calls) -> tuple[int, ...]:
    """Return the shape of what a part gives, or where nobody calls it, the last thing inside it."""
    inside = [name for name in calls.shapes if is_below(name, part.path)]
    return calls.shapes.get(part.path) or (calls.shapes[max(inside, key=lambda name: calls.last[name])] if inside else ())


def _positions(shape: Sequence[int]) -> int:
    """Return the number of places of a picture (B,C,H,W), (B,H,W,C) or (B,N,C); 0 where it has none."""
    if len(shape) == 4:
        _, a, b, c = shape
        return a * b if a == b and b != c else b * c
    return shape[1] if len(shape) == 3 else 0


def _merged(groups: Sequence[list[Part]]) -> list[list[Part]]:
    """Join groups whose calls are interleaved: none of them ends before the next one begins."""
    merged: list[list[Part]] = []
    for group in groups:
        start = min(part.place[0] for part in group if part.place)
        if merged and max(part.place[1] for part in merged[-1] if part.place) > start:
            merged[-1] += group
        else:
            merged.append(list(group))
    return merged


def _around(parts: Sequence[Part], groups: Sequence[Sequence[Part]]) -> tuple[list[list[Part]], list[Part]]:
    """Return the stages, the stem first, and what comes after all.

    What is first called between two groups is in the later one, and what a group calls, as a module that its parts share, in it.
    """
    of = {part: number for number, group in enumerate(groups, 1) for part in group}
    spans = [(group[0].place[0], max(part.place[1] for part in group if part.place)) for group in groups if group[0].place]
    for part in parts:
        inside = [number for number, (start, end) in enumerate(spans, 1) if part.place and start < part.place[0] < end]
        if inside:
            of.setdefault(part, inside[0])
    stages: list[list[Part]] = [[] for _ in range(len(groups) + 1)]
    waiting: list[Part] = []
    for part in parts:
        if part not in of:
            waiting.append(part)
            continue
        is_first = not any(stages[1:])
        stages[0 if is_first else of[part]] += waiting
        stages[of[part]].append(part)
        waiting = []
    return stages, waiting


def _names(
    stages: Sequence[Sequence[Part]], groups: Sequence[Sequence[Part]], tail: Sequence[Part], heads: Sequence[str]
) -> list[str]:
    """Return a name per stage: an item's own, `blocks1` for a part of a list. What comes first is the stem, also of a list."""
    grouped = groups[len(groups) - len(stages) + 1 :]
    if all(len(group) == 1 for group in grouped):
        names = [_own_name(group[0].path) for group in grouped]
    else:
        parents = [group[0].path.rpartition(".")[0].rpartition(".")[2] or "stage" for group in grouped]
        if not stages[0]:
            parents[0] = "stem"
        names = [
            parent if parents.count(parent) == 1 else f"{parent}{parents[:number].count(parent) + 1}"
            for number, parent in enumerate(parents)
        ]
    if tail:
        names.append(_tail_name(tail, heads))
    return ["(nothing)" if "stem" in names else "stem", *_told_apart(names)]


def _tail_name(tail: Sequence[Part], heads: Sequence[str]) -> str:
    """Return `pre-head` for what stands in one module with the head, else the list's name, or the largest part's."""
    if all(is_below(part.path, heads[0].partition(".")[0]) for part in tail):
        return "pre-head"
    parents = {part.path.rpartition(".")[0] for part in tail}
    largest = max(tail, key=lambda part: part.params).path
    return parents.pop().rpartition(".")[2] if len(parents) == 1 and "" not in parents else _own_name(largest)


def _told_apart(names: Sequence[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name}-{number}" for number, name in enumerate(names, 1)]


def _own_name(path: str) -> str:
    """Return `layer3` for `body.layer3`, `stage1` for `stages.0`."""
    parent, _, name = path.rpartition(".")
    return f"{parent.rpartition('.')[2].removesuffix('s')}{int(name) + 1}" if name.isdigit() else name
