"""What engines cost, in seconds of one core, beside the counts that `choose_engine` predicts it from; prints a table.

    OMP_NUM_THREADS=1 python tests/benchmarks/engine_costs.py [NAME ...]

Processor time of one thread is measured, children included, since other work on the machine changes it least. pytest does not
collect this file.
"""

from __future__ import annotations

import os
import statistics
import sys
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from xzoo.errors import UnavailableError
from xzoo.evaluate.engines.choice import Work, work_of
from xzoo.evaluate.engines.table import ENGINES
from xzoo.model import classifier as classifiers
from xzoo.model.body import body_of
from xzoo.train.device import Device
from xzoo.zoo.registry import Registry

NAMES = ("alexnet", "googlenet", "resnet18", "resnet34", "resnet50", "densenet121", "vgg16", "mlp", "cnn", "convgap")
BATCH, REPEATS = 16, 5


def main(names: Sequence[str]) -> None:
    """Print a line per backbone, engine and precision."""
    torch.set_num_threads(1)
    torch._inductor.config.compile_threads = 1  # in this process, whose time is measured
    print("| backbone | engine | precision | GMACs | modules | params, M | load s | ms per image | n |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        backbone = Registry.installed().get(f"{name}@random")
        preprocess = backbone.preprocess
        network = backbone.backbone.build()
        body = body_of(classifiers.build(network, backbone.backbone, 2, seed=0, size=preprocess.shape))
        images_BCHW = torch.randn(BATCH, preprocess.num_channels, *preprocess.shape)
        images_BCHW = images_BCHW.contiguous(memory_format=torch.channels_last)
        work = work_of(body, preprocess.shape, preprocess.num_channels)
        for engine in wanted():
            for precision in ("bf16", "fp32"):
                if not (engine == "onnxruntime" and precision == "bf16"):
                    print(measured(name, work, engine, precision, body, images_BCHW), flush=True)


def wanted() -> Sequence[str]:
    """Return the engines that `XZOO_ENGINES` names, or all that run here."""
    named = os.environ.get("XZOO_ENGINES", "").split()
    return [name for name, one in ENGINES.items() if one.missing(Device("cpu", "fp32", 1)) is None and name in (named or [name])]


def measured(name: str, work: Work, engine: str, precision: str, body: torch.nn.Module, images_BCHW: Tensor) -> str:
    """Return the line of one engine and precision."""
    loaded = []
    counts = f"| {name} | {engine} | {precision} | {work.gmacs:.3f} | {work.num_modules} | {work.num_params / 1e6:.1f} |"
    try:
        load = seconds(lambda: loaded.append(ENGINES[engine].load(body, images_BCHW, Device("cpu", precision, 1))))
    except UnavailableError as error:
        return f"{counts} {error.text} | | |"
    if loaded[0].precision != precision:
        return f"{counts} runs in {loaded[0].precision} | | |"
    loaded[0](images_BCHW)
    each = [seconds(lambda: loaded[0](images_BCHW)) for _ in range(REPEATS)]
    return f"{counts} {load:.2f} | {statistics.median(each) / BATCH * 1e3:.3f} | {REPEATS} |"


def seconds(work: Callable[[], object]) -> float:
    """Return the processor time, in seconds, that a call takes in this process and its children."""
    began = sum(os.times()[:4])
    work()
    return sum(os.times()[:4]) - began


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1:] or NAMES)
