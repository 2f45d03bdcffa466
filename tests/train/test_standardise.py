from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from xzoo.model.heads import ConvHead, LinearHead
from xzoo.train.standardise import IDENTITY, fit
from xzoo.zoo.registry import Registry


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_training_features_come_out_with_mean_0_and_deviation_1() -> None:
    features_ND = (3 + drawn(64, 5)) * torch.tensor([1e-14, 1e-3, 1.0, 10.0, 1e6])
    standard_ND = fit(features_ND, nn.Linear(5, 2))(features_ND)
    assert standard_ND.dtype == torch.float32
    assert torch.allclose(standard_ND.mean(0), torch.zeros(5), atol=1e-5)
    assert torch.allclose(standard_ND.std(0, correction=0), torch.ones(5), atol=1e-4)


def test_scales_are_relative_so_that_the_features_of_a_random_googlenet_live() -> None:
    torch.manual_seed(0)
    network = Registry.installed().get("googlenet@random").backbone.build().eval()
    network.fc = nn.Identity()
    with torch.no_grad():
        features_ND = network(drawn(6, 3, 64, 64))
    assert features_ND.std(0, correction=0).max() < 1e-8
    standard_ND = fit(features_ND, nn.Linear(1024, 2))(features_ND)
    is_alive_D = features_ND.double().std(0, correction=0) > 0
    assert is_alive_D.double().mean() > 0.5
    assert torch.equal(standard_ND.std(0, correction=0) > 0.9, is_alive_D)


def test_features_that_never_change_drop_out() -> None:
    features_ND = drawn(16, 4)
    features_ND[:, 1], features_ND[:, 2] = 0, 7e5
    features_ND[::2, 3] = 5
    features_ND[1::2, 3] = 5 * (1 + 1e-7)
    standard_ND = fit(features_ND, nn.Linear(4, 2))(features_ND)
    assert [bool(standard_ND[:, column].any()) for column in range(4)] == [True, False, False, False]
    assert torch.isfinite(fit(features_ND[:1], nn.Linear(4, 2))(features_ND)).all()


@pytest.mark.parametrize(
    ("head", "shape"),
    [(LinearHead(6, 3), (40, 6)), (ConvHead(6, 3, 1), (40, 6, 2, 2)), (ConvHead(6, 3, 2, stride=2), (40, 6, 4, 4))],
    ids=["linear", "1x1 convolution", "2x2 convolution"],
)
def test_a_folded_head_gives_on_plain_features_what_it_gave_on_standardised_ones(head: nn.Module, shape: tuple[int, ...]) -> None:
    head = copy.deepcopy(head)
    spread = torch.tensor([1e-13, 1.0, 100.0, 0.1, 1.0, 1.0]).view(1, 6, *(1,) * (len(shape) - 2))
    features = drawn(*shape) * spread + 5 * spread
    features[:, 4] = 2.5
    standardiser = fit(features, head)
    expected = head(standardiser(features))
    standardiser.fold(head)
    assert torch.allclose(head(features), expected, atol=1e-4)
    assert expected.std() > 0.1


UNFOLDABLE = {
    "no bias": nn.Linear(6, 3, bias=False),
    "convolution without bias": nn.Conv2d(6, 3, 1, bias=False),
    "padding": nn.Conv2d(6, 3, 3, padding=1),
    "groups": nn.Conv2d(6, 3, 1, groups=3),
    "more than one layer": nn.Sequential(nn.Dropout(), nn.Linear(6, 3)),
}


@pytest.mark.parametrize("head", UNFOLDABLE.values(), ids=UNFOLDABLE)
def test_a_head_that_cannot_take_the_step_in_sees_features_as_they_are(head: nn.Module) -> None:
    features = drawn(8, 6, 4, 4) if isinstance(head, nn.Conv2d) else drawn(8, 6)
    before = copy.deepcopy(head.state_dict())
    standardiser = fit(features, head)
    assert torch.equal(standardiser(features), features)
    standardiser.fold(head)
    assert all(torch.equal(tensor, before[name]) for name, tensor in head.state_dict().items())


def test_the_identity_changes_nothing() -> None:
    assert torch.equal(IDENTITY(drawn(4, 2)), drawn(4, 2))
