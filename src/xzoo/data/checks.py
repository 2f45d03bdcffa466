"""What a dataset must have before anything is computed from it, and what its reader must be told."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from xzoo.data.items import SPLITS, Item, counted, listed, natural
from xzoo.errors import DataError, UsageError
from xzoo.runs.result import Finding

MIN_IMAGES_PER_CLASS = 2
MIN_CLASSES = 2


def check(name: str, classes: Sequence[str], items: Sequence[Item], hint: str = "") -> None:
    """Refuse a dataset that nothing can be learnt or drawn from. `hint` is added to the remedy. Raises DataError."""
    wanted = f"at least {MIN_CLASSES} classes of {MIN_IMAGES_PER_CLASS} images or more are needed"
    remedy = f"{wanted}{'; ' + hint if hint else ''}"
    if not items:
        raise DataError(f"{name} holds no images", remedy)
    if len(classes) < MIN_CLASSES:
        raise DataError(f"{name} holds one class alone: {listed(classes)}", remedy)
    counts = Counter(item.label for item in items)
    if empty := [name for label, name in enumerate(classes) if not counts[label]]:
        raise DataError(f"{name} holds no images of {listed(empty)}", f"add images or take the class out: {remedy}")
    if few := [name for label, name in enumerate(classes) if counts[label] < MIN_IMAGES_PER_CLASS]:
        raise DataError(f"{name} holds a single image of {listed(few)}", remedy)
    _check_splits(name, classes, items)


def grouped(items: Sequence[Item], expression: str) -> tuple[Item, ...]:
    """Return the items with the group that the expression's first capture group finds in each id.

    Raises UsageError where the expression cannot do that, DataError where it leaves out an id.
    """
    try:
        pattern = re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        shown = listed([repr(expression)])
        raise UsageError(f"group expression {shown} is no regular expression: {error}", "check its brackets") from error
    if not pattern.groups:
        raise UsageError(
            f"group expression {expression!r} captures nothing", r"put brackets around the patient's part, as in '(person\d+)_'"
        )
    found = [pattern.search(item.id) for item in items]
    missed = [item.id for item, match in zip(items, found, strict=True) if match is None or match[1] is None]
    if missed:
        raise DataError(
            f"group expression {expression!r} finds no group in {len(missed)} of {len(items)} images: {listed(missed)}",
            "widen the expression until it says of every image which patient it shows",
        )
    return tuple(replace(item, group=match[1]) for item, match in zip(items, found, strict=True) if match)


def findings(classes: Sequence[str], items: Sequence[Item], digests: Sequence[str]) -> list[Finding]:
    """Return what a reader must know of the items: duplicates, patients on two sides, classes that a split lacks."""
    return [*_duplicates(items, digests), *_shared_groups(items), *_lacking(classes, items)]


def _check_splits(name: str, classes: Sequence[str], items: Sequence[Item]) -> None:
    undeclared = sum(item.split is None for item in items)
    if undeclared == len(items):
        return
    if undeclared:
        raise DataError(
            f"{name}: {undeclared} of {len(items)} images name no split", "name train, val or test for every image, or for none"
        )
    labels = {split: {item.label for item in items if item.split == split} for split in SPLITS}
    if not labels["train"]:
        raise DataError(f"{name} declares no training images", "call a split train, or declare none and let them be drawn")
    for split in ("val", "test"):
        if extra := natural(classes[label] for label in labels[split] - labels["train"]):
            raise DataError(
                f"{name}: {split} holds {listed(extra)}, which train lacks", "give every split the same classes, spelt alike"
            )


def _duplicates(items: Sequence[Item], digests: Sequence[str]) -> list[Finding]:
    alike: dict[str, list[Item]] = defaultdict(list)
    for item, digest in zip(items, digests, strict=True):
        if digest:
            alike[digest].append(item)
    copies = [same for same in alike.values() if len(same) > 1]
    if not copies:
        return []
    num_pairs = sum(len(same) * (len(same) - 1) // 2 for same in copies)
    num_crossing = sum(_num_unlike([item.split for item in same]) for same in copies)
    num_contrary = sum(_num_unlike([item.label for item in same]) for same in copies)
    text = f"{counted(num_pairs, 'pair')} of byte-identical images, such as {copies[0][0].id} and {copies[0][1].id}"
    text += f"; {num_crossing} across splits" if num_crossing else ""
    text += f"; {num_contrary} under different labels" if num_contrary else ""
    severity = "warning" if num_crossing or num_contrary else "info"
    return [Finding("duplicates", severity, text, "keep one of each, or give copies one group, so that no split shares them")]


def _num_unlike(values: Sequence[object]) -> int:
    total = len(values) * (len(values) - 1) // 2
    return total - sum(count * (count - 1) // 2 for count in Counter(values).values())


def _shared_groups(items: Sequence[Item]) -> list[Finding]:
    splits: dict[str, set[str | None]] = defaultdict(set)
    for item in items:
        if item.group is not None:
            splits[item.group].add(item.split)
    if not (shared := natural(group for group, where in splits.items() if len(where) > 1)):
        return []
    text = f"{counted(len(shared), 'group')} (patients) lie in more than one declared split: {listed(shared)}"
    return [Finding("shared-groups", "warning", text, "figures on such a split are too good; redraw with --split pool")]


def _lacking(classes: Sequence[str], items: Sequence[Item]) -> list[Finding]:
    lacking = []
    for split in ("val", "test"):
        held = {item.label for item in items if item.split == split}
        if held and (absent := [name for label, name in enumerate(classes) if label not in held]):
            lacking.append(f"{split} lacks {listed(absent)}")
    if not lacking:
        return []
    text = f"{'; '.join(lacking)}: nothing can be said of these classes there"
    return [Finding("lacking-classes", "warning", text, "add such images, or redraw with --split pool")]
