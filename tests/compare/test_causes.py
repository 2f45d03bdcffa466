"""Each cause on evidence made for it: there, not there, and not to be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from two_splits import answers, pair

from xzoo.audit.given import LEARNT, TEST, Reading
from xzoo.audit.noise import Noise
from xzoo.audit.outcome import ShiftRow
from xzoo.audit.shift import Control, LabelShift, Separation
from xzoo.compare.cause import NO, UNCLEAR, YES, Cause, Known
from xzoo.compare.causes import ASKED, causes
from xzoo.compare.crossing import Judged
from xzoo.compare.drop import taken_apart
from xzoo.compare.fit import LEARNING, OVERFITTING, SETTLED
from xzoo.compare.fit import UNCLEAR as RESTLESS
from xzoo.runs.result import Measure

N = 400
CLEAN = Noise(Measure(0.0, 0.0, 0.01, N), Measure(0.0, 0.0, 0.01, N // 2), 0.99)
NOISY = Noise(Measure(0.1, 0.07, 0.13, N), Measure(0.11, 0.08, 0.15, N // 2), 0.88, images=(5,))


def shift(auroc: tuple[float, float, float], p: float, first: str = "val") -> ShiftRow:
    told = Separation(Measure(*auroc, 2 * N), p)
    return ShiftRow(first, "test", told, LabelShift(0.0, 1.0), 1.0, told, p, {}, (), ())


def known(one: Judged | None = None, *, fit: str = SETTLED, sizes: tuple[int, int] = (N, N), **read: Any) -> Known:
    parts = {"train": np.arange(10_000, 11_000), "val": np.arange(sizes[0]), "test": np.arange(N, N + sizes[1])}
    reading = Reading(
        **{
            "features": "net",
            "parts": parts,
            "has_patients": True,
            "leaked": {"val": np.empty(0, np.int64), "test": np.empty(0, np.int64)},
            "leaks": (),
            "shifts": (shift((0.5, 0.46, 0.54), 0.6),),
            "controls": (Control("val", Measure(0.5, 0.45, 0.55, 20)),),
            "noise": {LEARNT: CLEAN, TEST: CLEAN},
            **read,
        }
    )
    seeds = [one or pair(1, N)]
    return Known(seeds, taken_apart(seeds), reading, {"verdict": fit}, ("well", "ill"), [f"image {n}" for n in range(11_000)])


def named(found: Known) -> list[str]:
    return [cause.name for cause in causes(found) if cause.verdict == YES]


def of(name: str, found: Known) -> Cause:
    return ASKED[name](found)


def test_where_nothing_is_wrong_nothing_is_named() -> None:
    assert named(known()) == []
    assert [cause.name for cause in causes(known())] == list(ASKED)


@pytest.mark.parametrize(("has_patients", "is_told"), [(True, False), (False, True)])
def test_that_patients_are_not_known_is_told(has_patients: bool, is_told: bool) -> None:
    found = of("leakage", known(has_patients=has_patients))
    assert found.verdict == "no"
    assert ("which images are of one patient is not known" in found.text) == is_told
    assert ("no known patient" in found.text) != is_told


def test_leaked_images_are_counted_and_test_is_scored_without_them() -> None:
    one = pair(1, N)
    right = np.flatnonzero(one.test.chances_NK.argmax(1) == one.test.labels_N)[:40]
    found = of("leakage", known(one, leaked={"val": np.empty(0, np.int64), "test": one.test_places_N[right]}))
    assert found.verdict == YES
    assert found.figures["test"] == {"leaked": 40, "images": N}
    assert found.effect is not None
    share = float((one.test.chances_NK.argmax(1) == one.test.labels_N).mean())
    without = (share * N - 40) / (N - 40)
    assert found.effect.value == pytest.approx(without - share)
    assert found.effect.low is not None
    assert found.effect.low < found.effect.value < 0


def test_one_leaked_image_of_many_is_told_and_not_named() -> None:
    found = of("leakage", known(leaked={"val": np.array([3]), "test": np.empty(0, np.int64)}))
    assert found.verdict == NO
    assert "1 of 400 validation images" in found.text


def test_wrong_labels_are_named_with_the_images_that_give_them_away() -> None:
    found = of("label-noise", known(noise={LEARNT: NOISY, TEST: CLEAN}))
    assert found.verdict == YES
    assert "10.0% (7.0% to 13.0%) of the labels of train and validation" in found.text
    assert "image 5" in found.text
    weak = Noise(None, Measure(0.2, 0.1, 0.3, N // 2), 0.7, reason="the features rank the classes too weakly")
    assert of("label-noise", known(noise={LEARNT: weak})).verdict == UNCLEAR
    assert of("label-noise", known()).verdict == NO
    doubtful = replace(NOISY, wrong=Measure(0.05, 0.0, 0.1, N))
    assert of("label-noise", known(noise={LEARNT: doubtful})).verdict == UNCLEAR


def test_a_split_of_few_images_is_named() -> None:
    assert named(known(sizes=(16, N))) == ["small-sample"]
    assert "16 validation images" in of("small-sample", known(sizes=(16, N))).text
    assert of("small-sample", known(sizes=(100, 100))).verdict == NO


def test_images_that_look_otherwise_are_named_by_p_and_ruled_out_by_the_interval() -> None:
    there = of("appearance-shift", known(shifts=(shift((0.65, 0.6, 0.7), 0.006),)))
    assert there.verdict == YES
    assert "AUROC 0.650 (0.600 to 0.700)" in there.text
    assert "halves of validation give 0.50" in there.text
    assert of("appearance-shift", known(shifts=(shift((0.55, 0.48, 0.62), 0.2),))).verdict == UNCLEAR
    assert of("appearance-shift", known(shifts=())).verdict == UNCLEAR
    assert of("appearance-shift", known()).verdict == NO


@pytest.mark.parametrize(("fit", "verdict"), [(OVERFITTING, YES), (SETTLED, NO), (LEARNING, NO), (RESTLESS, UNCLEAR)])
def test_overfitting_goes_by_the_curves(fit: str, verdict: str) -> None:
    assert of("overfitting", known(fit=fit)).verdict == verdict


def test_scores_that_all_moved_are_a_moved_threshold() -> None:
    one = Judged(answers(2, N), answers(3, N, shift=1.5), np.arange(N), np.arange(N, 2 * N))
    assert named(known(one)) == ["moved-threshold"]
    found = of("moved-threshold", known(one))
    assert "scores for ill lie higher" in found.text
    assert found.effect is not None
    assert found.effect.low is not None
    assert found.effect.low > 0


def test_classes_that_drew_near_are_lost_ranking() -> None:
    one = Judged(answers(2, N), answers(13, N, towards=1.0), np.arange(N), np.arange(N, 2 * N))
    assert named(known(one)) == ["lost-ranking"]


def test_other_shares_of_classes_are_named() -> None:
    one = Judged(answers(2, N), answers(3, N, ill=0.3), np.arange(N), np.arange(N, 2 * N))
    assert named(known(one)) == ["prevalence"]


def test_a_part_that_may_be_large_or_nothing_cannot_be_told() -> None:
    one = Judged(answers(2, 40), answers(3, 40), np.arange(40), np.arange(N, N + 40))
    assert of("lost-ranking", known(one)).verdict == UNCLEAR
    alone = Judged(answers(2, 2), answers(3, 2), np.arange(2), np.arange(N, N + 2))
    assert of("lost-ranking", known(alone)).text == "a class has too few images"


def test_a_ranking_that_became_better_is_not_lost() -> None:
    one = Judged(answers(2, N, towards=1.0), answers(3, N), np.arange(N), np.arange(N, 2 * N))
    assert of("lost-ranking", known(one)).verdict != YES
