"""A thousand random cases of every exact statistic, each against an implementation that is not ours, to 1e-9.

torchmetrics has none of these intervals or tests; its AUROC computes in float32, so scikit-learn's is the oracle.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special, stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from xzoo.statistics import auroc, equivalence, intervals, paired, power, seeds

CASES = 1000
Random = np.random.Generator


def wilson(rng: Random) -> tuple[Any, Any]:
    n = int(rng.integers(1, 3000))
    right, level = int(rng.integers(0, n + 1)), float(rng.choice([0.8, 0.9, 0.95, 0.99]))
    low, high = proportion_confint(right, n, alpha=1 - level, method="wilson")
    return intervals.wilson(right, n, level), (max(low, 0), min(high, 1))


def mean_of_shares(rng: Random) -> tuple[Any, Any]:
    """Balanced accuracy and its interval from statsmodels' Wilson intervals, halves added as squares."""
    truth, said = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    sizes = [int((truth == k).sum()) for k in range(3)]
    counts = [(int(((truth == k) & (said == k)).sum()), size) for k, size in enumerate(sizes)]
    value = balanced_accuracy_score(truth, said)
    ends = [(right / n, *proportion_confint(right, n, method="wilson")) for right, n in counts]
    below = math.hypot(*[share - max(low, 0) for share, low, _ in ends]) / 3
    above = math.hypot(*[min(high, 1) - share for share, _, high in ends]) / 3
    return intervals.mean_of_shares(counts), (value - below, value + above)


def mcnemar_exact(rng: Random) -> tuple[Any, Any]:
    only_a, only_b = (int(count) for count in rng.integers(0, 400, 2))
    return paired.mcnemar_exact(only_a, only_b), min(1.0, mcnemar([[5, only_a], [only_b, 7]], exact=True).pvalue)


def holm(rng: Random) -> tuple[Any, Any]:
    """By its definition: closed testing of every intersection by Bonferroni (Marcus, Peritz and Gabriel 1976)."""
    ps = rng.random(int(rng.integers(1, 7))) ** 3
    sets = [chosen for size in range(1, len(ps) + 1) for chosen in itertools.combinations(range(len(ps)), size)]
    tests = {chosen: min(1.0, len(chosen) * float(ps[list(chosen)].min())) for chosen in sets}
    return paired.holm(ps.tolist()), [max(p for chosen, p in tests.items() if place in chosen) for place in range(len(ps))]


def newcombe(rng: Random) -> tuple[Any, Any]:
    """From statsmodels' Wilson intervals and numpy's correlation, corrected by hand where it is positive."""
    counts = rng.integers(1, 40, 4)
    a = np.repeat([True, True, False, False], counts)
    b = np.repeat([True, False, True, False], counts)
    n, phi = len(a), np.corrcoef(a, b)[0, 1]
    if phi > 0:
        spread = math.sqrt(a.sum() * (n - a.sum()) * b.sum() * (n - b.sum()))
        phi = max(0.0, phi - n / 2 / spread)
    (low_a, high_a), (low_b, high_b) = (proportion_confint(x.sum(), n, method="wilson") for x in (a, b))
    value = a.mean() - b.mean()
    below, above = (a.mean() - low_a, high_b - b.mean()), (high_a - a.mean(), b.mean() - low_b)
    reach = [math.sqrt(u * u - 2 * phi * u * v + v * v) for u, v in (below, above)]
    return paired.newcombe_paired_difference(a, b), (value, value - reach[0], value + reach[1])


def scores(rng: Random) -> tuple[Any, Any, Any]:
    """Return two classifiers' scores and the truth, with ties in half of the cases and down to two images of a class."""
    positive = rng.permutation(np.r_[np.ones(rng.integers(2, 25)), np.zeros(rng.integers(2, 25))]).astype(bool)
    a = rng.normal(size=len(positive)) + positive * rng.random() * 3
    b = a * rng.random() + rng.normal(size=len(positive))
    return (a.round(), b.round(), positive) if rng.random() < 0.5 else (a, b, positive)


def area(rng: Random) -> tuple[Any, Any]:
    a, _, positive = scores(rng)
    return auroc.influences(a, positive)[0], roc_auc_score(positive, a)


def pairs(scores_N: Any, positive: Any) -> Any:
    """Return DeLong's kernel for every positive and negative: 1, 1/2 or 0."""
    difference = scores_N[positive][:, None] - scores_N[~positive][None]
    return (np.sign(difference) + 1) / 2


def delong(rng: Random) -> tuple[Any, Any]:
    """DeLong's covariance by its definition, over all pairs, with numpy's covariance; scipy's normal p behind it."""
    a, b, positive = scores(rng)
    kernels = [pairs(one, positive) for one in (a, b)]
    by_positive, by_negative = (np.cov(np.stack([kernel.mean(axis) for kernel in kernels])) for axis in (1, 0))
    covariance = by_positive / positive.sum() + by_negative / (~positive).sum()
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return auroc.delong_difference(a, b, positive), (kernels[0].mean() - kernels[1].mean(), max(0.0, variance))


def logit_interval(rng: Random) -> tuple[Any, Any]:
    while True:
        a, _, positive = scores(rng)
        kernel = pairs(a, positive)
        parts = kernel.mean(1).var(ddof=1) / positive.sum(), kernel.mean(0).var(ddof=1) / (~positive).sum()
        variance = sum(parts)
        value = kernel.mean()
        if 0 < value < 1 and variance > 1e-12:
            break
    degrees = variance**2 / (parts[0] ** 2 / (positive.sum() - 1) + parts[1] ** 2 / ((~positive).sum() - 1))
    reach = stats.t.ppf(0.975, degrees) * math.sqrt(variance) / (value * (1 - value))
    centre = stats.logistic.ppf(value)
    return auroc.auroc_interval(a, positive), (value, stats.logistic.cdf(centre - reach), stats.logistic.cdf(centre + reach))


def newcombe_auroc(rng: Random) -> tuple[Any, Any]:
    m, n = (int(size) for size in rng.integers(1, 40, 2))
    value = float(rng.integers(1, 2 * m * n)) / (2 * m * n)

    def excess(end: float) -> float:
        inner = 1 + ((m + n) / 2 - 1) * ((1 - end) / (2 - end) + end / (1 + end))
        return float((value - end) ** 2 - stats.norm.ppf(0.975) ** 2 * end * (1 - end) * inner / (m * n))

    ends = [optimize.brentq(excess, outer, value, xtol=1e-13) for outer in (0.0, 1.0)]
    return auroc.newcombe(value, m, n), tuple(ends)


def tango(rng: Random) -> tuple[Any, Any]:
    """The score at the most likely chances under the difference, found by a search over the likelihood's derivative."""
    n = int(rng.integers(5, 300))
    only_a, only_b = (int(count) for count in rng.integers(1, max(2, n // 2), 2))
    gap = float(rng.uniform(-0.5, 0.5))

    def slope(chance_b: float) -> float:
        rest = n - only_a - only_b
        return float(only_a / (chance_b + gap) + only_b / chance_b - 2 * rest / (1 - 2 * chance_b - gap))

    low, high = max(0.0, -gap) + 1e-13, (1 - gap) / 2 - 1e-13
    chance_b = optimize.brentq(slope, low, high, xtol=1e-15, rtol=1e-14) if slope(high) < 0 else high
    deviation = math.sqrt(n * (2 * chance_b + gap - gap * gap))
    return equivalence.tango(only_a, only_b, n, gap), (only_a - only_b - n * gap) / deviation


def tost(rng: Random) -> tuple[Any, Any]:
    sample, margin = rng.normal(rng.normal() / 2, 1, int(rng.integers(3, 40))), float(rng.uniform(0.1, 1.5))
    deviation = float(sample.std(ddof=1)) / math.sqrt(len(sample))
    found = equivalence.tost(float(sample.mean()), margin, lambda far: float(special.stdtr(len(sample) - 1, -far / deviation)))
    return found, DescrStatsW(sample).ttost_mean(-margin, margin)[0]


def one_figure_over_seeds(rng: Random) -> tuple[Any, Any]:
    """Seeds on images of their own, all varying, are a sample: scipy's one-sample t test, where images explain no more."""
    values = rng.normal(0.1, 0.1, int(rng.integers(2, 9)))
    found = seeds.combine(values, np.zeros((len(values), 4)))
    test = stats.ttest_1samp(values, 0.0)
    interval = test.confidence_interval(0.95)
    return (found.p(), *found.interval()), (test.pvalue, interval.low, interval.high)


def power_over_seeds(rng: Random) -> tuple[Any, Any]:
    count, deviation, shift = int(rng.integers(2, 30)), float(rng.uniform(0.5, 2)), float(rng.uniform(0.1, 2))
    found = seeds.Combined(0.0, deviation**2, 0.0, deviation, count)
    return found.power(shift), TTestPower().power(shift / deviation, nobs=count, alpha=0.05, df=count - 1)


def mcnemar_power(rng: Random) -> tuple[Any, Any]:
    """Over all tables of so many images, with scipy's multinomial chances and exact test."""
    n, disagreement = int(rng.integers(5, 26)), float(rng.uniform(0.1, 1))
    gap = float(rng.uniform(0, disagreement))
    chance = [(disagreement + gap) / 2, (disagreement - gap) / 2]
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1), np.arange(n + 1)))
    a, b = a[a + b <= n], b[a + b <= n]
    ps = np.minimum(1, 2 * stats.binom.cdf(np.minimum(a, b), a + b, 0.5))
    chances = np.asarray(stats.multinomial.pmf(np.stack([a, b, n - a - b], 1), n, [*chance, 1 - disagreement]))
    return power.mcnemar_power(n, disagreement, gap), chances[ps < 0.05].sum()


def clustered(rng: Random) -> tuple[Any, Any]:
    """All sign patterns of a few patients, one by one."""
    num_groups = int(rng.integers(1, 9))
    groups = rng.integers(0, num_groups, 30)
    a, b = rng.random(30) < 0.8, rng.random(30) < 0.6
    sums = np.array([(a[groups == g].astype(int) - b[groups == g]).sum() for g in range(num_groups)])
    signs = np.array(np.meshgrid(*[[-1, 1]] * num_groups)).reshape(num_groups, -1)
    return paired.mcnemar_clustered(a, b, groups), (np.abs(sums @ signs) >= abs(sums.sum())).mean()


ORACLES: Sequence[Callable[[Random], tuple[Any, Any]]] = (
    *(wilson, mean_of_shares, mcnemar_exact, clustered, holm, newcombe, area, delong, logit_interval, newcombe_auroc),
    *(tango, tost, one_figure_over_seeds, power_over_seeds, mcnemar_power),
)


@pytest.mark.parametrize("case", ORACLES, ids=lambda case: case.__name__)
def test_a_thousand_random_cases_agree_with_an_independent_implementation(case: Callable[[Random], tuple[Any, Any]]) -> None:
    rng = np.random.default_rng(5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels and scipy warn of what they compute exactly all the same
        worst = max(float(np.max(np.abs(np.subtract(*case(rng))))) for _ in range(CASES))
    assert worst < 1e-9
