"""A network that answers with several heads, as distilled transformers do.

B = images in a batch, D = features of one head, K = outputs
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.errors import PluginError
from xzoo.model.body import body_of, whole_of
from xzoo.model.classifier import Classifier, build
from xzoo.model.heads import LinearHead
from xzoo.model.ownership import HEAD
from xzoo.train import standardise

INPUT = xzoo.Preprocess(size=8, mean=(0.5,) * 3, std=(0.5,) * 3)


class TwoHeads(nn.Module):
    """A plain head on the mean, and one on every place of the picture whose largest answer counts by half."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, stride=4)
        self.head = nn.Linear(4, 10)
        self.extra = nn.Linear(4, 10)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        x = self.body(images_BCHW).flatten(2).transpose(1, 2)
        most: Tensor = self.extra(x).max(1)[0]
        answer: Tensor = self.head(x.mean(1)) + 0.5 * most
        return answer


class Mean(TwoHeads):
    def forward(self, images_BCHW: Tensor) -> Tensor:
        x = self.body(images_BCHW)
        answer: Tensor = (self.head(x.mean((2, 3))) + self.extra(x.amax((2, 3)))) / 2
        return answer


def most_counts_half(network: nn.Module, outputs: Sequence[Tensor]) -> Tensor:
    del network
    return outputs[0] + 0.5 * outputs[1].max(1)[0]


HEADS = xzoo.ReplaceSeveral((xzoo.ReplaceLinear("head"), xzoo.ReplaceLinear("extra")))
JOINED = xzoo.ReplaceSeveral(HEADS.parts, most_counts_half)


def made(network: type[nn.Module] = Mean, head: xzoo.ReplaceSeveral = HEADS) -> Classifier:
    backbone = xzoo.Backbone(name="two", build=network, head=head, stages={"body": "body"}, preprocess=INPUT)
    return build(backbone.build(), backbone, 3, seed=0, size=(8, 8))


def images(num_images: int = 5) -> Tensor:
    return torch.randn(num_images, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("network", "head", "width"), [(Mean, HEADS, 8), (TwoHeads, JOINED, 20)])
@torch.no_grad()
def test_features_are_the_inputs_of_all_heads_side_by_side(
    network: type[nn.Module], head: xzoo.ReplaceSeveral, width: int
) -> None:
    classifier, images_BCHW = made(network, head), images()
    classifier.network.eval()
    features_BF = classifier.features(images_BCHW)
    assert features_BF.shape == (5, width)
    assert torch.equal(classifier.logits_of(features_BF), classifier(images_BCHW))
    assert torch.equal(body_of(classifier)(images_BCHW), features_BF)
    assert torch.allclose(whole_of(classifier)(images_BCHW), classifier(images_BCHW), atol=1e-6)


def test_every_head_is_replaced_and_owned_by_the_head() -> None:
    classifier = made()
    assert {name for name, owner in classifier.tensor_owner.items() if owner == HEAD} == {
        *("head.weight", "head.bias", "extra.weight", "extra.bias")
    }
    heads = [classifier.network.get_submodule(path) for path in ("head", "extra")]
    assert [type(head) for head in heads] == [LinearHead, LinearHead]
    classifier.learn({})
    assert {name for name, parameter in classifier.network.named_parameters() if not parameter.requires_grad} == {
        *("body.weight", "body.bias")
    }


def test_new_heads_follow_from_the_seed() -> None:
    classifier, again = made(), made()
    drawn = classifier.head.state_dict()
    again.redraw_head(1)
    assert not torch.equal(again.head.state_dict()["parts.0.weight"], drawn["parts.0.weight"])
    again.redraw_head(0)
    assert all(torch.equal(tensor, drawn[name]) for name, tensor in again.head.state_dict().items())


def test_a_standardisation_folds_into_each_head() -> None:
    classifier = made()
    classifier.network.eval()
    features_NF = 3 * classifier.features(images(20)) + 7
    standardiser = standardise.fit(features_NF, classifier.head)
    assert len(standardiser.mean_D) == 8
    expected_NK = classifier.logits_of(standardiser(features_NF))
    standardiser.fold(classifier.head)
    assert torch.allclose(classifier.logits_of(features_NF), expected_NK, atol=1e-5)


def test_a_head_on_every_place_sees_features_as_they_are() -> None:
    classifier = made(TwoHeads, JOINED)
    assert standardise.fit(classifier.features(images()), classifier.head) is standardise.IDENTITY


def test_a_head_that_is_not_reached_is_named() -> None:
    backbone = xzoo.Backbone(name="two", build=Deaf, head=HEADS, stages={"body": "body"}, preprocess=INPUT)
    with pytest.raises(PluginError, match="never reaches its head 'extra'"):
        build(Deaf(), backbone, 3, seed=0, size=(8, 8))


class Deaf(Mean):
    def forward(self, images_BCHW: Tensor) -> Tensor:
        answer: Tensor = self.head(self.body(images_BCHW).mean((2, 3)))
        return answer


@pytest.mark.parametrize(
    "parts", [(xzoo.ReplaceLinear("head"),), (xzoo.ReplaceLinear("head"), xzoo.ReplaceLinear("extra", after=("flatten",)))]
)
def test_one_head_or_heads_with_something_behind_are_refused(parts: tuple[xzoo.ReplaceLinear, ...]) -> None:
    with pytest.raises(PluginError, match="two heads or more"):
        xzoo.ReplaceSeveral(parts)
