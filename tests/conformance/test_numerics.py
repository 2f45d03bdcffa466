"""What float32 leaves open is told apart from what is wrong."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.conformance.checks import deployment
from xzoo.conformance.numerics import GROSS, IN_DOUBLE, ROUNDING, by_rounding, by_rounding_to, deviation, really_differs
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault


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


def test_what_a_lower_precision_makes_is_measured_in_it() -> None:
    assert ROUNDING < by_rounding_to(torch.bfloat16, Steady(), on_features) < GROSS / 2
    assert by_rounding_to(torch.float32, Steady(), on_features) == 0


def test_an_engine_is_held_against_its_own_precision(tiny: xzoo.Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(tiny)
    images_BCHW = subject.images_BCHW
    (judged,) = deployment._judged(subject, "openvino", "bf16", 0.05, images_BCHW)
    assert isinstance(judged, Fault)
    monkeypatch.setattr(deployment, "by_rounding_to", lambda *_: 0.03)
    (judged,) = deployment._judged(subject, "openvino", "bf16", 0.05, images_BCHW)
    assert not isinstance(judged, Fault)
    (judged,) = deployment._judged(subject, "openvino", "fp32", 0.05, images_BCHW)
    assert isinstance(judged, Fault)
