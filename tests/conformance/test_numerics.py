"""What float32 leaves open is told apart from what is wrong."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xzoo.conformance.numerics import GROSS, IN_DOUBLE, ROUNDING, by_rounding, deviation, really_differs


class Amplifying(nn.Module):
    """Loses its input's last digits, and enlarges what is left."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, features_BD: Tensor) -> Tensor:
        return (features_BD * self.scale + 1e6) - 1e6


class Steady(Amplifying):
    """Keeps them."""

    def forward(self, features_BD: Tensor) -> Tensor:
        return features_BD * self.scale


def on_features(network: nn.Module) -> Tensor:
    features_BD = torch.linspace(-1, 1, 12).view(3, 4)
    answer: Tensor = network(features_BD.to(next(network.parameters()).dtype))
    return answer


def test_a_network_that_amplifies_rounding_is_known_by_its_float64() -> None:
    assert by_rounding(Amplifying(), on_features) > GROSS / 2
    assert by_rounding(Steady(), on_features) < ROUNDING


def test_a_network_that_cannot_compute_in_float64_shows_no_rounding() -> None:
    class Single(Steady):
        def forward(self, features_BD: Tensor) -> Tensor:
            return features_BD @ torch.ones(4, 4) * self.scale

    assert by_rounding(Single(), on_features) == 0


def test_rounding_alone_is_no_difference_and_a_wrong_result_is_one() -> None:
    def rounded(network: nn.Module) -> float:
        return deviation(on_features(network), on_features(Steady().to(next(network.parameters()).dtype)))

    off = rounded(Amplifying())
    assert off > ROUNDING
    assert not really_differs(off, Amplifying(), rounded, on_features)

    def shifted(network: nn.Module) -> float:
        return deviation(on_features(network) + 1, on_features(network))

    assert really_differs(shifted(Steady()), Steady(), shifted, on_features)


def test_what_float64_leaves_open_too_is_no_difference() -> None:
    class Chaotic(Steady):
        def forward(self, features_BD: Tensor) -> Tensor:
            return (features_BD * self.scale * 1e15).sin()

    class Reordered(Steady):
        def forward(self, features_BD: Tensor) -> Tensor:
            return (features_BD * (self.scale * 0.1) * 1e16).sin()

    def apart(network: nn.Module) -> float:
        return deviation(on_features(Reordered().to(next(network.parameters()).dtype)), on_features(network))

    assert apart(Chaotic().double()) > IN_DOUBLE
    assert not really_differs(1.0, Chaotic(), apart, on_features)
    assert really_differs(1.0, Steady(), apart, on_features)
