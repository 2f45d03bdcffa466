from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xzoo.report.drawing import axis, frame, tick_text


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_ticks_are_round_few_and_inside(values: list[float]) -> None:
    found = axis(values, 0.0, 100.0)
    assert all(found.low - 1e-9 <= tick <= found.high + 1e-9 for tick in found.ticks)
    assert 1 <= len(found.ticks) <= 7
    steps = {round((b - a) / (found.ticks[1] - found.ticks[0]), 6) for a, b in zip(found.ticks, found.ticks[1:], strict=False)}
    assert steps <= {1.0}
    assert all(0.0 <= found.at(value) <= 100.0 for value in values)


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=5))
@example([1e-5])
def test_a_logarithmic_axis_has_ticks_inside(values: list[float]) -> None:
    found = axis(values, 0.0, 100.0, is_log=True)
    assert found.ticks
    assert all(found.low <= tick <= found.high for tick in found.ticks)
    places = [found.at(value) for value in sorted(values)]
    assert places == sorted(places)


def test_equal_steps_of_a_logarithmic_axis_are_equal_factors() -> None:
    found = axis([1.0, 100.0], 0.0, 100.0, is_log=True)
    assert found.at(10.0) == 50.0
    assert {1.0, 10.0, 100.0} <= set(found.ticks)


def test_a_share_never_has_ticks_beyond_0_and_1() -> None:
    found = axis([0.2, 1.0], 200.0, 0.0, within=(0.0, 1.0))
    assert found.high == 1.0
    assert max(found.ticks) == 1.0
    assert found.at(1.0) == 0.0


@pytest.mark.parametrize("values", [[None], [math.nan, math.inf], []])
def test_an_axis_of_nothing_is_still_an_axis(values: list[float | None]) -> None:
    assert math.isfinite(axis(values, 0.0, 100.0).at(1.0))


def test_a_line_is_broken_where_a_value_is_missing_and_a_band_leaves_it_out() -> None:
    square = frame([0.0, 3.0], [0.0, 1.0])
    assert square.line([(0, 0.0), (1, None), (2, 0.5), (3, 1.0)]).count("M") == 2
    band = square.band([(0, 0.0, 1.0), (1, None, 1.0), (2, 0.5, 0.6)])
    assert (band.count("L"), band[-1]) == (3, "Z")
    assert square.band([(0, 0.0, 1.0)]) == ""


def test_ticks_are_said_briefly() -> None:
    assert [tick_text(value) for value in (0.85, 20_000.0, 5e6, 0.0, 1e9)] == ["0.85", "20k", "5M", "0", "1G"]


def test_epochs_are_whole_numbers() -> None:
    assert frame([1.0, 3.0], [0.0, 1.0], is_count=True).x.ticks == (1.0, 2.0, 3.0)
