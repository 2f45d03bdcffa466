"""The benchmark suite, on pytest-benchmark: collected by `pytest --xzoo-bench NAME` and by tests/benchmarks/bench_*.py.

pytest-benchmark neither warms up on CPython, nor gives percentiles, nor waits for a device, so all three are done here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from xzoo.conformance.workloads import Work

REPORTED = ("alexnet", "googlenet", "resnet18", "resnet34", "resnet50", "densenet121", "vgg16", "mlp", "cnn", "convgap")
"""The backbones that the source reports speak of."""

TRAINING_BATCH = 32
WARMUP = 3
FEWEST, MOST, SECONDS = 5, 200, 3.0
ENOUGH = {50: 1, 90: 20, 99: 100}
"""How many calls a percentile needs to hold an observation beyond it with some certainty."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the suite on the backbones named by --xzoo-bench, else on the reported ones."""
    if "xzoo_backbone" in metafunc.fixturenames:
        named = metafunc.config.getoption("xzoo_bench", default=[])
        metafunc.parametrize("xzoo_backbone", named or REPORTED)


@pytest.mark.parametrize("batch", [1, 16])
def test_inference(benchmark: BenchmarkFixture, xzoo_backbone: str, batch: int) -> None:
    """Time one batch from images to logits."""
    from xzoo.conformance import workloads

    on = workloads.subject(xzoo_backbone, batch)
    benchmark.group = f"inference, batch {batch}"
    with workloads.inference(on) as work:
        measure(benchmark, work, batch)


def test_feature_pass(benchmark: BenchmarkFixture, xzoo_backbone: str) -> None:
    """Time one batch from images to features: `frozen` pays it once per image, whatever the epochs and seeds."""
    from xzoo.conformance import workloads

    on = workloads.subject(xzoo_backbone, TRAINING_BATCH)
    benchmark.group = f"feature pass, batch {TRAINING_BATCH}"
    with workloads.feature_pass(on) as work:
        measure(benchmark, work, TRAINING_BATCH)


@pytest.mark.parametrize("freeze", ["frozen", "finetune"])
def test_training_step(benchmark: BenchmarkFixture, xzoo_backbone: str, freeze: str) -> None:
    """Time one step of the trainer; under `frozen` the head's, on features."""
    from xzoo.conformance import workloads

    on = workloads.subject(xzoo_backbone, TRAINING_BATCH)
    benchmark.group = f"training step, {freeze}, batch {TRAINING_BATCH}"
    with workloads.training_step(on, freeze) as work:
        measure(benchmark, work, TRAINING_BATCH)


def measure(benchmark: BenchmarkFixture, work: Work, num_images: int) -> None:
    """Warm up, time as many calls as fit the seconds, and add percentiles with their n to the benchmark's facts."""
    for _ in range(WARMUP):
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
    rounds = min(MOST, max(FEWEST, int(SECONDS / seconds)))
    benchmark.pedantic(work, rounds=rounds, iterations=1)  # type: ignore[no-untyped-call]
    if benchmark.stats is not None:
        benchmark.extra_info.update(percentiles(benchmark.stats.stats.data), warmup=WARMUP, images=num_images)


def percentiles(seconds: list[float]) -> dict[str, float | int]:
    """Return n and the percentiles, in milliseconds, that n observations can bear."""
    found = {
        f"p{percent}_ms": float(np.percentile(seconds, percent)) * 1e3 for percent in ENOUGH if len(seconds) >= ENOUGH[percent]
    }
    return {"n": len(seconds), **found}
