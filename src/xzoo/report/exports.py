"""What was exported, as text."""

from __future__ import annotations

from xzoo.compare.exported import RECORD, Exported, ExportedFile
from xzoo.data.items import printable
from xzoo.report.tables import table

_HEAD = ["format", "files", "MB", "loaded with", "same class", "largest difference"]


def exported_text(found: Exported) -> str:
    """Return where the files lie, how each agrees with PyTorch, and what the record beside them holds."""
    on = found.checked_on
    lines = [
        f"{found.contender}, seed {found.seed}, of {found.run}, is in {found.folder}",
        "",
        table([_HEAD, *(_row(one) for one in found.files)]),
        "",
        f"Each was loaded back and held against PyTorch in float32, on {on['images']} of {on['of']} {on['split']} images;",
        "the largest difference is between probabilities.",
        *_ties(found),
        f"{RECORD} says what goes in, what comes out, and where the weights come from: {_origin(found)}.",
    ]
    return "\n".join(printable(line) for line in "\n".join(lines).split("\n"))


def _row(one: ExportedFile) -> list[str]:
    same = f"{one.agreement.same_class} of {one.agreement.n}"
    names = ", ".join(one.files)
    return [one.format, names, f"{one.num_bytes / 1e6:.1f}", one.loaded_with, same, f"{one.agreement.largest_difference:.1e}"]


def _ties(found: Exported) -> list[str]:
    most = max(one.agreement.ties for one in found.files)
    return [f"In up to {most} of them two classes are equally probable, and the file names the other."] if most else []


def _origin(found: Exported) -> str:
    licence = found.weights["licence"] or "licence not stated"
    return f"{found.weights['name']}, {licence}, sha256 {str(found.weights['sha256'])[:12] or '-'}"
