"""What was timed, as text for a terminal: a table for each batch size, one for training, and how to read them."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence

from xzoo.compare.timings import Benchmark, InferenceRow, TrainingRow
from xzoo.report.tables import WIDTH, table
from xzoo.runs.result import Measure

_INFERENCE = (
    "rank", "backbone", "engine", "precision", "p50 ms (95%)", "p90", "p99", "images/s", "from file ms", "images/s", "cold s",
    "peak MiB", "GB/s",
)  # fmt: skip
_TRAINING = ("rank", "backbone", "freeze", "trains on", "precision", "step ms (95%)", "images/s", "cold s", "peak MiB")
_HOW = (
    "Rows of one table were timed in turns, A B C, C B A, in short bursts, warmed up. p50 is the median of the bursts, with its "
    "95% interval; rows whose intervals overlap share a rank. From file: decoded, resized, normalised, then run. Cold: built, "
    "loaded, made ready by the engine, first answer, once and apart. GB/s: all weights, read once in p50. A - is explained in "
    "the JSON output."
)


def benchmark_text(found: Benchmark) -> str:
    """Return the whole answer: where it was measured, tables, what failed, how to read it."""
    where = found.environment
    before, after = where["load"]
    parts = [
        f"{where['device']}, {where['threads']} threads, torch {where['versions']['torch']}, load {before:.1f} to {after:.1f}"
    ]
    for batch, rows in itertools.groupby(found.rows, key=lambda row: row.batch):
        parts += _titled(f"{_images(batch)} at once", _INFERENCE, [_inference(row) for row in rows if row.error is None])
    done = [row for row in found.training if row.error is None]
    if done:
        parts += _titled(f"training, {_images(done[0].batch)} a step", _TRAINING, [_training(row) for row in done])
    parts.append("\n".join(_failures(found)))
    parts.append("\n".join(textwrap.fill(note, WIDTH, subsequent_indent="  ") for note in (_HOW, *found.notes)))
    return "\n\n".join(part for part in parts if part)


def _titled(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table under its title, without the columns that hold nothing; no text where there are no rows."""
    if not rows:
        return []
    shown = [place for place in range(len(head)) if any(row[place] != "-" for row in rows)]
    return [f"{title}\n{table([[row[place] for place in shown] for row in (head, *rows)])}"]


def _inference(row: InferenceRow) -> list[str]:
    files = row.from_file
    speed = f"{row.weights_mb / row.p50_ms.value:.1f}" if row.weights_mb is not None and row.p50_ms is not None else "-"
    return [
        str(row.rank),
        row.backbone,
        row.engine,
        row.precision or "-",
        _interval(row.p50_ms),
        _value(row.p90_ms),
        _value(row.p99_ms),
        _value(row.images_per_second),
        _interval(files.p50_ms if files else None),
        _value(files.images_per_second if files else None),
        f"{row.cold_seconds:.2f}" if row.cold_seconds is not None else "-",
        _count(row.peak_memory_mb),
        speed,
    ]


def _training(row: TrainingRow) -> list[str]:
    return [
        str(row.rank),
        row.backbone,
        row.freeze,
        row.trains_on or "-",
        row.precision,
        _interval(row.step_ms),
        _value(row.images_per_second),
        f"{row.cold_seconds:.2f}" if row.cold_seconds is not None else "-",
        _count(row.peak_memory_mb),
    ]


def _failures(found: Benchmark) -> Iterator[str]:
    """Yield each error once, with the rows that it took."""
    lines: dict[str, list[str]] = {}
    rows: list[InferenceRow | TrainingRow] = [*found.rows, *found.training]
    for row in rows:
        if row.error is not None:
            what = f"{row.engine} {row.asked} batch {row.batch}" if isinstance(row, InferenceRow) else row.freeze
            lines.setdefault(f"{row.backbone}: {row.error['text']}. {row.error['remedy']}", []).append(what)
    for text, which in lines.items():
        yield textwrap.fill(f"failed: {text} ({', '.join(which)})", WIDTH, subsequent_indent="  ")


def _interval(measure: Measure | None) -> str:
    """Return `12.3 (12.1-12.6)`, with as many digits as tell a difference of a percent; `-` for none."""
    if measure is None:
        return "-"
    ends = "" if measure.low is None or measure.high is None else f" ({_digits(measure.low)}-{_digits(measure.high)})"
    return f"{_digits(measure.value)}{ends}"


def _value(measure: Measure | None) -> str:
    return "-" if measure is None else _digits(measure.value)


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _images(count: int) -> str:
    return f"{count} image{'s' * (count > 1)}"
