from __future__ import annotations

import pytest
import torch
from torch import nn

from xzoo.errors import ProofError
from xzoo.runs.result import Proof
from xzoo.train.proof import demand, moved, prove, snapshot


class Net(nn.Module):
    """A body with running statistics, another buffer and an empty parameter; and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.norm, self.head = nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2)
        self.norm.register_buffer("note", torch.zeros(2))
        self.body.register_parameter("none", nn.Parameter(torch.empty(0)))


OWNER = {name: "head" if name.startswith("head") else "body" for name in Net().state_dict()}
STATISTICS = {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"}
BODY = {"body.weight", "body.bias", "norm.weight", "norm.bias"}


def after(*names: str, learning: tuple[str, ...] = ("head",)) -> Proof:
    """Return the proof after these tensors, and no others, moved."""
    network = Net()
    before = snapshot(network)
    for name in names:
        network.state_dict()[name].add_(1)
    return prove(before, network, OWNER, learning)


def test_the_promise_is_kept_where_what_learns_moved_and_nothing_else() -> None:
    assert after("head.weight", "head.bias").holds
    assert after("head.weight", "head.bias", *BODY, *STATISTICS, learning=("head", "body")).holds


@pytest.mark.parametrize("name", sorted(BODY | STATISTICS | {"norm.note"}))
def test_each_frozen_tensor_that_moved_is_named_buffers_too(name: str) -> None:
    assert after("head.weight", "head.bias", name) == Proof(should_stay_moved=(name,))


@pytest.mark.parametrize("name", sorted(BODY | STATISTICS))
def test_each_tensor_that_should_learn_and_did_not_is_named(name: str) -> None:
    others = (BODY | STATISTICS | {"head.weight", "head.bias"}) - {name}
    assert after(*others, learning=("head", "body")) == Proof(should_learn_did_not=(name,))


def test_other_buffers_of_what_learns_are_free() -> None:
    learning = ("head", "body")
    everything = ("head.weight", "head.bias", *BODY, *STATISTICS)
    assert after(*everything, "norm.note", learning=learning).holds


def test_the_least_difference_counts() -> None:
    network = Net()
    before = snapshot(network)
    with torch.no_grad():
        network.body.bias[0] = torch.nextafter(network.body.bias[0], torch.tensor(9.0))
    assert moved(before, network.state_dict()) == {"body.bias"}


def test_a_snapshot_does_not_follow_the_network() -> None:
    network = Net()
    before = snapshot(network)
    with torch.no_grad():
        network.body.weight.zero_()
    assert before["body.weight"].any()


def test_a_broken_promise_names_how_many_and_which() -> None:
    proof = Proof(tuple("abcd"), ("e",))
    with pytest.raises(ProofError) as caught:
        demand(proof, "at the end")
    assert caught.value.text == "at the end: 4 frozen tensors moved (a, b, c) and 1 tensors that should learn did not (e)"
    assert caught.value.exit_code == 4
    kept = Proof()
    assert demand(kept, "at the end") is kept
