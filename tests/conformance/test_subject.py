"""What checks share is made once, honestly failed once, and in a state at which defects show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

import xzoo
from xzoo.conformance import memorising
from xzoo.conformance.check import Definition
from xzoo.conformance.examine import judge
from xzoo.conformance.subject import SMALL, Subject
from xzoo.conformance.verdicts import FAILED, PASSED, Fault


def test_what_is_made_is_made_once(tiny: xzoo.Backbone) -> None:
    subject = Subject(tiny)
    assert subject.built is subject.built
    assert subject.alive is subject.alive
    assert not any(module.training for module in subject.alive.network.modules())


def test_images_are_small_where_any_size_works_and_of_the_declared_size_where_one_does(tiny: xzoo.Backbone) -> None:
    large = xzoo.Preprocess(size=224)
    assert Subject(tiny).size == (16, 16)
    assert Subject(replace(tiny, preprocess=large)).size == (SMALL, SMALL)
    assert Subject(replace(tiny, preprocess=large, min_size=75)).size == (75, 75)
    assert Subject(replace(tiny, preprocess=large, fixed_size=True)).size == (224, 224)


def test_a_failure_that_one_check_gets_round_is_met_again_by_the_next(tiny: xzoo.Backbone) -> None:
    subject = Subject(replace(tiny, head=xzoo.ReplaceLinear("nowhere")))

    def gets_round(on: Subject) -> Iterator[Fault]:
        try:
            assert on.alive
        except Exception:
            return
        yield Fault("it is there", "")

    def asks(on: Subject) -> Iterator[Fault]:
        assert on.alive
        yield from ()

    assert judge(subject, Definition("first", "It holds.", gets_round)).status == PASSED
    assert judge(subject, Definition("second", "It holds.", asks)).status == FAILED


class Gated(nn.Module):
    """A branch whose gate starts at 0, and statistics that have seen nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.gate = nn.Parameter(torch.zeros(4, 1, 1))
        self.fc = nn.Linear(4, 10)
        nn.init.constant_(self.conv.weight, 0.0)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits_BK: Tensor = self.fc((self.norm(self.conv(images_BCHW)) * self.gate).mean((2, 3)))
        return logits_BK


def test_a_living_network_has_no_parameter_that_holds_nothing_back(tiny: xzoo.Backbone) -> None:
    body = ("conv", "norm", "gate")
    alive = Subject(replace(tiny, build=Gated, head=xzoo.ReplaceLinear("fc"), stages={"body": body})).alive
    for name, parameter in alive.network.named_parameters():
        assert parameter.min() < parameter.max(), name
    assert alive.network.get_buffer("norm.running_var").min() > 0


def test_large_networks_learn_fewer_images(tiny: xzoo.Backbone) -> None:
    subject = Subject(tiny)
    assert memorising.num_images(subject) == memorising.NUM_IMAGES == 16
    for gmacs, count in ((5.0, 16), (9.0, 8), (20.0, 4), (1000.0, 2)):
        subject.gmacs = lambda size, gmacs=gmacs: gmacs  # type: ignore[method-assign, misc]
        assert memorising.num_images(subject) == count
