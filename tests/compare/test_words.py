"""The four verdicts, what each rests on, and what would settle what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from xzoo.compare import verdict
from xzoo.compare.evidence import Answered, weigh
from xzoo.runs.result import Comparison


def answered(right_N: NDArray[np.bool_], groups: Sequence[str] | None = None, first: int = 0) -> Answered:
    """Return two-class answers that are right where it is said, the more certain the further to the front."""
    n = len(right_N)
    labels_N, sure_N = np.arange(n) % 2, np.linspace(0.99, 0.6, n)
    own_N = np.where(right_N, sure_N, 1 - sure_N)
    chances_NK = np.stack([np.where(labels_N == k, own_N, 1 - own_N) for k in (0, 1)], 1)
    return Answered.of(np.arange(first, first + n), chances_NK, labels_N, None if groups is None else np.array(groups))


def table(both: int, only_a: int, only_b: int, neither: int, copies: int = 1, **words: Any) -> Comparison:
    """Compare two contenders that agree and disagree on so many patients, each of `copies` images."""
    counts = (both, only_a, only_b, neither)
    a, b = (np.repeat(np.repeat(one, counts), copies) for one in ([True, True, False, False], [True, False, True, False]))
    groups = [f"p{place // copies}" for place in range(len(a))] if copies > 1 else None
    given = {"a": {0: answered(a, groups)}, "b": {0: answered(b, groups)}}
    [found] = verdict.conclude(given, "val", **words)
    return found


def test_a_clear_difference_is_ahead_and_says_on_what_it_rests() -> None:
    found = table(300, 60, 20, 20)
    assert found.verdict == "ahead"
    assert not found.equivalent
    assert found.rests_on.startswith("difference +0.100 (")
    assert found.rests_on.endswith("p 8.58e-06")
    assert (found.detectable, found.more_images, found.more_seeds) == (None, None, None)


def test_few_disagreements_on_many_images_are_equivalent_within_the_margin() -> None:
    found = table(1900, 10, 12, 78)
    assert (found.verdict, found.equivalent, found.margin) == ("equivalent", True, 0.02)
    assert found.p_equivalent is not None
    assert found.p_equivalent < 0.05
    assert "of a difference of 0.02 or more" in found.rests_on
    assert table(1900, 10, 12, 78, margin=0.002).verdict == "cannot tell"


def test_a_real_difference_below_the_margin_is_ahead_and_equivalent() -> None:
    found = table(9500, 60, 20, 420)
    assert (found.verdict, found.equivalent) == ("ahead", True)
    assert "yet within 0.02" in found.rests_on


def test_one_that_is_right_wherever_the_other_is_differs_as_often_as_they_disagree_but_for_rounding() -> None:
    found = table(7, 5, 0, 1)
    assert found.verdict == "cannot tell"
    assert found.more_images is not None


def test_too_few_images_cannot_tell_and_say_how_many_would() -> None:
    found = table(250, 40, 30, 80)
    assert found.verdict == "cannot tell"
    assert found.detectable is not None
    assert 0.05 < found.detectable < 0.08
    assert found.more_images is not None
    assert 1500 < found.more_images < 2100
    assert "images find differences from 0.0" in found.rests_on
    assert "more images would settle it" in found.rests_on


def test_the_forecast_comes_true() -> None:
    """As many images as are asked for, with the same shares of disagreement, settle it in four of five draws."""
    found = table(250, 40, 30, 80)
    assert found.more_images is not None
    n = 400 + found.more_images
    tables = np.random.default_rng(0).multinomial(n, [250 / 400, 40 / 400, 30 / 400, 80 / 400], 200)
    settled = np.mean([table(*map(int, one), foresee=False).verdict != "cannot tell" for one in tables])
    assert 0.7 < settled < 0.92


def test_two_that_guess_are_not_compared_however_much_they_differ() -> None:
    found = table(100, 118, 60, 122, guessing=["a", "b"])
    assert found.verdict == "not distinguishable from guessing"
    assert found.p is not None
    assert found.p < 0.001
    assert "guessing reaches" in found.rests_on
    assert not verdict.is_ahead([found], "a", "b")
    assert table(100, 118, 60, 122, guessing=["b"]).verdict == "ahead"


def test_images_of_a_patient_are_not_evidence_several_times() -> None:
    alone, copied = table(80, 14, 4, 2), table(80, 14, 4, 2, copies=5)
    assert copied.p == pytest.approx(alone.p)
    assert copied.difference.value == pytest.approx(alone.difference.value)
    assert copied.difference.low is not None
    assert alone.difference.low is not None
    assert copied.difference.low == pytest.approx(alone.difference.low, abs=0.01)
    assert copied.p is not None
    assert copied.p > 0.01


def seeds_of(differences: Sequence[float], n: int = 400, **words: Any) -> Comparison:
    """Compare two contenders over seeds, A being right on so many more images of its own than B in each."""
    given: dict[str, dict[int, Answered]] = {"a": {}, "b": {}}
    for seed, difference in enumerate(differences):
        share = 0.85
        for name, level in (("a", share + difference), ("b", share)):
            places = np.random.default_rng([seed, name == "a"]).permutation(n)
            given[name][seed] = answered(places < round(level * n))
    [found] = verdict.conclude(given, "val", **words)
    return found


def test_where_images_would_settle_it_and_seeds_too_both_are_told() -> None:
    """Two seeds leave one degree of freedom, which tens of thousands of images make up for, or a few seeds."""
    found = seeds_of([0.05, 0.03])
    assert found.more_images is not None
    assert found.more_seeds is not None
    assert found.more_images > 5000
    assert found.more_seeds < 10
    assert found.rests_on.endswith(f"more images would settle it, or about {found.more_seeds} more seeds")


def test_a_difference_that_cannot_be_is_not_called_the_least_that_is_found() -> None:
    """Two seeds that contradict each other leave room for differences beyond 1."""
    found = seeds_of([0.14, -0.1])
    assert found.detectable is not None
    assert found.detectable > 1
    assert "images find no difference at all with these seeds" in found.rests_on


def test_seeds_that_disagree_among_themselves_show_no_difference_whatever_each_of_them_says() -> None:
    """Each seed alone is clear, and the mean is far from 0 for its images; another seed might say the opposite."""
    found = seeds_of([0.14, 0.12, -0.1])
    assert found.verdict == "cannot tell"
    assert found.deviation_between_seeds is not None
    assert found.deviation_of_images is not None
    assert found.deviation_between_seeds > 4 * found.deviation_of_images
    assert found.more_images is None
    assert found.more_seeds is not None
    assert "more seeds would" in found.rests_on
    assert seeds_of([0.1, 0.1, 0.1]).verdict == "ahead"


def test_the_two_parts_stand_apart() -> None:
    one = seeds_of([0.1])
    assert (one.deviation_between_seeds, one.seeds) == (None, (0,))
    assert one.deviation_of_images is not None
    assert one.deviation_of_images > 0
    three = seeds_of([0.1, 0.1, 0.1])
    assert three.deviation_between_seeds == 0


def test_the_ranking_is_tested_beside_the_answers() -> None:
    found = table(150, 30, 10, 10)
    assert found.auroc is not None
    assert found.auroc["difference"].value > 0
    assert found.auroc["p"] == found.auroc["p_holm"]
    one_class = Answered.of(np.arange(10), np.full((10, 2), 0.5), np.zeros(10, np.int64))
    weighed = weigh({0: one_class}, {0: one_class}, 0.02)
    assert weighed is not None
    assert weighed.ranking is None


def test_patients_come_from_the_data_and_an_image_without_one_is_its_own() -> None:
    stored = {"val_index": np.array([2, 0, 1]), "val_probabilities": np.eye(2)[[0, 1, 0]], "val_labels": np.array([0, 1, 1])}
    found = verdict.answered(stored, "val", ("ann", None, "ann"))
    assert found.groups_N is not None
    assert found.groups_N[0] == found.groups_N[1] == "ann"
    assert found.groups_N[2] != "ann"
    assert verdict.answered(stored, "val", (None, None, None)).groups_N is None
