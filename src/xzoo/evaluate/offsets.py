"""What a split's own threshold would give: answers after each class's log odds were moved to suit the split itself.

N = images, K = classes, P = parameters
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.evaluate.scores import SMALLEST
from xzoo.statistics.resampling import dealt

Floats = NDArray[np.float64]
FOLDS = 5
_PRIOR = 1.0


def answered_by_own(
    chances_NK: Floats,
    labels_N: NDArray[np.int64],
    groups_N: NDArray[Any] | None = None,
    weights_N: Floats | None = None,
    *,
    seed: int = 0,
) -> NDArray[np.bool_]:
    """Return which images (N) are answered rightly once `offsets` are fitted to the other folds of the same split.

    Cross-fitted, so that no image helps to choose the threshold it is judged at; images of one patient share a fold.
    """
    units_N = np.arange(len(labels_N)) if groups_N is None else groups_N
    fold_N = dealt(labels_N, units_N, FOLDS, np.random.default_rng(seed))
    right_N = np.zeros(len(labels_N), bool)
    for fold in range(int(fold_N.max()) + 1):
        held_N = fold_N == fold
        rest_N = ~held_N
        weights = None if weights_N is None else weights_N[rest_N]
        slope, offsets_K = offsets(chances_NK[rest_N], labels_N[rest_N], weights)
        right_N[held_N] = (slope * _logs(chances_NK[held_N]) + offsets_K).argmax(1) == labels_N[held_N]
    return right_N


def offsets(chances_NK: Floats, labels_N: NDArray[np.int64], weights_N: Floats | None = None) -> tuple[float, Floats]:
    """Return slope a and offsets b (K) for which softmax(a log p + b) is most likely, each held to 1 and 0 by one image's worth.

    Bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar 2020, https://arxiv.org/abs/1901.06852); of two classes
    it is Platt's logistic regression on the log odds, and the threshold on them is the difference of offsets over the slope. The
    prior keeps both finite where classes do not overlap.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logs_NK, num_classes = _logs(chances_NK), chances_NK.shape[1]
    weights_N = np.ones(len(labels_N)) if weights_N is None else weights_N
    true_NK = np.eye(num_classes)[labels_N]

    def cost(found_P: Floats) -> tuple[float, Floats]:
        said_NK = log_softmax(found_P[0] * logs_NK + found_P[1:], axis=1)
        away_P = found_P - start_P
        missed_NK = weights_N[:, None] * (np.exp(said_NK) - true_NK)
        gradient_P = np.r_[(missed_NK * logs_NK).sum(), missed_NK.sum(0)] + _PRIOR * away_P
        return float(-(weights_N @ (said_NK * true_NK).sum(1)) + _PRIOR * (away_P @ away_P) / 2), gradient_P

    start_P = np.r_[1.0, np.zeros(num_classes)]
    found_P = minimize(cost, start_P, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-12}).x
    return float(found_P[0]), np.asarray(found_P[1:])


def _logs(chances_NK: Floats) -> Floats:
    logs_NK = np.log(np.clip(chances_NK, SMALLEST, 1.0))
    return np.asarray(logs_NK - logs_NK.mean(1, keepdims=True))
