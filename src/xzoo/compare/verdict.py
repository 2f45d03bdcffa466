"""Contenders held against each other on the images they both answered.

N = images
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xzoo.runs.result import CellResult, Comparison, Measure
from xzoo.runs.store import RunFolder
from xzoo.statistics.paired import holm, mcnemar_exact, newcombe_paired_difference

LEVEL = 0.05
TEST = "exact McNemar per seed; of several seeds twice the median p; Holm over all pairs"

Answers = Mapping[str, NDArray[np.generic]]


def compare(results: Sequence[CellResult], folder: RunFolder, split: str) -> tuple[Comparison, ...]:
    """Compare the accuracy of every two contenders on a split, seed by seed, where both answered the same images.

    Twice the median of p-values is a valid p whatever their dependence (Meinshausen, Meier, Buehlmann 2009, JASA 104:1671,
    gamma = 0.5). Contenders without a seed of the same images are left out: their figures rest on different images.
    """
    answers: dict[str, dict[int, Answers]] = {}
    for result in results:
        if result.status == "done":
            answers.setdefault(result.contender, {})[result.seed] = folder.predictions(result.id)
    found = [one for a, b in itertools.combinations(answers, 2) if (one := _pair(a, answers[a], b, answers[b], split))]
    adjusted = holm([one.p for one in found if one.p is not None])
    return tuple(_decided(one, p) for one, p in zip(found, adjusted, strict=True))


def is_ahead(comparisons: Sequence[Comparison], a: str, b: str) -> bool:
    """Whether a comparison says that contender `a` is ahead of `b`."""
    return any(
        one.verdict == "ahead"
        and (((one.a, one.b) == (a, b) and one.difference.value > 0) or ((one.a, one.b) == (b, a) and one.difference.value < 0))
        for one in comparisons
    )


def _pair(a: str, of_a: Mapping[int, Answers], b: str, of_b: Mapping[int, Answers], split: str) -> Comparison | None:
    differences, ps, num_images = [], [], 0
    for seed in sorted(of_a.keys() & of_b.keys()):
        one, other = of_a[seed], of_b[seed]
        if not len(one[f"{split}_index"]) or not np.array_equal(one[f"{split}_index"], other[f"{split}_index"]):
            continue
        right_a, right_b = _right(one, split), _right(other, split)
        differences.append(newcombe_paired_difference(right_a, right_b))
        ps.append(mcnemar_exact(int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())))
        num_images = len(right_a)
    if not ps:
        return None
    value, low, high = np.mean(differences, axis=0)
    p = ps[0] if len(ps) == 1 else min(1.0, 2 * float(np.median(ps)))
    difference = Measure(float(value), float(low), float(high), num_images)
    return Comparison(a=a, b=b, split=split, metric="accuracy", difference=difference, test=TEST, p=p, p_holm=None, verdict="")


def _right(answers: Answers, split: str) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = answers[f"{split}_probabilities"].argmax(1) == answers[f"{split}_labels"]
    return right


def _decided(comparison: Comparison, p_holm: float) -> Comparison:
    return replace(comparison, p_holm=p_holm, verdict="ahead" if p_holm < LEVEL else "cannot tell")
