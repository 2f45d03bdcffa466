"""Backbones drawn as text: stages with their outputs and what they cost, where the head begins, and what would learn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from xzoo.data.items import printable
from xzoo.report.strokes import bar
from xzoo.zoo.learning import EPOCHS, Learning

if TYPE_CHECKING:
    from xzoo.model.facts import Facts, WeightsFacts

_WIDEST_BAR, _NARROWEST_BAR = 16, 2
_GAP = "   "
_LONGEST = 20

Stage = tuple[str, tuple[int, ...], int, float]
"""A part's name, its output, its parameters and its GMACs."""


def portrait(facts: Facts, width: int) -> str:
    """Return all that is known of a backbone, with a picture of it that fits so many columns."""
    title, *more = _title(facts)
    picture = _picture(facts, width - 2, _most([facts]), _length([facts], width - 2, is_short=False), is_short=False)
    parts = [more, picture, _learning_lines(facts), _weights_lines(facts)]
    return "\n\n".join([title, *("\n".join(f"  {line}".rstrip() for line in part) for part in parts)]).replace("\n\n", "\n", 1)


def pair(one: Facts, other: Facts, width: int) -> str:
    """Return two backbones side by side, their bars on one scale.

    Their pictures stand beneath each other where so many columns do not hold both.
    """
    both, half = (one, other), (width - len(_GAP)) // 2
    most = _most(both)
    parts = ["\n".join(_table(one, other))]
    if length := _length(both, half, is_short=True):
        left, right = ([_cut(facts.name, half), *_picture(facts, half, most, length, is_short=True)] for facts in both)
        parts.append("\n".join(f"{a:{half}}{_GAP}{b}".rstrip() for a, b in zip_longest(left, right, fillvalue="")))
    else:
        length = _length(both, width, is_short=False)
        parts += ["\n".join([printable(facts.name), *_picture(facts, width, most, length, is_short=False)]) for facts in both]
    parts += ["\n".join([f"weights of {printable(facts.name)}:", *_weights_lines(facts)[1:]]) for facts in both]
    return "\n\n".join(parts)


def _title(facts: Facts) -> list[str]:
    more = facts.params_with_auxiliary - facts.params
    found = [f"{facts.name}  ({', '.join(word for word in (facts.origin, facts.paper) if word)})", facts.summary]
    found.append(f"{facts.params:,} parameters" + (f", and {more:,} in auxiliary heads while it learns" if more else ""))
    found.append(f"{facts.gmacs:.3f} GMACs ({2 * facts.gmacs:.3f} GFLOPs) for one image of {_input(facts)}")
    found.append(f"strategy of its own: {facts.freeze}")
    return [printable(line) for line in found if line]


def _picture(facts: Facts, width: int, most: tuple[float, float], length: int, *, is_short: bool) -> list[str]:
    """Return the table of stages with bars of a length, which the greatest figures fill."""
    rows = stage_rows(facts, is_short=is_short)
    widths = _widths(rows)
    lines = [_row(rows[0], widths, ["", ""], length)]
    for (_, _, params, gmacs), row in zip(_parts(facts), rows[1:], strict=True):
        lines.append(_row(row, widths, [bar(params / most[0], length), bar(gmacs / most[1], length)], length))
    takes = f", takes {_shape(facts.features)}" if facts.features else ""
    begins = f"-- head: {facts.head}" if is_short else f"-- the head begins at {facts.head}"
    lines.insert(-1, _cut(f"{begins}{takes}", width))
    return lines


def _most(found: Sequence[Facts]) -> tuple[float, float]:
    """Return the greatest parameters and GMACs of a part, which fill a bar."""
    parts = [part for facts in found for part in _parts(facts)]
    return max([part[2] for part in parts] + [1]), max([part[3] for part in parts] + [1e-12])


def _parts(facts: Facts) -> list[Stage]:
    stages: list[Stage] = [(one.name, one.output, one.params, one.gmacs) for one in facts.stages]
    return [*stages, ("head", (), facts.params_head, facts.gmacs_head)]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]


def _length(found: Sequence[Facts], width: int, *, is_short: bool) -> int:
    """Return how many columns every bar takes, so that pictures of so many columns hold two beside their figures; 0 for none."""
    room = min((width - sum(_widths(stage_rows(facts, is_short=is_short))) - 5) // 2 for facts in found)
    return min(_WIDEST_BAR, room) if room >= _NARROWEST_BAR else 0


def _row(words: Sequence[str], widths: Sequence[int], bars: Sequence[str], length: int) -> str:
    name, output, params, gmacs = words
    first = f"{name:{widths[0]}} {output:{widths[1]}} {params:>{widths[2]}}"
    return f"{first} {bars[0]:{length}} {gmacs:>{widths[3]}} {bars[1]}".rstrip()


def _learning_lines(facts: Facts) -> list[str]:
    rows = learning_rows(facts)
    widths = _widths(rows)
    note = f"● learns from the first epoch on, · does not; of {EPOCHS} epochs"
    return [*(_line(row, widths) for row in rows), note]


def learning_rows(facts: Facts) -> list[list[str]]:
    """Return a column for each strategy and a row for each stage, with the parameters that learn below."""
    rows = [["learns", *(one.freeze for one in facts.learning)]]
    rows += [[_cut(stage.name, _LONGEST), *(_when(one, stage.name) for one in facts.learning)] for stage in facts.stages]
    rows.append(["head", *("●" for _ in facts.learning)])
    rows.append(["in all", *(_short(one.most) for one in facts.learning)])
    return rows


def stage_rows(facts: Facts, *, is_short: bool = False) -> list[list[str]]:
    """Return the stages and the head, with the shape of what they hand on, their parameters and GMACs."""
    head = ["stage", "output", "params" if is_short else "parameters", "GMACs"]
    return [
        head,
        *(
            [_cut(name, _LONGEST), _shape(output), _short(params) if is_short else f"{params:,}", f"{gmacs:.3f}"]
            for name, output, params, gmacs in _parts(facts)
        ),
    ]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell.rjust(size) if place else cell.ljust(size) for place, (cell, size) in enumerate(zip(row, widths, strict=True))
    )


def _when(one: Learning, stage: str) -> str:
    if stage not in one.since:
        return "·"
    if one.since[stage] > 1:
        return f"from {one.since[stage]}"
    return "●" if one.rate[stage] == 1 else f"x {one.rate[stage]:.2g}"


def _table(one: Facts, other: Facts) -> Iterator[str]:
    rows = [["", printable(one.name), printable(other.name)]]
    for name, figures in (
        ("parameters", [f"{facts.params:,}" for facts in (one, other)]),
        ("GMACs", [f"{facts.gmacs:.3f}" for facts in (one, other)]),
        ("input", [_input(facts) for facts in (one, other)]),
        ("features", [_shape(facts.features) or "-" for facts in (one, other)]),
        ("strategy of its own", [facts.freeze for facts in (one, other)]),
        ("default weights", [_default(facts) for facts in (one, other)]),
    ):
        rows.append([name, *figures])
    for a, b in zip(one.learning, other.learning, strict=True):
        rows.append([f"learns: {a.freeze}", f"{a.most:,}", f"{b.most:,}"])
    widths = _widths(rows)
    yield from (_line(row, widths).rstrip() for row in rows)


def _weights_lines(facts: Facts) -> list[str]:
    found = [f"@{weights_line(weights)}" for weights in facts.weights] or ["no published weights: it starts from scratch"]
    return ["weights:", *found]


def weights_line(weights: WeightsFacts) -> str:
    """Return a name of weights with what they learnt from, what is published of them, and whether they are here."""
    scores = [f"{name} {value:g}%" for name, value in (("top-1", weights.top1), ("top-5", weights.top5)) if value is not None]
    words = [weights.trained_on, *scores, weights.licence, "on this disk" if weights.here else "not on this disk"]
    return printable(f"{weights.name}  {', '.join(word for word in words if word)}")


def _default(facts: Facts) -> str:
    if not facts.weights:
        return "none: from scratch"
    first = facts.weights[0]
    return printable(first.name) + (f", {first.top1:g}%" if first.top1 is not None else "")


def _input(facts: Facts) -> str:
    return f"{facts.channels} x {facts.size[0]} x {facts.size[1]}"


def _shape(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _cut(text: str, most: int) -> str:
    shown = printable(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _short(count: int) -> str:
    return f"{count / 1e6:.2f} M" if count >= 10_000 else f"{count:,}"
