from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xzoo.model.cost import count_params, gmacs


class Attention(nn.Module):
    """Four heads of eight numbers, over the pixels of one channel of 32 columns."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        tokens_BHW = images_BCHW[:, 0]
        attended: Tensor = self.attention(tokens_BHW, tokens_BHW, tokens_BHW, need_weights=False)[0]
        return attended


class Fused(nn.Module):
    def forward(self, images_BCHW: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(images_BCHW, images_BCHW, images_BCHW)


class Looking(nn.Module):
    """What it does depends on what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        seen: Tensor = self.convolution(images_BCHW)
        return seen if images_BCHW.sum().item() >= 0 else seen * 2


class Helped(nn.Module):
    """It has an auxiliary head while it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.main, self.auxiliary = nn.Linear(8, 2), nn.Linear(8, 100)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        features_BD = images_BCHW.flatten(1)
        if self.training:
            self.auxiliary(features_BD)
        logits_BK: Tensor = self.main(features_BD)
        return logits_BK


def small() -> nn.Sequential:
    body = [
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
    ]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 5))


SMALL_GMACS = (16 * 16 * 8 * 3 * 9 + 16 * 16 * 8 * 9 + 8 * 5) / 1e9


def test_parameters_are_counted_without_buffers() -> None:
    assert count_params(small()) == 3 * 8 * 9 + 2 * 8 + (8 * 9 + 8) + (8 * 5 + 5)


@pytest.mark.parametrize("prefix", ["aux1", "aux1."])
def test_an_excluded_prefix_is_a_module_and_not_a_beginning_of_letters(prefix: str) -> None:
    network = nn.ModuleDict({"aux1": nn.Linear(2, 2), "aux10": nn.Linear(3, 3), "fc": nn.Linear(4, 4)})
    assert count_params(network, [prefix]) == 12 + 20
    assert count_params(network, ["aux1", "fc.bias"]) == 12 + 16


def test_shared_parameters_are_counted_once() -> None:
    layer = nn.Linear(4, 4)
    assert count_params(nn.Sequential(layer, nn.ReLU(), layer)) == 20


def test_convolutions_and_products_are_counted_as_by_hand() -> None:
    assert gmacs(small(), (32, 32), 3) == pytest.approx(SMALL_GMACS)


def test_only_what_is_deployed_is_counted() -> None:
    assert gmacs(Helped().train(), (2, 4), 1) == pytest.approx(8 * 2 / 1e9)


def test_height_and_width_are_told_apart() -> None:
    flattening = nn.Sequential(nn.Conv2d(1, 1, (3, 1)), nn.Flatten(), nn.Linear(8 * 20, 2))
    assert gmacs(flattening, (10, 20), 1) == pytest.approx((8 * 20 * 3 + 8 * 20 * 2) / 1e9)


@pytest.mark.parametrize("inference", [False, True])
def test_attention_is_counted_also_where_torch_would_fuse_it(inference: bool) -> None:
    with torch.inference_mode(inference):
        measured = gmacs(Attention(), (10, 32), 1)
    projections, products = 4 * 10 * 32 * 32, 2 * 10 * 10 * 32
    assert measured == pytest.approx((projections + products) / 1e9)


def test_fused_attention_without_parameters_is_counted() -> None:
    assert gmacs(Fused(), (16, 8), 2) == pytest.approx(2 * 2 * 16 * 16 * 8 / 1e9)


def test_a_network_that_looks_at_values_is_run_for_real() -> None:
    assert gmacs(Looking(), (8, 8), 1) == pytest.approx(8 * 8 * 4 * 9 / 1e9)


def test_attention_that_runs_for_real_is_counted_too() -> None:
    assert gmacs(nn.Sequential(Looking(), Attention()), (10, 32), 1) == pytest.approx(
        (10 * 32 * 4 * 9 + 4 * 10 * 32 * 32 + 2 * 10 * 10 * 32) / 1e9
    )


def test_counting_changes_nothing() -> None:
    network = small().train()
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    flags = [part.training for part in network.modules()]
    fused = torch.backends.mha.get_fastpath_enabled()
    gmacs(network, (32, 32), 3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert [part.training for part in network.modules()] == flags
    assert torch.backends.mha.get_fastpath_enabled() == fused
    assert all(parameter.requires_grad and parameter.device.type == "cpu" for parameter in network.parameters())


def test_a_failing_forward_is_told_and_leaves_the_modes_as_they_were() -> None:
    network = small().train()
    with pytest.raises(RuntimeError, match="expected input"):
        gmacs(network, (32, 32), 1)
    assert all(part.training for part in network.modules())


def test_a_network_without_memory_can_be_counted() -> None:
    with torch.device("meta"):
        network = small()
    assert gmacs(network, (32, 32), 3) == pytest.approx(SMALL_GMACS)


@pytest.mark.parametrize(
    "name", ["alexnet", "googlenet", "resnet18", "resnet34", "resnet50", "densenet121", "vgg16", "vit_b_16", "swin_t"]
)
def test_torchvisions_published_figures_are_met_within_one_percent(name: str) -> None:
    from torchvision import models

    weights = models.get_model_weights(name)["IMAGENET1K_V1"]
    with torch.device("meta"):
        network = models.get_model(name, weights=None, **({"init_weights": True} if name == "googlenet" else {}))
    assert gmacs(network, (224, 224), 3) == pytest.approx(weights.meta["_ops"], rel=0.01)
    assert count_params(network, ["aux1", "aux2"]) == weights.meta["num_params"]


def test_a_tensor_of_two_names_is_counted_by_both_uses() -> None:
    first, second = nn.Conv2d(3, 3, 1, bias=False), nn.Conv2d(3, 3, 1, bias=False)
    second.weight = first.weight
    assert count_params(nn.Sequential(first, second)) == 9
    assert gmacs(nn.Sequential(first, second), (10, 10), 3) == pytest.approx(2 * 900e-9)
