"""`--dry-run`: what a command would compute, fetch and write, and how long it would take; nothing is computed or written."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xzoo.compare import api, workload
from xzoo.compare.bench import input_of
from xzoo.compare.facts import LATENCY_BATCHES
from xzoo.compare.plan import Plan
from xzoo.compare.workload import Images, Load
from xzoo.data import cache
from xzoo.data import split as splits
from xzoo.errors import PreflightError
from xzoo.evaluate.engines.choice import COSTS, Work
from xzoo.model import fetch
from xzoo.runs.result import Cell
from xzoo.runs.store import RunFolder
from xzoo.train.device import Device, choose
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.spec import Choice, Weights

SCHEMA = "xzoo.dry-run/1"
SPREAD = 2.0
"""A prediction is told with this factor to both sides; docs/command-line.md shows how far it was off."""


@dataclass(frozen=True)
class CellForecast:
    """One cell: `state` is `to do`, `done` (kept from before) or `cannot be trained`; `seconds` are None where nobody knows."""

    id: str
    contender: str
    seed: int
    state: str
    seconds: float | None
    memory_gb: float | None
    note: str = ""


@dataclass(frozen=True)
class Download:
    """Weights that are not on this disk, with about how many bytes they have: four for each parameter."""

    name: str
    address: str
    num_bytes: int


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a command would do. Its fields are those of the machine output `xzoo.dry-run/1`.

    `seconds` are by part, of a machine that does nothing else, None where nobody knows the device's speed; `speed` is how this
    machine compares with the one that the costs were measured on, 2 being half as fast. `disk` are bytes by kind; `free` what the
    cache's disk has left.
    """

    run: str
    first_line: str
    cells: Sequence[CellForecast]
    seconds: Mapping[str, float] | None
    total_seconds: float | None
    low_seconds: float | None
    high_seconds: float | None
    memory_gb: float | None
    disk: Mapping[str, int]
    free: int | None
    downloads: Sequence[Download]
    device: str
    precision: str
    threads: int
    speed: float | None
    notes: Sequence[str] = ()
    schema: str = SCHEMA


@dataclass(eq=False)
class _Counts:
    """What is added up over backbones and cells."""

    cells: list[CellForecast] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    disk: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    kept: set[tuple[str, int]] = field(default_factory=set)

    def add(self, part: str, seconds: float) -> None:
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds

    def put(self, kind: str, num_bytes: int) -> None:
        self.disk[kind] = self.disk.get(kind, 0) + num_bytes


def foresee(
    backbones: Sequence[Any], data: object = None, *, device: str = "auto", runs: str | Path = api.RUNS, **asked: Any
) -> Forecast:
    """Return what `compare` with these arguments would do. Nothing is trained, fetched or written; each image file is hashed.

    A network is built and counted without memory for its tensors, and a small one is timed for a moment, to know how fast this
    machine is. On CUDA no time is told. Raises what `compare` raises for words and data that cannot be used.
    """
    plan = api.make_plan(backbones, data, is_look=True, **asked)
    chosen = choose(device, plan.cells[0].recipe["precision"])
    folder = api.run_folder(plan, Path(runs))
    speed = measured_speed(chosen) if chosen.kind == "cpu" else None
    counts = _Counts()
    loads: dict[tuple[str, int], Load] = {}
    for cell in plan.cells:
        _foresee_cell(cell, plan, folder, chosen, loads, counts)
    open_cells = [cell for cell in counts.cells if cell.state == "to do"]
    if open_cells:
        counts.add("start", workload.START)
        counts.add("decode", plan.pack.to_decode_s)
        counts.put("pack", 0 if plan.pack.folder.exists() else int(plan.pack.shapes_N3.prod(axis=1).sum()))
    known = {part: value * (speed or 1.0) for part, value in counts.seconds.items()} if speed is not None else None
    total = sum(known.values()) if known is not None else None
    return Forecast(
        run=str(folder.path),
        first_line=splits.first_line(_split(plan, plan.cells[0])),
        cells=[_scaled(cell, speed) for cell in counts.cells],
        seconds=known,
        total_seconds=total,
        low_seconds=None if total is None else total / SPREAD,
        high_seconds=None if total is None else total * SPREAD,
        memory_gb=max((cell.memory_gb for cell in open_cells if cell.memory_gb is not None), default=None),
        disk=counts.disk,
        free=_free(),
        downloads=list(_downloads(plan, loads)),
        device=chosen.kind,
        precision=chosen.precision,
        threads=chosen.threads,
        speed=speed,
        notes=[*dict.fromkeys(counts.notes), *([] if speed is not None else [f"no costs are known on {chosen.kind}"])],
    )


def measured_speed(device: Device) -> float:
    """Return how many times the stated seconds of one core this machine takes, from convolutions that it computes for a moment.

    Processor time is measured, so that what else the machine does counts little.
    """
    import torch
    from torch import nn

    layers = [nn.Sequential(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()) for _ in range(4)]
    network = nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), *layers).eval().to(memory_format=torch.channels_last)
    images_BCHW = torch.zeros(8, 3, 56, 56).to(memory_format=torch.channels_last)
    if device.precision == "bf16":
        network, images_BCHW = network.to(torch.bfloat16), images_BCHW.to(torch.bfloat16)
    seconds = []
    with torch.no_grad():
        for _ in range(8):
            began = time.process_time()
            network(images_BCHW)
            seconds.append(time.process_time() - began)
    pixels, per_pixel = 56 * 56, 4 * 64 * 64 * 9 + 3 * 64 * 9
    work = Work(gmacs=pixels * per_pixel / 1e9, mega_values=9 * 64 * pixels / 1e6, num_layers=9, mega_params=0.0)
    known = COSTS["eager", device.precision]
    stated = 8 * (known.per_gmac * work.gmacs + known.per_mega_value * work.mega_values + known.per_layer_and_image * 9)
    return min(seconds) / stated


def _foresee_cell(
    cell: Cell, plan: Plan, folder: RunFolder, device: Device, loads: dict[tuple[str, int], Load], counts: _Counts
) -> None:
    label = _label(plan, cell)
    choice, recipe = plan.choices[label], make_recipe(cell.recipe)
    try:
        preprocess = input_of(choice, recipe)
    except PreflightError as error:
        counts.cells.append(CellForecast(cell.id, cell.contender, cell.seed, "cannot be trained", None, None, error.text))
        return
    if folder.is_finished(cell.id):
        counts.cells.append(CellForecast(cell.id, cell.contender, cell.seed, "done", 0.0, None))
        return
    if (label, recipe.size) not in loads:
        load = loads[label, recipe.size] = workload.count(choice, preprocess)
        _foresee_backbone(load, plan, device, counts, min(preprocess.num_channels, plan.pack.num_channels), preprocess.shape)
    load = loads[label, recipe.size]
    split = _split(plan, cell)
    images = Images(len(split.train), len(split.val), len(split.test))
    if cell.freeze == "frozen" and (label, recipe.size) not in counts.kept:
        counts.kept.add((label, recipe.size))
        counts.add("features", workload.extraction(load, len(plan.pack), recipe, device))
        counts.put("features", 4 * load.features * len(plan.pack))
    train, evaluate = workload.trained(load, cell.freeze, recipe, images, device)
    counts.add("train", train + workload.PER_CELL)
    counts.add("evaluate", evaluate)
    _keep(cell, plan, load, counts)
    memory = workload.memory_gb(load, cell.freeze, recipe, len(plan.pack))
    seconds = train + evaluate + workload.PER_CELL
    counts.cells.append(CellForecast(cell.id, cell.contender, cell.seed, "to do", seconds, memory))


def _foresee_backbone(load: Load, plan: Plan, device: Device, counts: _Counts, num_channels: int, size: tuple[int, int]) -> None:
    counts.add("networks", workload.PER_BACKBONE_AND_MEGA_PARAM * load.work.mega_params)
    view = len(plan.pack) * num_channels * size[0] * size[1]
    if counts.disk.get("views", 0) < view and not (plan.pack.shapes_N3[:, :2] == size).all():
        counts.disk["views"] = view
    if plan.latency:
        counts.add("latency", workload.latency(load, device, LATENCY_BATCHES))


def _keep(cell: Cell, plan: Plan, load: Load, counts: _Counts) -> None:
    """Count the tensors that stay of a cell: where more than a head learns those of one seed, unless all are asked for."""
    is_first = cell.seed == min(one.seed for one in plan.cells if one.contender == cell.contender)
    if plan.keep == "all" or (plan.keep == "best" and (is_first or cell.freeze == "frozen")):
        counts.put("run", workload.learnt_bytes(load, cell.freeze, len(plan.pack.classes)))


def _split(plan: Plan, cell: Cell) -> splits.Split:
    pack = plan.pack
    return splits.draw(pack.labels_N, pack.splits_N, pack.together_N, splits.read(cell.split), cell.seed, classes=pack.classes)


def _label(plan: Plan, cell: Cell) -> str:
    return next(label for label in plan.choices if cell.contender.startswith(f"{label} "))


def _downloads(plan: Plan, loads: Mapping[tuple[str, int], Load]) -> Iterator[Download]:
    params = {label: load.work.mega_params for (label, _), load in loads.items()}
    for label, choice in plan.choices.items():
        if (address := _missing(choice)) and label in params:
            yield Download(label, address, int(4e6 * params[label]))


def _missing(choice: Choice) -> str:
    """Return where weights would be fetched from that are not on this disk; nothing where none need be."""
    path, start = fetch.where(choice), choice.start
    if not isinstance(start, Weights) or path is None or path.is_file() or start.file:
        return ""
    return start.url or start.hf


def _scaled(cell: CellForecast, speed: float | None) -> CellForecast:
    return replace(cell, seconds=None if speed is None or cell.seconds is None else cell.seconds * speed)


def _free() -> int | None:
    above = next((one for one in (cache.root(), *cache.root().parents) if one.exists()), None)
    try:
        return shutil.disk_usage(above).free if above else None
    except OSError:
        return None
