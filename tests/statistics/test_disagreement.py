from __future__ import annotations

import pytest

from xzoo.statistics.disagreement import extremes
from xzoo.statistics.paired import mcnemar_exact


def tables(right_a: int, right_b: int, n: int) -> list[tuple[int, int]]:
    """Return every pair of disagreements that the counts allow, by trying all."""
    return [
        (right_a - both, right_b - both)
        for both in range(n + 1)
        if 0 <= both <= min(right_a, right_b) and right_a + right_b - both <= n
    ]


@pytest.mark.parametrize(("right_a", "right_b", "n"), [(290, 296, 400), (0, 5, 5), (5, 5, 5), (7, 2, 30), (218, 184, 400)])
def test_the_bounds_are_those_of_all_tables_and_bound_the_p(right_a: int, right_b: int, n: int) -> None:
    found, all_of_them = extremes(right_a, right_b, n), tables(right_a, right_b, n)
    assert found == (min(all_of_them), max(all_of_them))
    ps = [mcnemar_exact(*one) for one in all_of_them]
    assert (mcnemar_exact(*found[0]), mcnemar_exact(*found[1])) == (min(ps), max(ps))


def test_the_reports_two_accuracies_may_be_anything() -> None:
    """72.5% and 74% of 400 images."""
    assert extremes(290, 296, 400) == ((0, 6), (104, 110))


@pytest.mark.parametrize(("right_a", "right_b", "n"), [(5, 1, 4), (-1, 0, 4), (0, 0, 0)])
def test_impossible_counts_are_refused(right_a: int, right_b: int, n: int) -> None:
    with pytest.raises(ValueError, match="right answers among"):
        extremes(right_a, right_b, n)
