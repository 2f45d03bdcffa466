from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.errors import PluginError
from xzoo.model import classifier as classifiers
from xzoo.model.body import body_of, whole_of
from xzoo.model.classifier import Classifier

IMAGES_BCHW = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Branching(nn.Module):
    """Goes on behind its head, and returns a tuple while it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Conv2d(4, 10, 1)

    def forward(self, images_BCHW: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        logits_BK = self.head(self.body(images_BCHW)).relu().mean((2, 3))
        return (logits_BK, logits_BK) if self.training else logits_BK


def made(head: str = "head", build: type[nn.Module] = Branching) -> Classifier:
    backbone = xzoo.Backbone(name="branching", build=build, head=xzoo.ReplaceConv(head), stages={"body": "body"}, auxiliary=())
    return classifiers.build(build(), backbone, 2, seed=0, size=(8, 8))


@torch.no_grad()
def test_a_body_ends_where_the_head_begins_whatever_comes_behind_it() -> None:
    classifier = made()
    classifier.network.eval()
    features = body_of(classifier)(IMAGES_BCHW)
    assert features.shape == (2, 4, 6, 6)
    assert torch.equal(features, classifier.features(IMAGES_BCHW))
    assert torch.equal(whole_of(classifier)(IMAGES_BCHW), classifier(IMAGES_BCHW))


def test_a_copy_is_still_and_the_classifier_is_left_as_it_was() -> None:
    classifier = made()
    classifier.learn({"body": 1.0})
    before = {name: tensor.clone() for name, tensor in classifier.network.state_dict().items()}
    head = classifier.head
    for copied in (body_of(classifier), whole_of(classifier)):
        copied(IMAGES_BCHW)
        assert not any(part.training for part in copied.modules())
        assert not any(parameter.requires_grad for parameter in copied.parameters())
    assert classifier.head is head
    assert type(classifier.head).__name__ == "ConvHead"
    assert classifier.network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in classifier.network.state_dict().items())


def test_every_tensor_of_a_body_has_one_name() -> None:
    # Two names for one tensor would stop torch.func and safetensors.
    body = body_of(made())
    assert len(dict(body.named_parameters(remove_duplicate=False))) == len(dict(body.named_parameters()))


def test_a_body_keeps_no_features() -> None:
    body = body_of(made())
    body(IMAGES_BCHW)
    assert not [value for part in body.modules() for value in vars(part).values() if isinstance(value, Tensor)]


def test_a_head_takes_float32_where_the_body_gives_bfloat16() -> None:
    whole = whole_of(made())
    whole.get_submodule("network.body").bfloat16()
    assert whole(IMAGES_BCHW.bfloat16()).dtype == torch.float32


class Deaf(Branching):
    """Calls its head on the way through `build`, and never again."""

    calls = 0

    def forward(self, images_BCHW: Tensor) -> Tensor:
        found = self.body(images_BCHW)
        type(self).calls += 1
        logits: Tensor = self.head(found) if type(self).calls == 1 else found
        return logits.mean((2, 3))


def test_a_head_that_is_not_reached_is_named() -> None:
    body = body_of(made(build=Deaf))
    with pytest.raises(PluginError, match="branching: the forward pass never reaches its head"):
        body(IMAGES_BCHW)


def test_a_body_can_be_traced_and_exported() -> None:
    body = body_of(made())
    expected = body(IMAGES_BCHW)
    exported = torch.export.export(body, (IMAGES_BCHW,)).module()
    assert torch.equal(exported(IMAGES_BCHW), expected)
    compiled = torch.compile(body, backend="eager", fullgraph=True)
    assert torch.equal(compiled(IMAGES_BCHW), expected)
