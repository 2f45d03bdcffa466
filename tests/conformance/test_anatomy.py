"""What a network holds, and in which order it works."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from xzoo.conformance import anatomy
from xzoo.conformance.numerics import IN_DOUBLE, ROUNDING, deviation, really_differs


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Linear(4, 4)
        self.first = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("kept", torch.zeros(1))
        self.register_buffer("passing", torch.zeros(1), persistent=False)
        self.mean = torch.zeros(3)
        self.layers = [nn.Linear(1, 1)]
        self.same = [self.first]

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.second.weight.dtype)
        y: Tensor = self.second(self.first(x) * self.scale)
        return y


def test_hidden_tensors_and_modules_are_found_and_own_ones_are_not() -> None:
    assert [name for name, _ in anatomy.hidden(Net())] == ["mean", "layers"]
    assert {"kept", "passing", "mean"} < anatomy.named_tensors(Net()).keys()


def test_a_word_for_a_tensor_changes_with_its_bytes_and_its_shape() -> None:
    tensor = torch.zeros(4)
    words = {anatomy.fingerprint(one) for one in (tensor, tensor.view(2, 2), tensor.double(), -tensor)}
    assert len(words) == 4
    assert anatomy.fingerprint(tensor) == anatomy.fingerprint(torch.zeros(4))


def test_a_skeleton_has_the_structure_and_no_memory() -> None:
    net = Net()
    skeleton = anatomy.copied(net, lambda tensor: torch.empty_like(tensor, device="meta"))
    assert {name: tuple(one.shape) for name, one in skeleton.state_dict().items()} == {
        name: tuple(one.shape) for name, one in net.state_dict().items()
    }
    assert {one.device.type for one in skeleton.state_dict().values()} == {"meta"}
    assert net.first.weight.device.type == "cpu"


def test_parameters_are_told_in_the_order_of_their_first_use() -> None:
    net, x = Net(), torch.ones(1, 4)
    with torch.no_grad(), anatomy.Uses(net) as uses:
        net(x)
    assert list(uses.order) == ["first.weight", "first.bias", "scale", "second.weight", "second.bias"]
    assert uses.strangers == {}


def test_a_parameter_that_belongs_to_nobody_is_a_stranger() -> None:
    net, stranger = Net(), nn.Parameter(torch.ones(4))
    with torch.no_grad(), anatomy.Uses(net) as uses:
        net(torch.ones(1, 4) * stranger)
    assert list(uses.strangers.values()) == ["a parameter of shape (4,) in mul"]


def test_a_deviation_is_told_by_what_tells_images_apart() -> None:
    expected = torch.tensor([[100.0], [101.0], [102.0]])
    assert deviation(expected + 0.5, expected) == pytest.approx(0.5)
    assert deviation(expected[:1] + 1, expected[:1]) == pytest.approx(0.01)
    assert deviation(expected, expected) == 0.0
    assert deviation(expected[:2], expected) == float("inf")
    assert deviation(expected * float("nan"), expected) == float("inf")


@pytest.mark.parametrize(
    ("off", "in_double", "differs"),
    [(ROUNDING / 2, 1.0, False), (1.0, IN_DOUBLE / 2, False), (ROUNDING * 2, 1.0, True)],
)
def test_float64_decides_what_float32_leaves_open(off: float, in_double: float, differs: bool) -> None:
    def again(network: nn.Module) -> float:
        assert next(network.parameters()).dtype == torch.float64
        return in_double

    net = Net()
    assert really_differs(off, net, again, lambda network: network(torch.eye(4))) == differs
    assert net.first.weight.dtype == torch.float32
