"""Shares of images of few patients have intervals that count the patients behind them."""

from __future__ import annotations

import numpy as np

from xzoo.evaluate.shares import num_patients, share
from xzoo.statistics.intervals import wilson
from xzoo.statistics.resampling import expanded, interval

ILL_N = np.arange(80) < 32
PATIENTS_N = np.arange(80) // 4
RIGHT_N = np.random.default_rng(0).random(20)[PATIENTS_N] < 0.7


def test_an_images_own_patient_is_the_image_where_none_is_known() -> None:
    assert (num_patients(ILL_N, PATIENTS_N), num_patients(ILL_N, None)) == (8, 32)


def test_ends_are_percentiles_for_as_few_patients_as_the_share_is_of() -> None:
    drawn_R = np.random.default_rng(1).normal(0.7, 0.15, 2000)
    found = share(RIGHT_N, ILL_N, [drawn_R], PATIENTS_N)
    assert (found.low, found.high) == interval(drawn_R, expanded(8))
    assert found.low is not None
    assert found.low < interval(drawn_R)[0]
    alone = share(RIGHT_N, ILL_N)
    assert (alone.low, alone.high) == wilson(int((RIGHT_N & ILL_N).sum()), 32)
