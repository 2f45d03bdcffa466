from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xzoo.report.strokes import bar, sparkline


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([], ""),
        ([1.0], "▅"),
        ([0.0, 1.0], "▁█"),
        ([2.0, math.nan, 1.0, 1.5], "█ ▁▅"),
        ([math.inf, math.inf], "  "),
        ([1e308, -1e308], "█▁"),
        ([0.0] * 4 + [1.0] * 4 + [2.0] * 4, "▁▁▅▅██"),
        ([0.0, math.nan, *[0.0] * 4, *[1.0] * 6], " ▁▁███"),
    ],
)
def test_a_curve_goes_from_its_least_to_its_greatest_value(values: list[float], drawn: str) -> None:
    assert sparkline(values, 6) == drawn


@given(st.lists(st.floats()), st.integers(1, 9))
def test_a_curve_never_has_more_columns_than_it_may(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) == min(len(values), width)


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0.0, "    "), (1e-9, "▏   "), (0.25, "█   "), (0.53, "██▏ "), (1.0, "████"), (7.0, "████"), (-1.0, "    ")],
)
def test_a_bar_shows_whatever_is_above_nothing(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn
