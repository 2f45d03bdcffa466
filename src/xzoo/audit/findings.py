"""What an audit tells its reader in sentences, each with a name, how grave it is, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from xzoo.audit.balance import NAMES, SplitSize
from xzoo.audit.opening import Unreadable
from xzoo.audit.outcome import CopyRow, LeakRow, ShiftRow
from xzoo.audit.shift import Control
from xzoo.data.items import SPLITS, counted, listed
from xzoo.errors import UsageError
from xzoo.runs.result import Finding

SEVERITIES = ("error", "warning", "info")
IDS: Mapping[str, str] = {
    "unreadable": "images that cannot be decoded",
    "flat": "images without any contrast",
    "inverted": "negatives of the others, as MONOCHROME1 read as MONOCHROME2",
    "sizes": "images far smaller or larger than the others",
    "shapes": "images far wider or higher than the others",
    "channels": "gray and colour mixed",
    "label-conflict": "one picture under several labels",
    "copies": "one picture several times in a split",
    "leaked-copies": "a picture on both sides of a split",
    "leaked-patients": "a patient on both sides of a split",
    "patients-unknown": "file names that look as if they named patients",
    "imbalance": "classes of very different size",
    "power": "how well figures of a split can be known",
    "label-shift": "the classes' shares differ between splits",
    "shift": "images of a class look different in another split",
    "control": "two halves of one split can be told apart",
    "features": "by what the splits were told apart",
}
"""Every finding that an audit itself can make; those of reading the data keep their own names."""

ALPHA = 0.01
_WEAK = 0.10
_IMBALANCE = 3.0
_CONTROL = 0.05
_PATIENT = re.compile(r"(?:^|[^a-z])((?:person|patient|subject|pat|subj|case|id)[-_ ]?(\d+))", re.IGNORECASE)


def chosen(words: Sequence[str], findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that `--fail-on` means: by name, or of a severity and graver ones. Raises UsageError for others."""
    found: list[Finding] = []
    for word in words:
        if word in SEVERITIES:
            found += [one for one in findings if SEVERITIES.index(one.severity) <= SEVERITIES.index(word)]
        elif word in IDS or any(one.id == word for one in findings):
            found += [one for one in findings if one.id == word]
        else:
            raise UsageError(f"there is no finding {word!r}", f"use {', '.join(SEVERITIES)}, or names: {', '.join(IDS)}")
    return list(dict.fromkeys(found))


def of_images(unreadable: Sequence[Unreadable], odd: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Yield what is wrong with single images."""
    if unreadable:
        told = listed([f"{one.id} ({one.reason})" for one in unreadable])
        text = f"{counted(len(unreadable), 'image')} cannot be read and had no part in this: {told}"
        yield Finding("unreadable", "error", text, "replace these files or take them out of the dataset")
    remedies = {
        "flat": ("warning", "nothing can be seen on them: take them out"),
        "inverted": ("warning", "look at them; invert those whose light and dark are swapped"),
        "sizes": ("info", "look at them: thumbnails and other material lie among images now and then"),
        "shapes": ("info", "they are squeezed most where all are brought to one size: look at them"),
        "channels": ("info", "look at where each kind comes from: a network can learn that instead of the classes"),
    }
    for kind, (severity, remedy) in remedies.items():
        if odd[kind]:
            yield Finding(kind, severity, f"{counted(len(odd[kind]), 'image')}, {IDS[kind]}: {listed(odd[kind])}", remedy)


def of_copies(copies: Sequence[CopyRow], conflicts: Sequence[Sequence[str]], leaks: Sequence[LeakRow]) -> Iterator[Finding]:
    """Yield what repeats or contradicts itself, and what crosses from split to split."""
    if conflicts:
        text = f"{counted(len(conflicts), 'picture')} under several labels: {listed([' = '.join(ids) for ids in conflicts])}"
        yield Finding("label-conflict", "error", text, "one of the labels is wrong: correct it, or take the picture out")
    for leak in leaks:
        what = "show a picture" if leak.what == "copies" else "are of a patient"
        text = (
            f"{leak.count} of {leak.share.n} {NAMES[leak.of]} images ({leak.share.value:.1%}) {what} of {leak.within} too,"
            f" such as {' = '.join(leak.examples[0])}"
        )
        remedy = "figures on such a split are too good: keep copies on one side, or redraw with --split pool"
        yield Finding(f"leaked-{leak.what}", "error", text, remedy)
    inside = [row for row in copies if row.splits[0] == row.splits[1]]
    if inside:
        exact = sum(row.kind != "near" for row in inside)
        text = f"{counted(len(inside), 'pair')} of one picture within a split ({exact} exact), such as "
        text += listed([f"{row.one} = {row.other}" for row in inside])
        yield Finding("copies", "info", text, "they count twice there: keep one of each")


def of_names(ids: Sequence[str], groups: Sequence[str | None]) -> Iterator[Finding]:
    """Yield that file names look as if they named patients, where no patient is known and some name occurs twice."""
    if any(groups):
        return
    named = [match for match in (_PATIENT.search(one.rpartition("/")[2]) for one in ids) if match]
    distinct = {match[1].lower() for match in named}
    if len(distinct) < len(named):
        word = re.sub(r"\d+$", "", named[0][1])
        text = f"{len(named)} of {len(ids)} file names name {len(distinct)} {word!r}, and no patients are given"
        more = "" if len(named) == len(ids) else "; widen the expression until it fits every name"
        yield Finding("patients-unknown", "info", text, rf"if that is the patient, say so: --group '({word}\d+)'{more}")


def of_sizes(splits: Mapping[str, SplitSize]) -> Iterator[Finding]:
    """Yield how well each split's figures can be known, and which are unbalanced."""
    for split in SPLITS[1:]:
        if split in splits:
            size = splits[split]
            is_weak = size.accuracy_within > _WEAK
            remedy = "smaller differences cannot be seen on it: add images" if is_weak else ""
            yield Finding("power", "warning" if is_weak else "info", size.words, remedy)
    for split, size in splits.items():
        most, fewest = max(size.classes.values()), min(size.classes.values())
        if most > _IMBALANCE * fewest:
            text = f"{NAMES[split]} images are unbalanced: " + ", ".join(
                f"{count} {name}" for name, count in size.classes.items()
            )
            text += f"; always saying the largest class is right in {size.majority:.0%}"
            yield Finding("imbalance", "info", text, "read balanced accuracy, AUROC and recall before accuracy")


def of_shifts(shifts: Sequence[ShiftRow], controls: Sequence[Control], by: str) -> Iterator[Finding]:
    """Yield which splits differ by more than chance, in what, and whether the control found nothing, as it must."""
    halves = {one.split: one.auroc for one in controls}
    for one in controls:
        if one.auroc.value > 0.5 + _CONTROL:
            text = f"random halves of {one.split} can be told apart by {by} (AUROC {one.auroc.value:.2f}, 0.50 expected)"
            yield Finding("control", "warning", text, "images depend on each other, as those of one patient do: give --group")
    for row in shifts:
        pair = f"{NAMES[row.second]} from {NAMES[row.first]} images"
        if row.appearance_p_holm < ALPHA:
            found = row.appearance.auroc
            text = f"within a class, {by} tells {pair}: AUROC {found.value:.2f} ({found.low:.2f}-{found.high:.2f}), "
            text += f"p {row.appearance_p_holm:.2g}" + "".join(
                f"; two halves of {split}: {halves[split].value:.2f}" for split in (row.first, row.second) if split in halves
            )
            told = [f"{name} {test.auroc.value:.2f}" for name, test in row.by_class.items() if test]
            text += f". By class: {', '.join(told)}" if told else ""
            text += f". {NAMES[row.second].capitalize()} images differ in {_told(row)}" if row.traits else ""
            remedy = "a figure of one split need not hold on the other; --split pool shows what mixing them gives"
            yield Finding("shift", "warning", text, remedy)
        if row.labels_p_holm < ALPHA:
            text = f"classes are not spread alike over {NAMES[row.first]} and {NAMES[row.second]} images: "
            text += f"{row.labels.distance:.0%} would have to change class, p {row.labels_p_holm:.2g}"
            yield Finding("label-shift", "warning", text, "accuracy moves with the shares; read AUROC and recall")


def _told(row: ShiftRow) -> str:
    def words(name: str, auroc: float) -> str:
        return f"{name} ({'more' if auroc > 0.5 else 'less'}, AUROC {auroc:.2f})"

    return ", ".join(words(trait.name, trait.auroc.value) for trait in row.traits[:3])
