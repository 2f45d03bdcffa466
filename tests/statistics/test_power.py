from __future__ import annotations

import math

import numpy as np
import pytest

from xzoo.statistics.paired import mcnemar_exact
from xzoo.statistics.power import MOST_IMAGES, detectable_difference, images_to_equate, images_to_tell, mcnemar_power


@pytest.mark.parametrize(("n", "disagreement"), [(30, 0.3), (100, 0.05), (400, 0.1), (2000, 0.02)])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 6])
def test_the_detectable_difference_is_found_with_just_that_power(n: int, disagreement: float, alpha: float) -> None:
    least = detectable_difference(n, disagreement, alpha)
    assert least is not None
    assert mcnemar_power(n, max(disagreement, least), least, alpha) == pytest.approx(0.8, abs=1e-6)
    assert mcnemar_power(n, max(disagreement, 0.9 * least), 0.9 * least, alpha) < 0.8


def test_drawn_images_tell_as_often_as_the_power_says() -> None:
    rng, draws = np.random.default_rng(0), 4000
    tables = rng.multinomial(200, [0.12, 0.05, 0.83], draws)
    told = np.mean([mcnemar_exact(int(a), int(b)) < 0.05 for a, b, _ in tables])
    power = mcnemar_power(200, 0.17, 0.07)
    assert told == pytest.approx(power, abs=4 * math.sqrt(power * (1 - power) / draws))


def test_too_few_images_find_nothing() -> None:
    assert mcnemar_power(5, 1.0, 1.0) == 0
    assert detectable_difference(5, 0.5) is None
    assert detectable_difference(6, 0.0) is not None
    assert mcnemar_power(100, 0.0, 0.0) == 0


@pytest.mark.parametrize(("disagreement", "difference"), [(0.1, 0.015), (0.3, 0.1), (0.02, 0.02)])
def test_the_images_needed_have_the_power_and_fewer_have_not(disagreement: float, difference: float) -> None:
    n = images_to_tell(disagreement, difference)
    assert n is not None
    assert mcnemar_power(n, disagreement, difference) >= 0.8 > mcnemar_power(n - 1, disagreement, difference)
    assert mcnemar_power(int(1.2 * n), disagreement, difference) > 0.8
    assert mcnemar_power(int(0.8 * n), disagreement, difference) < 0.8


def test_no_number_of_images_tells_what_does_not_differ() -> None:
    assert images_to_tell(0.1, 0.0) is None
    assert images_to_tell(0.5, 1e-5) is None
    assert images_to_equate(0.1, 0.02, 0.02) is None
    assert images_to_equate(0.1, 0.0199999, 0.02) is None
    assert MOST_IMAGES >= 1_000_000


def test_alike_contenders_are_called_equivalent_as_often_as_planned() -> None:
    from xzoo.statistics.equivalence import tost_paired

    n = images_to_equate(0.1, 0.005, 0.03)
    assert n is not None
    tables = np.random.default_rng(1).multinomial(n, [0.0525, 0.0475, 0.9], 4000)
    told = np.mean([tost_paired(int(a), int(b), n, 0.03) < 0.05 for a, b, _ in tables])
    assert told == pytest.approx(0.8, abs=0.03)


def test_more_difference_than_disagreement_is_refused() -> None:
    with pytest.raises(ValueError, match="a difference of"):
        mcnemar_power(10, 0.1, 0.2)
