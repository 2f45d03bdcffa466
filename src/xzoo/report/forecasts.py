"""What a command would do, as text: its cells, then time, memory, disk and downloads."""

from __future__ import annotations

from collections.abc import Iterator

from xzoo.compare.forecast import CellForecast, Forecast
from xzoo.report.tables import table
from xzoo.zoo.wording import plain


def forecast_text(found: Forecast) -> str:
    """Return a table of contenders, and lines of what all of it takes."""
    rows = [["contender", "seeds", "state", "each takes", "memory"], *map(_row, _by_contender(found))]
    lines = [found.first_line, "", table(rows), "", *_totals(found), "", "dry run: nothing was trained, fetched or written"]
    return plain("\n".join(lines))


def clock(seconds: float) -> str:
    """Return seconds as a person says them, to two digits."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else "1 s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(num_bytes: float) -> str:
    """Return bytes in the unit that fits."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e8 else f"{num_bytes / 1e6:.1f} MB"


def _by_contender(found: Forecast) -> Iterator[list[CellForecast]]:
    for key in dict.fromkeys((cell.contender, cell.state) for cell in found.cells):
        yield [cell for cell in found.cells if (cell.contender, cell.state) == key]


def _row(cells: list[CellForecast]) -> list[str]:
    one = cells[0]
    seconds = [cell.seconds for cell in cells if cell.seconds is not None]
    takes = clock(max(seconds)) if seconds and one.state == "to do" else "-"
    memory = f"{one.memory_gb:.1f} GB" if one.memory_gb is not None else "-"
    return [one.contender, ", ".join(str(cell.seed) for cell in cells), one.note or one.state, takes, memory]


def _totals(found: Forecast) -> Iterator[str]:
    to_do, done = (sum(cell.state == state for cell in found.cells) for state in ("to do", "done"))
    kept = f", {done} kept from before" if done else ""
    yield f"cells      {to_do} to compute{kept}, in {found.run}"
    yield f"device     {found.device}, {found.precision}, {found.threads} threads"
    if found.total_seconds is not None and found.low_seconds is not None and found.high_seconds is not None:
        parts = ", ".join(f"{name} {clock(value)}" for name, value in (found.seconds or {}).items() if value >= 0.5)
        between = f"{clock(found.low_seconds)} to {clock(found.high_seconds)}"
        yield f"time       about {clock(found.total_seconds)} ({between}): {parts or 'nothing to do'}"
    if found.memory_gb is not None:
        yield f"memory     about {found.memory_gb:.1f} GB"
    held = {kind: value for kind, value in found.disk.items() if value}
    free = f"; {size(found.free)} free" if found.free is not None else ""
    yield f"disk       {', '.join(f'{kind} {size(value)}' for kind, value in held.items()) or 'nothing more'}{free}"
    for one in found.downloads:
        yield f"download   {one.name}, about {size(one.num_bytes)}, from {one.address}"
    yield from (f"note       {note}" for note in found.notes)
