"""An audit as text for a terminal: splits, copies, what tells the splits apart, and what to know."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from xzoo.audit.outcome import Audit, ShiftRow
from xzoo.audit.shift import Separation
from xzoo.report.tables import WIDTH, finding_lines, table


def audit_text(found: Audit) -> str:
    """Return the whole answer: data, splits, what tells them apart, findings, and what was not examined."""
    data = found.dataset
    parts = [
        f"{data['name']}: {data['first_line']}",
        f"pairs of one picture: {found.num_copies}; pictures under several labels: {len(found.conflicts)}",
        table(list(split_rows(found)), left=0),
        "\n".join(textwrap.fill(size.words, WIDTH, subsequent_indent="  ") for size in found.splits.values()),
        table(list(shift_rows(found)), left=0) if found.shifts else "",
        "\n".join(shift_notes(found)),
        finding_lines(found.findings) or "nothing was found that a reader must know",
        "\n".join(textwrap.fill(f"not examined: {text}", WIDTH, subsequent_indent="  ") for text in found.not_examined),
    ]
    return "\n\n".join(part for part in parts if part)


def split_rows(found: Audit) -> Iterator[list[str]]:
    """Yield the table of splits with its head: images by class, patients, and how well accuracy can be known."""
    yield ["split", "images", *found.dataset["classes"], "patients", "majority", "accuracy within"]
    for name, size in found.splits.items():
        patients = "-" if size.patients is None else str(size.patients)
        within = f"±{100 * size.accuracy_within:.1f} points"
        yield [name, str(size.images), *map(str, size.classes.values()), patients, f"{size.majority:.3f}", within]


def shift_rows(found: Audit) -> Iterator[list[str]]:
    """Yield the table of pairs of splits with its head, then a control for each split."""
    classes = found.dataset["classes"]
    yield ["told apart", "AUROC, all", "classes' shares", "within classes", "p", *classes]
    for row in found.shifts:
        shares = f"{row.labels.distance:.3f} (p {row.labels_p_holm:.2g})"
        by_class = [_auroc(row.by_class[name]) for name in classes]
        appearance = _auroc(row.appearance)
        yield [f"{row.first} | {row.second}", _auroc(row.total), shares, appearance, f"{row.appearance_p_holm:.2g}", *by_class]
    for one in found.controls:
        told = f"{one.auroc.value:.3f} ({one.auroc.low:.2f}-{one.auroc.high:.2f})"
        yield [f"halves of {one.split}", "", "", told, "", *("" for _ in classes)]


def shift_notes(found: Audit) -> Iterator[str]:
    """Yield what the table rests on, and the images that give a split away where it differs by more than chance."""
    if not found.shifts:
        return
    text = f"By {found.features['name']}, at most 1,000 images a split; p over all pairs (Holm); halves: mean of random halvings."
    yield textwrap.fill(text, WIDTH)
    for row in found.shifts:
        if row.appearance_p_holm < 0.01:
            yield textwrap.fill(_giveaways(row), WIDTH, subsequent_indent="  ")


def _giveaways(row: ShiftRow) -> str:
    told = [f"{one.id} ({one.beyond:.0%})" for one in row.giveaways if one.split == row.second]
    return f"{row.second} is given away, against {row.first}, by {', '.join(told)}"


def _auroc(test: Separation | None) -> str:
    return "-" if test is None else f"{test.auroc.value:.3f} ({test.auroc.low:.2f}-{test.auroc.high:.2f})"
