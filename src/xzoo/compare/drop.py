"""The way from validation to test accuracy, taken apart: other shares of classes, a moved threshold, ranking that was lost.

N = images, K = classes
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xzoo.compare.crossing import LEVEL, Judged, Term, less, negative, nothing, over, tested
from xzoo.compare.probabilities import Answers
from xzoo.evaluate.offsets import answered_by_own
from xzoo.evaluate.scores import SMALLEST
from xzoo.runs.result import Measure
from xzoo.statistics.displacement import Between, displacement, lost_ranking

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]


@dataclass(frozen=True)
class Drop:
    """Validation less test accuracy of a contender, and its parts, as shares of images with 95% intervals.

    `prevalence` is what test's other shares of classes cost, `threshold` what answering at a threshold made for validation costs
    on test, `ranking` what no threshold brings back; the three sum to `total`. `auroc_lost` is validation's AUROC less test's,
    with the one-sided p of no loss; `moved` how far scores of the class number `moved_class` lie higher on test (from -0.5 to
    0.5, mean over the images' classes), with the p of none. Both are None where a class has too few images.
    """

    val: float
    test: float
    total: Measure
    prevalence: Measure
    prevalence_p: float
    threshold: Measure
    ranking: Measure
    auroc_lost: Measure | None
    auroc_lost_p: float | None
    moved: Measure | None
    moved_p: float | None
    moved_class: int
    seeds: int


def total_of(seeds: Sequence[Judged], level: float = LEVEL) -> Measure:
    """Return validation less test accuracy over seeds, with its interval. Raises ValueError for no seed or an empty split.

    Where the splits' classes have other shares, the interval holds what drawing them makes; where they were made the same
    (stratified), images vary within their class alone.
    """

    def figure(side: Answers, is_drawn: bool) -> Term:
        value, errors_N = _accuracy(_argmax(side), side)
        return value, errors_N + (_of_classes(side, _recalls(side)) if is_drawn else 0.0)

    return over(
        seeds, lambda one: figure(one.val, not _is_alike(one)), lambda one: negative(figure(one.test, not _is_alike(one))), level
    )


def taken_apart(seeds: Sequence[Judged]) -> Drop:
    """Return the drop of a contender over its seeds. Raises ValueError for no seed or an empty split.

    With a = accuracy of the most probable class, o = accuracy at the split's own cross-fitted threshold (`evaluate/offsets.py`)
    and test weighted to validation's shares of classes, threshold = (o - a on test) - (o - a on validation) and ranking =
    o on validation - o on test.
    """
    own = {id(one): (_own(one.val), _own(one.test, _shares(one.val))) for one in seeds}

    def on_val(one: Judged) -> Term:
        return _accuracy(_argmax(one.val), one.val)

    def own_on_val(one: Judged) -> Term:
        return _accuracy(own[id(one)][0], one.val)

    def on_test(one: Judged) -> Term:
        return _accuracy(_argmax(one.test), one.test, _shares(one.val))

    def own_on_test(one: Judged) -> Term:
        return _accuracy(own[id(one)][1], one.test, _shares(one.val))

    lost, (moved, moved_class) = tested(seeds, _lost), _moved(seeds)
    if_none = tested(seeds, functools.partial(_lost, if_none=True))
    return Drop(
        val=float(np.mean([on_val(one)[0] for one in seeds])),
        test=float(np.mean([_plain(one)[0] for one in seeds])),
        total=total_of(seeds),
        prevalence=over(seeds, _shares_of_val, lambda one: _with_shares(one, less(on_test(one), _plain(one)))),
        prevalence_p=_prevalence_p(seeds[0]),
        threshold=over(seeds, lambda one: less(on_val(one), own_on_val(one)), lambda one: less(own_on_test(one), on_test(one))),
        ranking=over(seeds, own_on_val, lambda one: negative(own_on_test(one))),
        auroc_lost=None if lost is None else lost[0],
        auroc_lost_p=None if if_none is None else if_none[1] / 2 if if_none[0].value > 0 else 1 - if_none[1] / 2,
        moved=None if moved is None else moved[0],
        moved_p=None if moved is None else moved[1],
        moved_class=moved_class,
        seeds=len(seeds),
    )


def _argmax(one: Answers) -> Marks:
    return np.asarray(one.chances_NK.argmax(1) == one.labels_N)


def _plain(one: Judged) -> Term:
    return _accuracy(_argmax(one.test), one.test)


def _recalls(one: Answers) -> Floats:
    """Return the share of each class (K) that is answered rightly, 0 for a class without an image."""
    num_classes = one.chances_NK.shape[1]
    counts_K = np.maximum(np.bincount(one.labels_N, minlength=num_classes), 1)
    return np.asarray(np.bincount(one.labels_N, _argmax(one), minlength=num_classes) / counts_K)


def _of_classes(one: Answers, worth_K: Floats) -> Floats:
    """Return what each image (N) adds to the error of a mean of its class's worth, by being of that class."""
    worth_N = worth_K[one.labels_N]
    return np.asarray((worth_N - worth_N.mean()) / len(worth_N))


def _is_alike(one: Judged) -> bool:
    """Return whether classes have the same shares in validation and test, up to half an image of each."""
    apart_K = np.abs(_shares(one.val) - _shares(one.test))
    return bool(apart_K.max() <= 0.5 / len(one.val.labels_N) + 0.5 / len(one.test.labels_N) + 1e-9)


def _shares_of_val(one: Judged) -> Term:
    """Return what drawing validation's shares adds to the error of what other shares cost; the figure itself is test's."""
    value, errors_N = nothing(one)
    return value, errors_N if _is_alike(one) else _of_classes(one.val, _recalls(one.test))


def _with_shares(one: Judged, term: Term) -> Term:
    return term[0], term[1] - (0.0 if _is_alike(one) else _of_classes(one.test, _recalls(one.test)))


def _own(one: Answers, shares_K: Floats | None = None) -> Marks:
    weights_N = None if shares_K is None else _weights(one, shares_K)
    return answered_by_own(one.chances_NK, one.labels_N, one.groups_N, weights_N)


def _shares(one: Answers) -> Floats:
    return np.bincount(one.labels_N, minlength=one.chances_NK.shape[1]) / len(one.labels_N)


def _weights(one: Answers, shares_K: Floats) -> Floats:
    """Return weights (N) that give a split's classes these shares, among the classes that it holds; their sum is N."""
    own_K = _shares(one)
    wanted_K = np.where(own_K > 0, shares_K, 0.0)
    if not wanted_K.sum():
        return np.ones(len(one.labels_N))
    ratio_K = np.divide(wanted_K / wanted_K.sum(), own_K, out=np.zeros_like(own_K), where=own_K > 0)
    return np.asarray(ratio_K[one.labels_N])


def _accuracy(right_N: Marks, one: Answers, shares_K: Floats | None = None) -> Term:
    """Return an accuracy for classes of the sizes that they have, so that images vary within their class."""
    weights_N = np.ones(len(right_N)) if shares_K is None else _weights(one, shares_K)
    counts_K = np.maximum(np.bincount(one.labels_N), 1)
    of_class_K = np.bincount(one.labels_N, right_N) / counts_K
    few_K = np.sqrt(counts_K / np.maximum(counts_K - 1, 1))
    errors_N = weights_N * (right_N - of_class_K[one.labels_N]) * few_K[one.labels_N] / len(right_N)
    return float(weights_N @ right_N) / len(right_N), errors_N


def _lost(one: Judged, *, if_none: bool = False) -> Between | None:
    return lost_ranking(one.val.chances_NK, one.val.labels_N, one.test.chances_NK, one.test.labels_N, if_none=if_none)


def _moved(seeds: Sequence[Judged]) -> tuple[tuple[Measure, float] | None, int]:
    """Return how far the scores of a class moved, for the class of the least p; of several classes p times their number."""
    num_classes = seeds[0].val.chances_NK.shape[1]
    ranked = range(1 if num_classes == 2 else 0, num_classes)
    found = [(k, tested(seeds, functools.partial(_move, k=k))) for k in ranked]
    known = [(k, one) for k, one in found if one is not None]
    if not known:
        return None, ranked.start
    k, (measure, p) = min(known, key=lambda entry: entry[1][1])
    return (measure, min(1.0, p * len(ranked))), k


def _move(one: Judged, k: int) -> Between | None:
    return displacement(_log_odds(one.val, k), one.val.labels_N, _log_odds(one.test, k), one.test.labels_N)


def _log_odds(one: Answers, k: int) -> Floats:
    logs_NK = np.log(np.clip(one.chances_NK, SMALLEST, 1.0))
    return np.asarray(logs_NK[:, k] - logs_NK.mean(1))


def _prevalence_p(one: Judged) -> float:
    """Return the p of equal shares of classes in validation and test.

    Pearson's chi-squared; where patients are known it is Wald's, with the covariance of shares summed by patient, by Hotelling's
    F with the degrees of freedom of the split of fewer patients (Thomas and Rao 1987, JASA 82:630).
    """
    from scipy.special import fdtrc
    from scipy.stats import chi2_contingency

    num_classes = one.val.chances_NK.shape[1]
    counts_SK = np.stack([np.bincount(side.labels_N, minlength=num_classes) for side in (one.val, one.test)])
    held_K = counts_SK.sum(0) > 0
    if held_K.sum() < 2:
        return 1.0
    if one.val.groups_N is None or one.test.groups_N is None:
        return float(chi2_contingency(counts_SK[:, held_K]).pvalue)
    free_K = np.flatnonzero(held_K)[1:]
    away_K = (_shares(one.val) - _shares(one.test))[free_K]
    parts = [_covariance(side, free_K) for side in (one.val, one.test)]
    statistic = float(away_K @ np.linalg.pinv(parts[0][0] + parts[1][0]) @ away_K)
    degrees, num_free = min(units for _, units in parts) - 1, len(free_K)
    rest = degrees - num_free + 1
    return float(fdtrc(num_free, rest, statistic * rest / (degrees * num_free))) if rest > 0 else 1.0


def _covariance(one: Answers, classes_K: NDArray[np.int64]) -> tuple[Floats, int]:
    """Return the covariance of a split's shares of classes, summed by patient, and the number of patients."""
    away_NK = (one.labels_N[:, None] == classes_K) - _shares(one)[classes_K]
    names_N = np.unique(np.asarray(one.groups_N), return_inverse=True)[1]
    num_units = int(names_N.max()) + 1
    sums_UK = np.stack([np.bincount(names_N, column, num_units) for column in away_NK.T], 1) / len(one.labels_N)
    return sums_UK.T @ sums_UK * num_units / max(num_units - 1, 1), num_units
