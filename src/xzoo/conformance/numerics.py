"""How far two results of the same computation are apart, by what tells one image from another.

B = images in a batch
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

ROUNDING = 1e-4
"""What float32 alone may make, as a share of the spread among images; more is looked at in float64."""

IN_DOUBLE = 1e-7
"""What float64 alone may make."""

AMPLIFIED = 5.0
"""How many times what rounding alone makes two ways of adding up may be apart."""

LAST_PLACES = 2.0**-50

GROSS = 0.03
"""What is told where float64 cannot say."""


def deviation(found: Any, expected: Any) -> float:
    """Return the largest difference by the spread of `expected` about its mean over the images; infinite where shapes differ.

    Where there is one image, or all give the same, the largest value takes the place of the spread.
    """
    if not isinstance(found, Tensor) or not isinstance(expected, Tensor) or found.shape != expected.shape:
        return float("inf")
    found, expected = found.detach().double(), expected.detach().double()
    spread = float((expected - expected.mean(0)).abs().max()) if len(expected) > 1 else 0.0
    scale = spread or float(expected.abs().max()) or 1.0
    difference = float((found - expected).abs().max()) / scale
    return difference if difference == difference else float("inf")  # noqa: PLR0124


def really_differs(
    off: float, network: nn.Module, again: Callable[[nn.Module], float], result: Callable[[nn.Module], Any]
) -> bool:
    """Whether a deviation met in float32 is more than rounding: `again(network)` measures it once more, on a copy in float64.

    What is left then is held against what the `result` makes of constants that are off by a few units of their last place:
    EfficientNet-B6 with drawn constants turns these into half of what tells images apart. A network that cannot compute in
    float64 differs where the first deviation is gross.
    """
    if off <= ROUNDING:
        return False
    try:
        with torch.no_grad():
            exact = copy.deepcopy(network).double()
            left = again(exact)
            return left > IN_DOUBLE and left > AMPLIFIED * _amplified(exact, result)
    except Exception:  # constants of float32 in a stranger's forward
        return off > GROSS


def _amplified(exact: nn.Module, result: Callable[[nn.Module], Any]) -> float:
    """Return how far a result moves when every constant does by some units of its last place; the network is used up."""
    before = result(exact)
    draws = torch.Generator().manual_seed(0)
    for parameter in exact.parameters():
        parameter.mul_(1 + LAST_PLACES * torch.randn(parameter.shape, generator=draws, dtype=parameter.dtype))
    return deviation(result(exact), before)


def share(found: Tensor, exact: Tensor) -> float:
    """Return the size of the difference by the size of `exact`."""
    return float((found.double() - exact.double()).norm() / exact.double().norm().clamp_min(1e-30))


def by_rounding(network: nn.Module, result: Callable[[nn.Module], Any], apart: Callable[[Any, Any], float] = deviation) -> float:
    """Return how far `apart` float32 takes a result of the network from that of float64; 0 where it cannot compute in float64.

    Some deep networks with drawn constants amplify rounding until nothing is left of it to compare: EfficientNetV2-S to 1.9.
    """
    try:
        with torch.no_grad():
            return apart(result(network), result(copy.deepcopy(network).double()))
    except Exception:  # constants of float32 in a stranger's forward
        return 0.0
