"""What engines cost, in seconds of one core, beside the counts from which `choose_engine` predicts it.

    OMP_NUM_THREADS=1 python tests/benchmarks/engine_costs.py measure [NAME ...] > table.md
    python tests/benchmarks/engine_costs.py fit table.md ...     # the costs for evaluate/engines/choice.py, and how well they fit

Processor time of one thread is measured, children included, since other work on the machine changes it least. `XZOO_ENGINES`
names the engines, else all that run here. pytest does not collect this file.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor, nn

from xzoo.errors import UnavailableError
from xzoo.evaluate.engines.choice import Cost, Work, work_of
from xzoo.evaluate.engines.table import ENGINES, available
from xzoo.model import classifier as classifiers
from xzoo.model.body import body_of
from xzoo.train.device import Device
from xzoo.zoo.registry import Registry

NAMES = ("alexnet", "googlenet", "resnet18", "resnet34", "resnet50", "densenet121", "vgg16", "mlp", "cnn", "convgap")
COLUMNS = ("backbone", "engine", "precision", "GMACs", "10^6 values", "layers", "10^6 params", "load s", "ms per image", "n")
BATCH, REPEATS = 16, 5


def measure(names: Sequence[str]) -> Iterator[str]:
    """Yield a table with a line per backbone, engine and precision."""
    torch.set_num_threads(1)
    torch._inductor.config.compile_threads = 1  # in this process, whose time is measured
    yield f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}"
    wanted = os.environ.get("XZOO_ENGINES", " ".join(ENGINES)).split()
    for name in names:
        body, images_BCHW = laid_out(name)
        work = work_of(body, (images_BCHW.shape[2], images_BCHW.shape[3]), images_BCHW.shape[1])
        for precision in ("bf16", "fp32"):
            device = Device("cpu", precision, 1)
            for engine in (one.name for one in available(device) if one.name in wanted):
                yield from measured(name, work, engine, device, body, images_BCHW)


def laid_out(name: str) -> tuple[nn.Module, Tensor]:
    """Return the body of a backbone at random, and a batch at its own size."""
    choice = Registry.installed().get(f"{name}@random")
    preprocess = choice.preprocess
    classifier = classifiers.build(choice.backbone.build(), choice.backbone, 2, seed=0, size=preprocess.shape)
    images_BCHW = torch.randn(BATCH, preprocess.num_channels, *preprocess.shape)
    return body_of(classifier), images_BCHW.contiguous(memory_format=torch.channels_last)


def measured(name: str, work: Work, engine: str, device: Device, body: nn.Module, images_BCHW: Tensor) -> Iterator[str]:
    """Yield the line of one engine, none where it does not compute in the device's precision."""
    loaded = []
    try:
        load = seconds(lambda: loaded.append(ENGINES[engine].load(body, images_BCHW, device)))
    except UnavailableError as error:
        print(f"{name}, {engine}: {error.text}", file=sys.stderr)
        return
    if loaded[0].precision == device.precision:
        loaded[0](images_BCHW)
        each = statistics.median(seconds(lambda: loaded[0](images_BCHW)) for _ in range(REPEATS)) / BATCH * 1e3
        counts = f"{work.gmacs:.3f} | {work.mega_values:.2f} | {work.num_layers} | {work.mega_params:.1f}"
        yield f"| {name} | {engine} | {device.precision} | {counts} | {load:.2f} | {each:.3f} | {REPEATS} |"


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time, in seconds, that a call takes in this process and its children."""
    began = _spent()
    work()
    return _spent() - began


def _spent() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def fit(paths: Sequence[str]) -> Iterator[str]:
    """Yield the costs that tables give: non-negative least squares of relative errors, and the largest of these."""
    lines = [line for path in paths for line in Path(path).read_text("utf-8").splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    groups: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    for row in rows:
        if row[0] not in {"backbone", "---"}:
            groups[row[1], row[2]].append([float(cell) for cell in row[3:9]])
    for (engine, precision), values in groups.items():
        gmacs, mega_values, layers, params, load, each = np.array(values).T
        ready, off_ready = solved([np.ones_like(layers), layers, params], load)
        image, off_image = solved([gmacs, mega_values, layers], each / 1e3)
        cost = Cost(*(float(f"{value:.2g}") for value in (*ready, *image)))
        off = f"off by {off_ready:.0%} and {off_image:.0%} at most, {len(values)} bodies"
        yield f'    ("{engine}", "{precision}"): {cost},  # {off}'


def solved(columns: Sequence[NDArray[np.float64]], wanted: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return non-negative factors of the columns, and the largest relative error."""
    matrix = np.stack(columns, 1)
    factors, _ = nnls(matrix / wanted[:, None], np.ones_like(wanted))
    return factors, float(np.abs(matrix @ factors / wanted - 1).max())


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    do = {"measure": lambda words: measure(words or NAMES), "fit": fit}[sys.argv[1]]
    for line in do(sys.argv[2:]):
        print(line, flush=True)
