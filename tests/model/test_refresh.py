"""What a network made of tensors that have changed since is not answered with."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.model.classifier import Classifier, build
from xzoo.model.ownership import HEAD

SIDE = 16
IMAGES_BCHW = torch.randn(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


class Prepared(nn.Module):
    """Keeps a product of its weights ready for eval mode, and drops it when train() is called, as LeViT does."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.head = nn.Linear(3, 3), nn.Linear(3, 10)
        self.ready: dict[str, Tensor] = {}

    def train(self, mode: bool = True) -> Prepared:
        super().train(mode)
        if mode:
            self.ready = {}
        return self

    def forward(self, images_BCHW: Tensor) -> Tensor:
        square = self.mix.weight @ self.mix.weight if self.training else self.ready.setdefault("it", self._square())
        logits_BK: Tensor = self.head(images_BCHW.mean((2, 3)) @ square + self.mix.bias)
        return logits_BK

    def _square(self) -> Tensor:
        return (self.mix.weight @ self.mix.weight).detach()


def made() -> Classifier:
    torch.manual_seed(0)
    size = xzoo.Preprocess(size=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)
    net = xzoo.Backbone(name="net", build=Prepared, head=xzoo.ReplaceLinear("head"), stages={"mix": "mix"}, preprocess=size)
    return build(net.build(), net, 2, size=(SIDE, SIDE), seed=0)


@pytest.mark.parametrize("way", ["learn", "restore"])
def test_what_a_network_keeps_ready_for_eval_mode_does_not_outlive_its_tensors(way: str) -> None:
    classifier, other = made(), made()
    doubled = {name: 2 * tensor for name, tensor in classifier.learnt({"mix", HEAD}).items()}
    other.restore(doubled)
    expected = other.network.train()(IMAGES_BCHW)
    assert not torch.equal(classifier.network.eval()(IMAGES_BCHW), expected)
    if way == "restore":
        classifier.restore(doubled)
    else:
        with torch.no_grad():
            for name, parameter in classifier.network.named_parameters():
                parameter.copy_(doubled[name])
        classifier.learn({})
    assert torch.equal(classifier.network.eval()(IMAGES_BCHW), expected)
