"""Steps of training under freeze strategies, timed against each other."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from functools import partial

import torch

from xzoo.compare.bench import build
from xzoo.compare.pictures import Pictures
from xzoo.compare.timed import NUM_CLASSES, ONE_PEAK, Candidate, Candidates, Memory, in_words, tried
from xzoo.compare.timings import TRAINING_BATCH, Asked, TrainingRow
from xzoo.evaluate.timing import Burst, Timing, interleaved, ranks, timing
from xzoo.train.device import Device
from xzoo.train.prepared import prepare
from xzoo.train.step import Steps
from xzoo.zoo.strategies import parse


def time_training(candidates: Candidates, asked: Asked, device: Device) -> Generator[str, None, list[TrainingRow]]:
    """Return the rows of training, timed against each other."""
    ready: list[tuple[TrainingRow, Burst]] = []
    failed: list[TrainingRow] = []
    for (label, candidate), freeze in itertools.product(candidates.items(), asked.freeze):
        yield f"{label}, {freeze}: first step of training"
        row = TrainingRow(backbone=label, freeze=freeze, precision=device.precision, batch=TRAINING_BATCH)
        found = tried(partial(_step, row, candidate, asked, device))
        if isinstance(found, Mapping):
            failed.append(replace(row, error=found))
        else:
            ready.append(found)
    if ready:
        yield f"training: timing {len(ready)} rows in turns"
    timed: list[tuple[TrainingRow, Timing]] = []
    for (row, _), bursts in zip(ready, interleaved([work for _, work in ready], asked.seconds), strict=True):
        if isinstance(bursts, Exception):
            failed.append(replace(row, error=in_words(bursts)))
        else:
            timed.append((row, timing(bursts, TRAINING_BATCH)))
    rows = [
        replace(row, step_ms=one.p50_ms, images_per_second=one.images_per_second, rank=rank)
        for (row, one), rank in zip(timed, ranks([one.p50_ms for _, one in timed]), strict=True)
    ]
    return sorted(rows, key=lambda row: (row.rank, row.step_ms and row.step_ms.value)) + failed


def _step(row: TrainingRow, candidate: Candidate | Exception, asked: Asked, device: Device) -> tuple[TrainingRow, Burst]:
    """Return a row of training made ready, its first step made, and what makes further ones."""
    if isinstance(candidate, Exception):
        raise candidate
    prepared, memory = prepare(candidate.choice), Memory(device)
    began = time.perf_counter()
    classifier, device = build(prepared, NUM_CLASSES, asked.recipe, 0, candidate.preprocess, device)
    images_BCHW = Pictures.noise(TRAINING_BATCH, candidate.preprocess, device)
    labels_B = torch.arange(TRAINING_BATCH, device=device.kind) % NUM_CLASSES
    steps = Steps(classifier, images_BCHW, labels_B, parse(row.freeze), asked.recipe, device)
    steps.run()
    seconds, peak = time.perf_counter() - began, memory.peak_mb()

    def burst(count: int) -> list[float]:
        # One epoch of so many steps, as the trainer makes them: it waits for the device once, at its end.
        began = time.perf_counter()
        steps.run(count)
        return [(time.perf_counter() - began) / count]

    row = replace(
        row,
        precision=device.precision,
        trains_on=steps.trains_on,
        stages_learning=steps.learning,
        cold_seconds=seconds,
        peak_memory_mb=peak,
        reasons=ONE_PEAK if peak is None else {},
    )
    return row, burst
