"""What n calls can say."""

from __future__ import annotations

import numpy as np
import pytest

from xzoo.conformance.benchmarks import percentiles


@pytest.mark.parametrize(
    ("n", "borne"),
    [
        (1, {"p50_ms"}),
        (19, {"p50_ms"}),
        (20, {"p50_ms", "p90_ms"}),
        (99, {"p50_ms", "p90_ms"}),
        (100, {"p50_ms", "p90_ms", "p99_ms"}),
    ],
)
def test_a_percentile_needs_its_n(n: int, borne: set[str]) -> None:
    found = percentiles([0.001] * n)
    assert found.keys() - {"n"} == borne
    assert found["n"] == n


def test_percentiles_are_numpys_in_milliseconds() -> None:
    seconds = np.random.default_rng(0).exponential(0.01, 250).tolist()
    found = percentiles(seconds)
    assert [found[f"p{percent}_ms"] for percent in (50, 90, 99)] == pytest.approx(np.percentile(seconds, [50, 90, 99]) * 1e3)
