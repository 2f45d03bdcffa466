"""The closed head: logistic regression on standardised features, the strength of its L2 penalty chosen on validation.

N = images, D = features, O = outputs, K = classes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xzoo.errors import CellError, PreflightError
from xzoo.train.recipe import Recipe

PATH: tuple[float, ...] = tuple(10.0**power for power in range(-5, 3))
"""Inverse strengths of the penalty that are tried, scikit-learn's C: the loss is C * sum over images + |w|^2 / 2."""

_MOST_ITERATIONS = 1000


@dataclass(frozen=True, eq=False)
class Solved:
    """A solution of the path: weights (O,D), bias (O,), and the inverse strength of the penalty it was found with."""

    weights_OD: NDArray[np.float64]
    bias_O: NDArray[np.float64]
    strength: float


def check(recipe: Recipe) -> None:
    """Raise PreflightError for a recipe whose words mean nothing to the solver."""
    if recipe.label_smoothing:
        raise PreflightError("head=solver knows no label smoothing", "leave label_smoothing at 0, or use head=loop")


def solve(
    inputs_ND: NDArray[np.float32], labels_N: NDArray[np.int64], recipe: Recipe, num_classes: int, path: Sequence[float] = PATH
) -> list[Solved]:
    """Return the solutions for standardised inputs along the path of penalties, from the strongest on.

    One logit of two classes, or a softmax over all. scikit-learn's L-BFGS, started at the neighbour's solution. Raises CellError
    where a class has no image, or where it does not converge.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    missing = sorted(set(range(num_classes)) - set(labels_N.tolist()))
    if missing:
        raise CellError(f"head=solver: class {missing[0]} has no training image", "give it some, or use head=loop")
    balance = "balanced" if recipe.class_weights == "balanced" else None
    model = LogisticRegression(max_iter=_MOST_ITERATIONS, tol=1e-6, warm_start=True, class_weight=balance)
    found = []
    for strength in sorted(path):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                model.set_params(C=strength).fit(inputs_ND, labels_N)
            except ConvergenceWarning:
                # Weaker penalties only converge more slowly; what the stronger ones gave stays true.
                break
        found.append(Solved(*_outputs(model, recipe, num_classes), strength))
    if not found:
        raise CellError("head=solver did not converge", "use head=loop")
    return found


def _outputs(model: Any, recipe: Recipe, num_classes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights and bias for the outputs that the head has: two outputs share out the one logit of two classes."""
    # scikit-learn answers in the inputs' precision.
    weights_OD, bias_O = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    if num_classes == 2 and recipe.loss != "bce":
        return np.concatenate([-weights_OD, weights_OD]) / 2, np.concatenate([-bias_O, bias_O]) / 2
    return weights_OD, bias_O
