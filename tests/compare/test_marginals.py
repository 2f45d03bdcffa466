"""Accuracies alone: the range that they leave open, and a test where the disagreements are told."""

from __future__ import annotations

import pytest
from statsmodels.stats.contingency_tables import mcnemar

import xzoo
from xzoo.errors import UsageError


def test_two_accuracies_of_the_reports_leave_everything_open_and_ask_for_predictions() -> None:
    found = xzoo.compare_accuracies(["72.5%/400", "googlenet=74%/400"])
    [pair] = found.pairs
    assert (pair.a, pair.b, pair.verdict) == ("72.5%/400", "googlenet", "cannot tell")
    assert (pair.fewest.only_a, pair.fewest.only_b, pair.most.only_a, pair.most.only_b) == (0, 6, 104, 110)
    assert pair.fewest.p == pytest.approx(0.03125)
    assert pair.most.p == pytest.approx(mcnemar([[186, 104], [110, 0]], exact=True).pvalue)
    assert "6 to 214 images" in pair.rests_on
    assert "xzoo compare --predictions" in pair.remedy
    assert [one.guessing for one in found.contenders] == [False, False]
    assert found.comparisons == ()


def test_the_reports_chance_results_are_each_not_distinguishable_from_guessing() -> None:
    found = xzoo.compare_accuracies(["resnet50=54.5%/400", "vgg16=46.0%/400"])
    assert [(one.id, one.right, one.guessing) for one in found.contenders] == [("resnet50", 218, True), ("vgg16", 184, True)]
    assert [pair.verdict for pair in found.pairs] == ["not distinguishable from guessing"]
    assert xzoo.compare_accuracies(["54.5%/400"], guess=0.4).contenders[0].guessing is False


def test_disagreements_give_the_test() -> None:
    found = xzoo.compare_accuracies(["290/400", "296/400"], disagreements=(20, 26))
    [one] = found.comparisons
    assert one.p == pytest.approx(mcnemar([[270, 20], [26, 84]], exact=True).pvalue)
    assert one.difference.value == pytest.approx(-0.015)
    assert one.verdict == "cannot tell"
    assert found.pairs == ()
    told = xzoo.compare_accuracies(["280/400", "320/400"], disagreements=(5, 45)).comparisons[0]
    assert told.verdict == "ahead"


def test_a_difference_that_no_disagreement_could_explain_is_ahead() -> None:
    assert xzoo.compare_accuracies(["60%/400", "90%/400"]).pairs[0].verdict == "ahead"
    none = xzoo.compare_accuracies(["70%/400", "70.25%/400"]).pairs[0]
    assert none.verdict == "cannot tell"
    assert "more images" in none.remedy


def test_many_accuracies_are_adjusted_together() -> None:
    found = xzoo.compare_accuracies([f"{name}={right}/400" for name, right in (("a", 280), ("b", 288), ("c", 330))])
    assert len(found.pairs) == 3
    assert all(pair.fewest.p_holm >= pair.fewest.p for pair in found.pairs)
    assert found.pairs[0].fewest.p_holm > found.pairs[0].fewest.p or found.pairs[0].fewest.p == max(
        pair.fewest.p for pair in found.pairs
    )


def test_a_percentage_stands_for_the_count_that_rounds_to_it() -> None:
    assert xzoo.compare_accuracies(["33.3%/300"]).contenders[0].right == 100
    assert xzoo.compare_accuracies(["66.67%/3"]).contenders[0].right == 2
    with pytest.raises(UsageError, match="no whole number"):
        xzoo.compare_accuracies(["72.6%/400"])


@pytest.mark.parametrize(
    ("words", "more", "said"),
    [
        ([], {}, "no accuracy"),
        (["74%"], {}, "is no accuracy"),
        (["0.74/400"], {}, "no whole number"),
        (["500/400"], {}, "no whole number"),
        (["1/2", "1/3"], {}, "of 2 and 3 images"),
        (["a=1/2", "a=2/2"], {}, "one name"),
        (["1/2"], {"guess": 1.5}, "is no share"),
        (["1/2"], {"margin": 0}, "margin 0"),
        (["290/400", "296/400"], {"disagreements": (20, 20)}, "do not fit"),
        (["290/400", "296/400"], {"disagreements": (200, 206)}, "do not fit"),
        (["290/400"], {"disagreements": (1, 1)}, "two accuracies"),
    ],
)
def test_words_that_cannot_be_used_are_refused(words: list[str], more: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        xzoo.compare_accuracies(words, **more)  # type: ignore[arg-type]
