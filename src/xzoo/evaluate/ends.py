"""The ends of a score's interval: in closed form where there is one, else from the bias-corrected and accelerated bootstrap."""

# N = images, R = resamples, J = blocks left out

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.evaluate.scores import MANY_CLASSES, Floats, Split
from xzoo.evaluate.shares import num_patients
from xzoo.runs.result import Measure
from xzoo.statistics.auroc import auroc_interval, mean_auroc_interval
from xzoo.statistics.intervals import mean_of_shares
from xzoo.statistics.resampling import bca, expanded, interval, leave_out_counts

Score = Callable[[Split, Floats], Floats]
MOST_WEIGHTS = 2**24
"""Of blocks left out times images at most so many are scored at once: a score holds several copies of them."""


@dataclass(frozen=True, eq=False)
class Ends:
    """Finds intervals of the scores of one split; `is_exact` names those that need no resamples."""

    split: Split
    groups_N: NDArray[Any] | None
    seed: int

    def is_exact(self, name: str) -> bool:
        """Whether a formula alone gives the interval: of AUROC for two classes or many, of balanced accuracy without patients."""
        num_classes = self.split.num_classes
        of_auroc = name == "auroc" and (num_classes == 2 or num_classes > MANY_CLASSES)
        return of_auroc or (name == "balanced_accuracy" and self.groups_N is None)

    def measures(self, scores: Mapping[str, Score], drawn: Mapping[str, Sequence[Floats]]) -> dict[str, Measure]:
        """Return each score with its interval; the ends are None where every resample gives the same, which says nothing."""
        split, once_1N = self.split, np.ones((1, len(self.split.labels)))
        counts_JN, strata_J = leave_out_counts(split.labels, self.groups_N, seed=self.seed)
        level = expanded(num_patients(split.labels >= 0, self.groups_N))
        found = {}
        for name, score in scores.items():
            value = float(score(split, once_1N)[0])
            drawn_R = np.concatenate(list(drawn[name])) if drawn.get(name) else np.zeros(0)
            if name == "auroc" and self.is_exact(name):
                ends = self._auroc()
            elif name == "balanced_accuracy":
                ends = self._balanced(drawn_R)
            else:
                ends = bca(value, drawn_R, _scored(score, split, counts_JN), strata_J, level)
            known = bool(np.isfinite(ends).all()) and ends[0] < ends[1]
            found[name] = Measure(value, ends[0] if known else None, ends[1] if known else None, len(split.labels))
        return found

    def _auroc(self) -> tuple[float, float]:
        if self.split.num_classes > MANY_CLASSES:
            return mean_auroc_interval(np.asarray(self.split.chances, np.float64), self.split.labels, self.groups_N)[1:]
        which = 1 if self.split.positive is None else self.split.positive
        return auroc_interval(self.split.chances[:, which], self.split.labels == which, self.groups_N)[1:]

    def _balanced(self, drawn_R: Floats) -> tuple[float, float]:
        """Return Wilson's ends, joined; the bootstrap of patients widens them, as it does a share's."""
        counts = [(int(self.split.confusion[k, k]), int(n)) for k, n in enumerate(self.split.class_counts)]
        low, high = mean_of_shares(counts)
        patients = min(num_patients(self.split.labels == k, self.groups_N) for k in np.unique(self.split.labels))
        drawn_low, drawn_high = interval(drawn_R, expanded(patients))
        return float(np.fmin(low, drawn_low)), float(np.fmax(high, drawn_high))


def _scored(score: Score, split: Split, counts_JN: Floats) -> Floats:
    rows = max(1, MOST_WEIGHTS // max(1, counts_JN.shape[1]))
    return np.concatenate([score(split, counts_JN[place : place + rows]) for place in range(0, max(1, len(counts_JN)), rows)])
