"""Whether probabilities are what they say: of images that are given 0.8, do 80% turn out so?"""

# N = images, K = classes, B = bins, G = groups (patients)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.evaluate.recalibration import Bend, bend, scale
from xzoo.evaluate.shares import shares
from xzoo.runs.result import Measure

LEVEL = 0.05
MOST_BINS, IMAGES_PER_BIN = 10, 20

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Images of like probability: `low` and `high` are the least and greatest, `said` their mean, `share` what came true."""

    low: float
    high: float
    said: float
    share: Measure


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What a split says of its probabilities: those of the class `of`, or with several classes those of the answers.

    `ece` is the expected calibration error, which is above 0 by chance alone; `ece_if_calibrated` is what calibrated
    probabilities of these sizes would show on average. `rms` is without that bias: the root of the bins' mean squared error,
    0 where its estimate is negative. `reliability`, `resolution` and `uncertainty` add up to the Brier score as r - s + u.
    Figures that cannot be had are None, with the reason under their name.
    """

    n: int
    of: str
    ece: float
    ece_if_calibrated: float
    rms: float | None
    reliability: float
    resolution: float
    uncertainty: float
    slope: Measure | None
    intercept: Measure | None
    p: float | None
    verdict: str
    certain: int
    curve: tuple[Bin, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)


def calibration(
    chances_NK: Floats,
    labels_N: NDArray[np.int64],
    classes: Sequence[str],
    positive: str | None = None,
    *,
    groups_N: NDArray[Any] | None = None,
    bins: int | None = None,
    seed: int = 0,
) -> Calibration:
    """Return the calibration of a split's probabilities (N,K), which hold at least one image.

    Two classes are judged by the probability of the positive one, or of the second where none is known; several by the
    probability of the answer (Guo et al. 2017, https://arxiv.org/abs/1706.04599). Bins hold equally many images, 20 of them or
    more and 10 bins at most, since bins of equal width leave some nearly empty (Nixon et al. 2019, https://arxiv.org/abs/1904.01685).
    """
    said_N, hit_N, of = judged(chances_NK, labels_N, classes, positive)
    bins_N = equal_masses(said_N, bins or num_bins(len(said_N)))
    curve = _curve(said_N, hit_N, bins_N, groups_N, seed)
    reliability, resolution, uncertainty = decomposed(said_N, hit_N, bins_N)
    found, reasons = slopes(chances_NK, labels_N, said_N, hit_N, groups_N)
    rms = root_mean_square(said_N, hit_N, bins_N, groups_N)
    if rms is None:
        reasons["rms"] = "no bin holds two images, or two patients"
    return Calibration(
        n=len(said_N),
        of=of,
        ece=expected_error(said_N, hit_N, bins_N),
        ece_if_calibrated=error_of_calibrated(said_N, bins_N),
        rms=rms,
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        slope=found.slope,
        intercept=found.intercept,
        p=found.p,
        verdict=_verdict(found, of, len(classes) == 2),
        certain=found.certain,
        curve=curve,
        reasons=reasons,
    )


def judged(
    chances_NK: Floats, labels_N: NDArray[np.int64], classes: Sequence[str], positive: str | None
) -> tuple[Floats, NDArray[np.bool_], str]:
    """Return the probabilities that are judged, whether what they say is so, and of what they are."""
    chances_NK = np.clip(chances_NK, 0.0, 1.0)
    if len(classes) != 2:
        answers_N = chances_NK.argmax(1)
        return chances_NK[np.arange(len(answers_N)), answers_N], answers_N == labels_N, "the answer"
    which = 1 if positive is None else list(classes).index(positive)
    return chances_NK[:, which], labels_N == which, classes[which]


def slopes(
    chances_NK: Floats,
    labels_N: NDArray[np.int64],
    said_N: Floats,
    hit_N: NDArray[np.bool_],
    groups_N: NDArray[Any] | None = None,
) -> tuple[Bend, dict[str, str]]:
    """Return slope and intercept; with several classes the slope is the best 1/temperature, and there is no one intercept."""
    if chances_NK.shape[1] == 2:
        found = bend(said_N, hit_N, groups_N)
    else:
        slope, p, reason = scale(chances_NK, labels_N, groups_N)
        found = Bend(slope, None, p, reason, "each of several classes has an intercept of its own")
    reasons = {"slope": found.reason, "p": found.reason, "intercept": found.intercept_reason}
    return found, {name: reason for name, reason in reasons.items() if reason}


def num_bins(num_images: int) -> int:
    """Return how many bins this many images are judged in."""
    return max(2, min(MOST_BINS, num_images // IMAGES_PER_BIN))


def equal_masses(said_N: Floats, count: int) -> NDArray[np.int64]:
    """Return the bin of each probability, from 0 on, between quantiles; equal probabilities share one, and none is empty."""
    edges = np.quantile(said_N, np.arange(1, count) / count)
    return np.unique(np.searchsorted(edges, said_N, side="left"), return_inverse=True)[1].astype(np.int64)


def equal_widths(said_N: Floats, count: int) -> NDArray[np.int64]:
    """Return the bin of each probability, from 0 on, between equal steps from 0 to 1; empty ones are left out."""
    edges = np.linspace(0.0, 1.0, count + 1)[1:-1]
    return np.unique(np.searchsorted(edges, said_N, side="left"), return_inverse=True)[1].astype(np.int64)


def expected_error(said_N: Floats, hit_N: NDArray[np.bool_], bins_N: NDArray[np.int64]) -> float:
    """Return the mean over images of how far their bin's share lies from its mean probability.

    Naeini, Cooper and Hauskrecht 2015 (https://doi.org/10.1609/aaai.v29i1.9602). It is biased upwards: even calibrated
    probabilities miss the shares of finite bins (Roelofs et al. 2022, https://arxiv.org/abs/2012.08668).
    """
    return float(np.abs(np.bincount(bins_N, said_N - hit_N)).sum() / len(said_N))


def error_of_calibrated(said_N: Floats, bins_N: NDArray[np.int64]) -> float:
    """Return the mean of `expected_error` if each image came true with just the chance it is given, independently.

    A bin's count is then a sum of unlike coins (Poisson's binomial), whose distribution is multiplied out by Fourier transforms.
    """
    total = 0.0
    for number in range(int(bins_N.max()) + 1):
        inside_B = said_N[bins_N == number]
        weights = count_distribution(inside_B)
        total += float(weights @ np.abs(np.arange(len(weights)) - inside_B.sum()))
    return total / len(said_N)


def count_distribution(chances_B: Floats) -> Floats:
    """Return the probabilities of 0 to B successes of independent coins with these chances."""
    size = 1 << max(0, (len(chances_B) - 1).bit_length())
    parts = np.zeros((size, 2))
    parts[:, 0] = 1.0
    parts[: len(chances_B)] = np.column_stack([1 - chances_B, chances_B])
    while len(parts) > 1:
        width = 2 * parts.shape[1] - 1
        spectrum = np.fft.rfft(parts, 2 * parts.shape[1], axis=1)
        parts = np.fft.irfft(spectrum[::2] * spectrum[1::2], 2 * parts.shape[1], axis=1)[:, :width]
    return np.clip(parts[0, : len(chances_B) + 1], 0.0, 1.0)


def root_mean_square(
    said_N: Floats, hit_N: NDArray[np.bool_], bins_N: NDArray[np.int64], groups_N: NDArray[Any] | None = None
) -> float | None:
    """Return the root of the bins' mean squared error without the bias of finite bins, or None where no bin holds a pair.

    The square of a bin is the mean product of the errors of two different images, of two different patients where they are known;
    so what an image shares with itself drops out (a U-statistic, as Kumar, Liang and Ma 2019 debias it,
    https://arxiv.org/abs/1909.10155).
    """
    errors_N = said_N - hit_N
    alone_N = np.arange(len(said_N)) if groups_N is None else np.unique(groups_N, return_inverse=True)[1]
    total, num_images = 0.0, 0
    for number in range(int(bins_N.max()) + 1):
        inside_N = bins_N == number
        n, of_group = int(inside_N.sum()), np.unique(alone_N[inside_N], return_inverse=True)[1]
        num_pairs = n * n - int((np.bincount(of_group) ** 2).sum())
        if num_pairs:
            own = float((np.bincount(of_group, errors_N[inside_N]) ** 2).sum())
            total += n * (float(errors_N[inside_N].sum()) ** 2 - own) / num_pairs
            num_images += n
    return float(np.sqrt(max(0.0, total / num_images))) if num_images else None


def decomposed(said_N: Floats, hit_N: NDArray[np.bool_], bins_N: NDArray[np.int64]) -> tuple[float, float, float]:
    """Return reliability, resolution and uncertainty, of which the Brier score is the first less the second plus the third.

    Murphy 1973 (https://doi.org/10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2); what probabilities differ within bins belongs
    to the resolution (Stephenson, Coelho and Jolliffe 2008, https://doi.org/10.1175/2007WAF2006116.1), so the sum is exact.
    """
    counts_B = np.bincount(bins_N)
    said_B, share_B = np.bincount(bins_N, said_N) / counts_B, np.bincount(bins_N, hit_N) / counts_B
    weights_B, overall = counts_B / len(said_N), float(hit_N.mean())
    apart_N, truth_N = said_N - said_B[bins_N], hit_N - share_B[bins_N]
    within = float((2 * apart_N * truth_N - apart_N**2).mean())
    reliability = float(weights_B @ (said_B - share_B) ** 2)
    return reliability, float(weights_B @ (share_B - overall) ** 2) + within, overall * (1 - overall)


def _curve(
    said_N: Floats, hit_N: NDArray[np.bool_], bins_N: NDArray[np.int64], groups_N: NDArray[Any] | None, seed: int
) -> tuple[Bin, ...]:
    insides = {str(number): bins_N == number for number in range(int(bins_N.max()) + 1)}
    found = shares({name: (hit_N, inside_N) for name, inside_N in insides.items()}, groups_N, seed=seed)
    return tuple(
        Bin(float(said_N[inside_N].min()), float(said_N[inside_N].max()), float(said_N[inside_N].mean()), found[name])
        for name, inside_N in insides.items()
    )


def _verdict(found: Bend, of: str, is_two: bool) -> str:
    """Return in words how the probabilities depart from what happens; a cause is named only where they depart at all."""
    if found.p is None:
        return "cannot tell"
    if found.p >= LEVEL:
        return "no departure found"
    causes = []
    if found.slope is not None and found.slope.high is not None and found.slope.high < 1:
        causes.append("too extreme")
    if found.slope is not None and found.slope.low is not None and found.slope.low > 1:
        causes.append("too timid")
    if is_two and found.intercept is not None and found.intercept.low is not None and found.intercept.low > 0:
        causes.append(f"too low for {of}")
    if is_two and found.intercept is not None and found.intercept.high is not None and found.intercept.high < 0:
        causes.append(f"too high for {of}")
    return " and ".join(causes) or "not calibrated"
