"""Networks on engines, timed against each other: one batch from memory, and the same from files."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from xzoo.compare.pictures import Pictures
from xzoo.compare.timed import ONE_PEAK, Candidate, Candidates, Memory, in_words, tried
from xzoo.compare.timings import Cold, FromFile, InferenceRow
from xzoo.evaluate.engines.engine import Engine, Loaded
from xzoo.evaluate.timing import Burst, Timing, bursts_of, interleaved, ranks, timing
from xzoo.model.cost import count_params
from xzoo.train.device import Device

_BYTES = {"bf16": 2, "fp32": 4}


@dataclass(frozen=True, eq=False)
class _Entry:
    row: InferenceRow
    from_memory: Burst
    from_files: Burst


def time_batch_size(
    candidates: Candidates, engines: Sequence[Engine], devices: Sequence[Device], batch: int, files: Pictures, seconds: float
) -> Generator[str, None, list[InferenceRow]]:
    """Return the rows of a batch size: all are made ready, and then timed against each other."""
    entries: list[_Entry] = []
    failed: list[InferenceRow] = []
    for (label, candidate), one, device in itertools.product(candidates.items(), engines, devices):
        yield f"{label}, {one.name}, {device.precision}, batch {batch}: loading"
        row = InferenceRow(backbone=label, engine=one.name, asked=device.precision, batch=batch)
        found = tried(partial(_entry, row, candidate, one, device, files))
        if isinstance(found, Mapping):
            failed.append(replace(row, error=found))
        elif all(_is_other(entry.row, found.row) for entry in entries):
            entries.append(found)
    yield f"batch {batch}: timing {len(entries)} rows in turns"
    works = [work for entry in entries for work in (entry.from_memory, entry.from_files)]
    bursts = interleaved(works, seconds)
    whole: list[tuple[InferenceRow, Timing, Timing]] = []
    for entry, memory, from_files in zip(entries, bursts[::2], bursts[1::2], strict=True):
        if isinstance(memory, Exception):
            failed.append(replace(entry.row, error=in_words(memory)))
        elif isinstance(from_files, Exception):
            failed.append(replace(entry.row, error=in_words(from_files)))
        else:
            whole.append((entry.row, timing(memory, batch), timing(from_files, batch)))
    timed = _timed(whole)
    return sorted(timed, key=lambda row: (row.rank, row.p50_ms and row.p50_ms.value)) + failed


def _is_other(a: InferenceRow, b: InferenceRow) -> bool:
    """Whether two rows differ in what computes: an engine without bf16 gives the same for both precisions."""
    return (a.backbone, a.engine, a.precision) != (b.backbone, b.engine, b.precision)


def _entry(row: InferenceRow, candidate: Candidate | Exception, one: Engine, device: Device, files: Pictures) -> _Entry:
    """Return a row made ready: loaded and run once from memory and once from files."""
    if isinstance(candidate, Exception):
        raise candidate
    preprocess, batch = candidate.preprocess, row.batch
    images_BCHW = files.noise(batch, preprocess, device)
    memory = Memory(device)
    began = time.perf_counter()
    loaded: Loaded = one.load(candidate.network, images_BCHW, device)
    device.synchronise()
    ready = time.perf_counter()

    def from_memory() -> None:
        loaded(images_BCHW)
        device.synchronise()

    def from_files() -> None:
        loaded(files.batch(batch, preprocess, device))
        device.synchronise()

    from_memory()
    cold = Cold(build=candidate.seconds, load=ready - began, first_call=time.perf_counter() - ready)
    peak = memory.peak_mb()
    from_files()
    row = replace(
        row,
        precision=loaded.precision,
        size=preprocess.shape,
        cold=cold,
        cold_seconds=cold.build + cold.load + cold.first_call,
        peak_memory_mb=peak,
        weights_mb=count_params(candidate.network) * _BYTES[loaded.precision] / 1e6,
        detail=loaded.detail,
        reasons=ONE_PEAK if peak is None else {},
    )
    return _Entry(row, bursts_of(from_memory), bursts_of(from_files))


def _timed(whole: Sequence[tuple[InferenceRow, Timing, Timing]]) -> list[InferenceRow]:
    """Return the rows with their times, from memory and from files, and their ranks."""
    rank_of, rank_from_file = (ranks([times[place].p50_ms for _, *times in whole]) for place in range(2))
    return [
        replace(
            row,
            p50_ms=fast.p50_ms,
            p90_ms=fast.p90_ms,
            p99_ms=fast.p99_ms,
            images_per_second=fast.images_per_second,
            calls=fast.calls,
            rank=rank,
            from_file=FromFile(**vars(slow), rank=from_file),
            reasons={**row.reasons, **fast.reasons},
        )
        for (row, fast, slow), rank, from_file in zip(whole, rank_of, rank_from_file, strict=True)
    ]
