from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from scipy import stats

from xzoo.statistics.equivalence import tango, tost, tost_paired


def rejected(n: int, margin: float, both: float, only_a: float, only_b: float) -> float:
    """Return the exact chance of "equivalent" at 5% over all tables of `n` images."""
    del both
    tables = [(a, b) for a, b in itertools.product(range(n + 1), repeat=2) if a + b <= n and tost_paired(a, b, n, margin) < 0.05]
    chances = [only_a, only_b, 1 - only_a - only_b]
    return float(sum(stats.multinomial.pmf([a, b, n - a - b], n, chances) for a, b in tables))


@pytest.mark.parametrize("chance_b", [0.0, 0.02, 0.1])
def test_contenders_that_differ_by_the_margin_are_hardly_ever_called_equivalent(chance_b: float) -> None:
    assert rejected(60, 0.15, 0.7, chance_b + 0.15, chance_b) < 0.06


def test_no_disagreement_on_few_images_proves_nothing() -> None:
    assert tost_paired(0, 0, 132, 0.02) > 0.05
    assert tost_paired(0, 0, 133, 0.02) < 0.05


def tail(deviation: float, degrees: float) -> Callable[[float], float]:
    """Return the tail of Student's t with this deviation."""
    return lambda distance: float(stats.t.sf(distance / deviation, degrees))


def test_both_sides_must_hold() -> None:
    assert tost_paired(30, 0, 400, 0.02) == tost_paired(0, 30, 400, 0.02) > 0.9
    assert tost(0.05, 0.02, tail(0.001, math.inf)) > 0.999
    assert tost(-0.05, 0.02, tail(0.001, math.inf)) > 0.999
    assert tost(0.0, 0.02, tail(0.001, math.inf)) < 1e-9


def test_few_degrees_of_freedom_ask_for_more() -> None:
    assert tost(0.0, 0.02, tail(0.01, 2)) > 0.05 > tost(0.0, 0.02, tail(0.01, math.inf))


def test_the_score_of_a_difference_that_was_seen_is_0() -> None:
    assert tango(30, 10, 100, 0.2) == pytest.approx(0, abs=1e-12)
    assert tango(0, 0, 50, 0.0) == 0
    assert tango(20, 0, 100, 0.1) > 0 > tango(20, 0, 100, 0.3)


@pytest.mark.parametrize(("only_a", "only_b", "n", "margin"), [(-1, 0, 5, 0.1), (3, 3, 5, 0.1), (0, 0, 0, 0.1), (0, 0, 5, 0.0)])
def test_impossible_counts_and_margins_are_refused(only_a: int, only_b: int, n: int, margin: float) -> None:
    with pytest.raises(ValueError, match=r"disagreements|margin"):
        tost_paired(only_a, only_b, n, margin)
