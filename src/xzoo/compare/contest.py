"""`xzoo bench` carried out: backbones built, rows timed batch size by batch size, then training."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Sequence

import torch
from torch import nn

from xzoo.compare.bench import input_of
from xzoo.compare.inferences import time_batch_size
from xzoo.compare.pictures import pictures
from xzoo.compare.steps import time_training
from xzoo.compare.timed import Candidate, Candidates, make_candidate
from xzoo.compare.timings import Asked, Benchmark, InferenceRow
from xzoo.errors import PreflightError, UsageError, XzooError
from xzoo.evaluate.engines.engine import Engine
from xzoo.evaluate.engines.table import ENGINES, available, engine
from xzoo.train import memory
from xzoo.train.device import Device, choose, environment
from xzoo.zoo.spec import Choice, Preprocess


def carry_out(asked: Asked) -> Generator[str, None, Benchmark]:
    """Time what is asked for, yielding lines that say what is being done. Raises what stands in the way of all of it."""
    devices = [choose(asked.device, precision) for precision in asked.precisions or ("auto",)]
    engines, left_out = _engines(asked.engines, devices[0])
    inputs = [_input(choice, asked) for choice in asked.choices]
    load = os.getloadavg()[0]
    memory.keep_freed()
    candidates: dict[str, Candidate | Exception] = {}
    for choice, preprocess in zip(asked.choices, inputs, strict=True):
        yield f"{choice.label}: building"
        candidates[choice.label] = make_candidate(choice, preprocess, asked.recipe, devices[0])
    _refuse_where_none_is_built(candidates)
    rows: list[InferenceRow] = []
    with pictures(asked.images, inputs[0]) as files:
        for one, device in itertools.product(engines, devices):
            _wake(one, device)
        for batch in asked.batches:
            rows += yield from time_batch_size(candidates, engines, devices, batch, files, asked.seconds)
    candidates = {
        label: candidate.emptied() if isinstance(candidate, Candidate) else candidate for label, candidate in candidates.items()
    }
    training = yield from time_training(candidates, asked, devices[0])
    return Benchmark(
        environment={**environment(devices[0]), "load": [load, os.getloadavg()[0]]},
        rows=tuple(rows),
        training=tuple(training),
        notes=(*asked.notes, *left_out, f"from file: {files.told}"),
    )


def _engines(names: Sequence[str], device: Device) -> tuple[list[Engine], list[str]]:
    """Return the engines and, where all are asked for, a note on each that cannot run. Raises UsageError, UnavailableError."""
    if "all" not in names:
        return [engine(name, device) for name in names], []
    missing = {name: one.missing(device) for name, one in ENGINES.items()}
    return list(available(device)), [f"{name} is left out: {why[0]} ({why[1]})" for name, why in missing.items() if why]


def _input(choice: Choice, asked: Asked) -> Preprocess:
    try:
        return input_of(choice, asked.recipe)
    except PreflightError as error:
        raise UsageError(error.text, "change --size, or leave this backbone out") from error


def _refuse_where_none_is_built(candidates: Candidates) -> None:
    errors = [candidate for candidate in candidates.values() if isinstance(candidate, XzooError)]
    if len(errors) == len(candidates):
        raise errors[0]


def _wake(one: Engine, device: Device) -> None:
    """Load the smallest network and run it, so that no row's cold start holds an engine's imports."""
    images_BCHW = torch.zeros(1, 3, 8, 8, device=device.kind)
    try:
        one.load(nn.Conv2d(3, 4, 3).to(device.kind).eval(), images_BCHW, device)(images_BCHW)
    except Exception:  # what is wrong with it will be told by the rows
        return
