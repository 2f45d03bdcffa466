"""Maps against what they must be on paper, against autograd on a network cut by hand, and against networks drawn anew."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor, nn

import xzoo
from xzoo.errors import PluginError, UsageError
from xzoo.evaluate.cam import METHODS, class_maps
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.map_layer import find_layer
from xzoo.evaluate.sanity import randomised, spearman

CLASSES = ("a", "b", "c")
HEIGHT, WIDTH = 16, 24


def part(network: nn.Module, path: str) -> Any:
    return network.get_submodule(path)


def deployed(network: nn.Module, classes: tuple[str, ...] = CLASSES, **words: object) -> Deployed:
    preprocess = xzoo.Preprocess(size=(HEIGHT, WIDTH), mean=(0.5,), std=(0.25,))
    return Deployed(network, classes, preprocess, **words).eval()  # type: ignore[arg-type]


def images(count: int = 4, seed: int = 0) -> Tensor:
    return torch.rand(count, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))


def seen(batch: Tensor) -> Tensor:
    return (batch - 0.5) / 0.25


def pooled(num_outputs: int = 3, seed: int = 0) -> nn.Sequential:
    """Return convolutions, average pooling and a linear head."""
    torch.manual_seed(seed)
    body = [nn.Conv2d(1, 5, 3, stride=2), nn.ReLU(inplace=True), nn.Conv2d(5, 6, 3), nn.ReLU(inplace=True)]
    return nn.Sequential(nn.Sequential(*body), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, num_outputs))


def flattened(seed: int = 0) -> nn.Sequential:
    """Return convolutions and two linear layers, so that every place has a weight of its own."""
    torch.manual_seed(seed)
    body = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(4 * 3 * 5, 8), nn.Tanh(), nn.Linear(8, 3))


def test_behind_average_pooling_both_are_the_maps_of_the_heads_weights() -> None:
    network = pooled()
    for method in METHODS:
        found = class_maps(deployed(network, head_paths=("3",)), images(), [0, 1, 2, 0], method=method)
        features = network[0](seen(images()))
        weights = part(network, "3").weight[[0, 1, 2, 0]]
        expected = torch.einsum("bc,bchw->bhw", weights, features) / features[0, 0].numel()
        assert found.layer == xzoo.MapLayer("0", "BCHW")
        assert torch.allclose(found.signed_Bhw, expected, atol=1e-6), method


@pytest.mark.parametrize("seed", range(20))
def test_maps_agree_with_autograd_on_a_network_cut_by_hand(seed: int) -> None:
    network, batch = flattened(seed), images(3, seed)
    features = network[0](seen(batch)).detach()
    rows = torch.func.jacrev(lambda cut: network[1:](cut).sum(0))(features)
    logits = network(seen(batch))
    for target in (None, 1):
        classes = logits.argmax(1) if target is None else torch.full((3,), target)
        slopes = torch.stack([rows[int(k), place] for place, k in enumerate(classes)])
        for method in METHODS:
            found = class_maps(deployed(network, head_paths=("4",)), batch, target, method=method)
            weights = slopes.mean((2, 3), keepdim=True) if method == "grad-cam" else slopes
            expected = (features * weights).sum(1)
            assert torch.allclose(found.signed_Bhw, expected, atol=1e-6)
            assert torch.allclose(
                found.maps_BHW,
                F.interpolate(expected.relu()[:, None], (HEIGHT, WIDTH), mode="bilinear", align_corners=False)[:, 0],
                atol=1e-6,
            )
            assert found.targets == tuple(CLASSES[int(k)] for k in classes)
            assert torch.allclose(found.probabilities_BK.float(), logits.softmax(1), atol=1e-6)


def test_a_layer_whose_output_is_overwritten_behind_it_is_seen_as_it_was() -> None:
    model, network = deployed(pooled(), head_paths=("3",)), pooled()
    before = part(network, "0")[:3](seen(images()))
    found = class_maps(model, images(), 0, layer="0.2", method="hires-cam")
    weights = part(network, "3").weight[0, :, None, None] * (before > 0) / before[0, 0].numel()
    assert torch.allclose(found.signed_Bhw, (weights * before).sum(1), atol=1e-6)


def test_hirescam_shows_no_place_that_the_score_leaves_out() -> None:
    network = flattened()
    part(network, "2").weight.data.view(8, 4, 3, 5)[:, :, :, 2:] = 0
    model = deployed(network)
    assert not class_maps(model, images(), 0, method="hires-cam").signed_Bhw[:, :, 2:].any()
    assert class_maps(model, images(), 0).signed_Bhw[:, :, 2:].any()


def test_a_single_logit_speaks_for_both_classes() -> None:
    model = deployed(pooled(1), ("well", "ill"), head_paths=("3",))
    well, ill = (class_maps(model, images(), name).signed_Bhw for name in ("well", "ill"))
    assert well.any()
    assert torch.equal(well, -ill)


def test_a_map_says_the_same_alone_and_in_a_batch_and_the_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), *list(pooled())[1:3], nn.Linear(4, 3))
    model = deployed(network)
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    many = class_maps(model, images(70), "b")
    alone = class_maps(model, images(70)[40:41], "b")
    assert torch.allclose(many.signed_Bhw[40:41], alone.signed_Bhw, atol=1e-6)
    assert all(module.training for module in network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_relative_maps_reach_1_and_a_flat_one_stays_0() -> None:
    network = pooled()
    part(network, "3").weight.data[1] = 0
    relative = class_maps(deployed(network), images(), [0, 1, 2, 1]).relative()
    tops = relative.amax((1, 2))
    assert not relative[1].any()
    assert all(top == pytest.approx(1) or top == 0 for top in tops.tolist())


class Tokens(nn.Module):
    """A class token and patches of 4 pixels that mix by attention."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch = nn.Conv2d(1, 8, 4, stride=4)
        self.first = nn.Parameter(torch.randn(1, 1, 8))
        self.norm = nn.LayerNorm(8)
        self.mix = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = self.norm(torch.cat([self.first.expand(len(x), -1, -1), x], 1))
        out: Tensor = self.head((x + self.mix(x, x, x)[0])[:, 0])
        return out


def test_tokens_need_a_declared_grid_and_then_lie_in_reading_order() -> None:
    network = Tokens()
    with pytest.raises(UsageError, match="works on tokens"):
        class_maps(deployed(network, head_paths=("head",)), images())
    layer = xzoo.MapLayer("norm", "BNC", prefix_tokens=1)
    found = class_maps(deployed(network, map_layer=layer), images(), 2, method="hires-cam")
    assert found.signed_Bhw.shape == (4, 4, 6)
    tokens = network.norm(torch.cat([network.first.expand(4, -1, -1), network.patch(seen(images())).flatten(2).mT], 1)).detach()
    tokens.requires_grad_()
    score = network.head((tokens + network.mix(tokens, tokens, tokens)[0])[:, 0])[:, 2].sum()
    [slopes] = torch.autograd.grad(score, tokens)
    assert torch.allclose(found.signed_Bhw.flatten(1), (tokens * slopes).sum(2)[:, 1:].detach(), atol=1e-6)
    with pytest.raises(UsageError, match="make no grid"):
        class_maps(deployed(network, map_layer=xzoo.MapLayer("norm", "BNC")), images())


class Last(nn.Module):
    """A network whose maps have the channels last, as Swin's do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.mix, self.head = nn.Conv2d(1, 7, 4, stride=4), nn.Linear(7, 7), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.mix(self.patch(x).permute(0, 2, 3, 1)).mean((1, 2)))
        return out


def test_the_last_layer_with_the_images_shape_is_found_whatever_its_layout() -> None:
    model = deployed(Last(), head_paths=("head",))
    assert find_layer(model, images(1)) == xzoo.MapLayer("mix", "BHWC")
    found = class_maps(model, images(), 0)
    patches = part(model.network, "patch")(seen(images())).permute(0, 2, 3, 1)
    expected = (part(model.network, "mix")(patches) * part(model.network, "head").weight[0]).sum(3)
    assert torch.allclose(found.signed_Bhw, expected / 24, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"method": "score-cam"}, "method 'score-cam'"),
        ({"target": "d"}, "no class 'd'"),
        ({"target": 3}, "do not fit"),
        ({"target": [0, 1]}, "do not fit"),
        ({"layer": "0.9"}, "no layer '0.9'"),
        ({"layer": "3"}, "not laid out as an image"),
        ({"layer": xzoo.MapLayer("0", "BNC")}, "not BNC"),
    ],
)
def test_what_cannot_be_shown_is_refused(words: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        class_maps(deployed(pooled()), images(), **words)  # type: ignore[arg-type]


def test_a_layer_that_is_called_twice_or_read_by_nobody_is_refused() -> None:
    conv = nn.Conv2d(1, 1, 3, padding=1)
    twice = nn.Sequential(conv, conv, nn.Flatten(), nn.Linear(HEIGHT * WIDTH, 3))
    with pytest.raises(UsageError, match="called 2 times"):
        class_maps(deployed(twice), images(), layer="0")
    with pytest.raises(UsageError, match="laid out as the image"):
        class_maps(deployed(nn.Sequential(nn.Flatten(), nn.Linear(HEIGHT * WIDTH, 3))), images())


@pytest.mark.parametrize(("layout", "prefix"), [("NCHW", 0), ("BCHW", 1), ("BNC", -1)])
def test_a_declared_layer_is_checked(layout: str, prefix: int) -> None:
    with pytest.raises(PluginError, match="MapLayer"):
        xzoo.MapLayer("x", layout, prefix)


def test_ranks_correlate_as_scipy_says() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        one, other = rng.integers(0, 6, (2, 30)).astype(float)
        assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-12)
    assert spearman(np.ones(5), np.arange(5.0)) is None


def lit(count: int) -> tuple[Tensor, Tensor]:
    """Return images with a bright square on the left (class 0) or the right (class 1), and their classes."""
    labels = torch.arange(count) % 2
    batch = 0.3 + 0.1 * torch.rand(count, 1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
    for place, label in enumerate(labels.tolist()):
        row = 2 + place % 8
        batch[place, 0, row : row + 5, 3 + 12 * label : 8 + 12 * label] = 0.9
    return batch, labels


@pytest.fixture(scope="module")
def trained() -> Deployed:
    """A network that learnt on which side the square is."""
    network, (batch, labels) = flattened(1), lit(64)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(60):
        optimizer.zero_grad()
        loss: Any = F.cross_entropy(network(seen(batch)), labels)
        loss.backward()
        optimizer.step()
    assert (network(seen(batch)).argmax(1) == labels).all()
    return deployed(network, head_paths=("4",))


@pytest.mark.parametrize("method", METHODS)
def test_maps_change_when_what_was_learnt_is_drawn_anew(trained: Deployed, method: str) -> None:
    batch, _ = lit(32)
    before = copy.deepcopy(trained.state_dict())
    sanity = randomised(trained, batch, method=method, num_levels=3, num_draws=6)
    assert sanity.holds
    assert [level.similarity.n for level in sanity.levels] == [6, 6, 6]
    assert [level.module for level in sanity.levels] == ["4", "2", "0.0"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in trained.state_dict().items())
    assert randomised(trained, batch, method=method, num_levels=3, num_draws=6) == sanity


def test_maps_that_ignore_what_was_learnt_fail(trained: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    true = class_maps(trained, lit(32)[0])
    monkeypatch.setattr("xzoo.evaluate.sanity.class_maps", lambda *_words, **_named: true)
    sanity = randomised(trained, lit(32)[0])
    assert not sanity.holds
    assert [level.similarity.value for level in sanity.levels] == pytest.approx([1.0] * 3)
