"""What is measured of a backbone, once for all its cells: size, operations and latency."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import torch

from xzoo.compare.bench import Place, input_of
from xzoo.compare.plan import Plan
from xzoo.errors import PreflightError
from xzoo.evaluate.latency import time_batches
from xzoo.model import cost
from xzoo.runs.result import BackboneFacts, Cell, Latency
from xzoo.train.device import Device
from xzoo.train.prepared import Prepared
from xzoo.train.recipe import make as make_recipe
from xzoo.train.shortage import MemoryShortageError, tried

LATENCY_BATCHES: tuple[tuple[int, int, float], ...] = ((1, 100, 5.0), (16, 20, 3.0))
"""Batch size, most runs, most seconds: a p99 needs 100 runs, throughput does not."""


def measure_facts(prepared: Prepared, plan: Plan, cell: Cell, device: Device) -> BackboneFacts:
    """Return parameters, GMACs with the published head and, where asked for, the latency of the network as this data needs it."""
    choice, recipe = prepared.choice, make_recipe(cell.recipe)
    preprocess = input_of(choice, recipe)
    auxiliary = [one.path for one in choice.backbone.auxiliary]
    loaded, gmacs_at = prepared.loaded, _gmacs_at(prepared, plan)
    start = {"name": choice.weights_name, "licence": loaded.licence, "sha256": loaded.sha256, "source": loaded.source}
    return BackboneFacts(
        params=cost.count_params(prepared.network, exclude=auxiliary),
        params_with_auxiliary=cost.count_params(prepared.network),
        gmacs=gmacs_at[str(recipe.size)],
        size=preprocess.shape,
        weights={**start, "body": prepared.tensors},
        gmacs_at=gmacs_at,
        latency=tuple(_latency(prepared, plan, cell, device)) if plan.latency else (),
        origin=choice.origin,
    )


def _latency(prepared: Prepared, plan: Plan, cell: Cell, device: Device) -> Iterator[Latency]:
    place = Place.of(prepared, cell, plan.pack, device)

    def timed(batch: int, max_n: int, budget_s: float) -> Latency:
        indices = torch.arange(batch).remainder(len(plan.pack)).numpy()
        images_BCHW, _ = next(place.images(cell, indices, batch_size=max(2, batch)).ordered())
        return time_batches(
            place.classifier.network, images_BCHW, precision=place.device.precision, budget_s=budget_s, max_n=max_n
        )

    for batch, max_n, budget_s in LATENCY_BATCHES:
        while (found := tried(partial(timed, batch, max_n, budget_s))).result is None:
            if batch == 1:
                raise MemoryShortageError(f"memory ran out for one image: {found.said}", "choose a smaller size or backbone")
            batch //= 2  # noqa: PLW2901 - the batch that is timed stands in the result
        yield found.result


def _gmacs_at(prepared: Prepared, plan: Plan) -> dict[str, float]:
    """Return the GMACs at every `size` of the plan's recipes that the network takes; 0 is its own size."""
    found = {}
    for size in dict.fromkeys(cell.recipe["size"] for cell in plan.cells):
        with contextlib.suppress(PreflightError):
            preprocess = input_of(prepared.choice, make_recipe({"size": size}))
            found[str(size)] = cost.gmacs(prepared.network, preprocess.shape, preprocess.num_channels)
    return found
