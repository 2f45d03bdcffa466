"""The arithmetic of what plans cost, on points that are known, and the page held against its points."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import scale_model as model
import scale_page as page
from scale_model import Plan, Site


def test_a_line_is_found_with_its_interval_and_the_exponent_of_a_power() -> None:
    sizes = [1000.0, 4000.0, 16_000.0, 64_000.0]
    law = model.fit(sizes, [2 + 0.003 * n for n in sizes])
    assert (law.a, law.b) == pytest.approx((2, 0.003))
    assert law.b_ends == pytest.approx((0.003, 0.003))
    assert law(1e6) == pytest.approx(3002)
    assert model.fit(sizes, [1e-6 * n**2 for n in sizes]).exponent == pytest.approx(2)


def test_the_interval_holds_the_slope_about_as_often_as_it_says() -> None:
    random, sizes = np.random.default_rng(0), np.array([1e3, 4e3, 1.6e4, 6.4e4])
    fits = [model.fit(list(sizes), list((1 + 0.002 * sizes) * (1 + 0.05 * random.standard_normal(4)))) for _ in range(400)]
    held = np.mean([law.b_ends[0] <= 0.002 <= law.b_ends[1] for law in fits])
    assert 0.92 < held < 0.98


def test_two_points_leave_the_slope_without_an_interval() -> None:
    law = model.fit([10, 100], [1, 10])
    assert law.b == pytest.approx(0.1)
    assert law.b_ends == (-math.inf, math.inf)


def test_verdicts_grow_with_the_square_of_contenders() -> None:
    points = [{"stage": "verdicts", "size": cells, "seconds": model.pairs(cells // 3), "pairs": 1} for cells in (12, 48, 192)]
    law = model.laws(points)["verdicts"]
    assert (law.b, law.exponent) == pytest.approx((1, 1))


def test_more_gpus_shorten_what_runs_side_by_side_and_leave_the_rest() -> None:
    law = model.laws(model.measured())
    one, many = (model.seconds(Plan(images=1_000_000, cells=1002, gpus=gpus), law) for gpus in (1, 64))
    assert many["fine-tuning"] == pytest.approx(one["fine-tuning"] / 64)
    assert many["listing and hashing"] == one["listing and hashing"]
    assert many["packs to nodes"] > one["packs to nodes"] == 0
    assert model.bottleneck(one) == "fine-tuning"
    assert model.second({"a": 1.0, "b": 3.0, "c": 2.0}) == "c"


def test_a_view_that_memory_does_not_hold_is_read_in_every_epoch() -> None:
    law, plan = model.laws(model.measured()), Plan(images=1_000_000, cells=12, gpus=8)
    held, read = (model.seconds(plan, law, Site(memory=memory))["reading views"] for memory in (1e12, 1e9))
    assert read == pytest.approx(held * plan.epochs * 6)


def test_a_ring_sends_the_gradients_nearly_twice_and_is_slow_between_nodes() -> None:
    computing, summing, sent = page.step(Plan(gpus=8, params=1e6), 800)
    assert (computing, sent) == pytest.approx((100 / 1200, 7e6))
    assert summing == pytest.approx(7e6 / 200e9)
    assert page.step(Plan(gpus=16, params=1e6), 800)[1] == pytest.approx(7.5e6 / 1.25e9)
    assert page.step(Plan(), 800)[1:] == (0, 0)


def test_predictions_take_a_float64_for_each_image_and_class() -> None:
    plan = Plan(images=1_000_000, classes=1000, cells=3)
    assert model.stored(plan)["predictions"] == 3 * 8016e6
    assert dataclasses.replace(plan, classes=10).predictions == 96e6


def test_an_outcome_grows_with_cells_and_with_pairs() -> None:
    points = [
        {"stage": "report", "size": cells, "bytes": 1000 * cells + 7 * 2 * model.pairs(cells // 3)} for cells in (12, 48, 480)
    ]
    assert model.outcome_bytes(points) == pytest.approx((1000, 7))


def test_every_stage_that_may_take_most_says_what_moves_it() -> None:
    assert set(page.MOVES) == set(model.seconds(Plan(), model.laws(model.measured())))


def test_every_point_says_where_it_comes_from() -> None:
    for point in model.measured():
        assert point["seconds"] > 0
        assert point["machine"]
        assert point["date"]
        assert point["commit"]


def test_the_page_is_what_the_points_give() -> None:
    written = page.PAGE.read_text()
    assert page.put(written, page.tables(model.measured())) == written


def test_a_page_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no <!-- laws -->"):
        page.put("# Beyond one machine\n", {"laws": "| a |\n"})
