"""Where maps look in timm's networks of tokens: the declared grid is the picture's, and the maps are those computed by hand."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.evaluate.cam import class_maps
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.map_layer import declared_layer, find_layer, pictured
from xzoo_timm import catalogue
from xzoo_timm.maps import FAMILIES, map_layer

CLASSES = ("a", "b", "c")
LITTLE: Mapping[str, Any] = {"img_size": 64, "depth": 3, "embed_dim": 48, "num_heads": 3}
STAGED: Mapping[str, Any] = {"embed_dims": (16, 24, 32, 48), "depths": (1, 1, 1, 2), "num_heads": (1, 2, 4, 8)}
NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "beit_base_patch16_224": LITTLE,
    "cait_xxs24_224": {**LITTLE, "depth_token_only": 2},
    "coat_lite_tiny": {"img_size": 128},
    "convit_tiny": {**LITTLE, "embed_dim": 16, "local_up_to_layer": 2},
    "deit_tiny_distilled_patch16_224": LITTLE,
    "efficientformer_l1": {"embed_dims": (16, 24, 32, 48), "depths": (1, 1, 1, 2)},
    "vit_tiny_patch16_dinov3_qkvb": LITTLE,
    "hiera_tiny_224": {"img_size": (128, 128), "embed_dim": 24, "stages": (1, 1, 2, 1)},
    "levit_128s": {"embed_dim": (32, 48, 64), "depth": (1, 1, 2), "num_heads": (2, 3, 4)},
    "mixer_s16_224": {"img_size": 64},
    "mvitv2_tiny": {"img_size": (128, 128)},
    "naflexvit_base_patch16_gap": {"embed_dim": 48, "depth": 3, "num_heads": 3},
    "pit_ti_224": {"img_size": 128, "base_dims": (8, 8, 8), "depth": (1, 1, 2)},
    "tnt_s_patch16_224": {"img_size": 64, "depth": 3, "embed_dim": 48, "inner_dim": 12, "num_heads_outer": 3},
    "twins_svt_small": {**STAGED, "img_size": 128},
    "test_vit": {"img_size": 64},
    "vit_tiny_r_s16_p8_224": {"img_size": 128, "depth": 3, "embed_dim": 48},
    "test_vit_relpos": {"img_size": 64},
    "vitamin_small_224": {"img_size": 64, "depth": 3},
    "volo_d1_224": {"img_size": 64},
    "xcit_nano_12_p16_224": LITTLE,
    "vit_relpos_small_patch16_rpn_224": LITTLE,
    "vit_base_patch16_rpn_224": LITTLE,
}
"""One of each family that is declared, made small, and those of other blocks; by the arguments that make them so."""

SIZES = {"efficientformer_l1": 224, "levit_128s": 224} | dict.fromkeys(
    ("coat_lite_tiny", "hiera_tiny_224", "mvitv2_tiny", "pit_ti_224", "twins_svt_small", "vit_tiny_r_s16_p8_224"), 128
)
"""Sides of images other than 64 pixels, so that the grid has four places or more."""

SLOW = ("coat_lite_tiny", "mvitv2_tiny", "vitamin_small_224", "volo_d1_224")


def made(name: str, **words: Any) -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = importlib.import_module("timm").create_model(name, num_classes=3, **{**NETWORKS[name], **words})
    for path, parameter in module.named_parameters():
        if path.endswith("attention_biases"):
            # LeViT's places start with equal shares of all others; the first bias is that of a place for itself.
            parameter.data = -torch.arange(parameter.shape[1], dtype=torch.float32).expand_as(parameter).clone()
    return module.eval()


def family(name: str) -> str:
    found: str = catalogue.table()["networks"][name]["family"]
    return found


def places(module: nn.Module, layer: xzoo.MapLayer, images_BCHW: Tensor) -> Tensor:
    """Return what the declared layer gives, as (B,C,h,w)."""
    kept: list[Tensor] = []
    handle = module.get_submodule(layer.path).register_forward_hook(lambda _module, _inputs, out: kept.append(out))
    with torch.no_grad():
        module(images_BCHW)
    handle.remove()
    [out] = kept
    size = (int(images_BCHW.shape[2]), int(images_BCHW.shape[3]))
    return pictured(out, layer, size)


def moved(module: nn.Module, layer: xzoo.MapLayer, size: int) -> Tensor:
    """Return how much each place (h,w) moves when the part of the image at each place changes: (h,w,h,w), on a relative scale.

    What some places move more than others, and what some parts move more, is taken out.
    """
    image_CHW = torch.randn(3, size, size, generator=torch.Generator().manual_seed(1))
    before_Chw = places(module, layer, image_CHW[None])[0]
    h, w = before_Chw.shape[1:]
    step = size // h
    others = image_CHW.repeat(h * w, 1, 1, 1)
    for place in range(h * w):
        row, column = (step * one for one in divmod(place, w))
        others[place, :, row : row + step, column : column + step] *= -1
    moved_PP = (places(module, layer, others) - before_Chw).norm(dim=1).flatten(1)
    moved_PP = moved_PP.clamp(min=1e-6 * float(moved_PP.max())).log()
    moved_PP = moved_PP - moved_PP.mean(0) - moved_PP.mean(1, keepdim=True) + moved_PP.mean()
    grid_hwhw: Tensor = moved_PP.view(h, w, h, w)
    return grid_hwhw


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in NETWORKS])
def test_what_changes_in_the_image_moves_its_own_place_of_the_grid(name: str) -> None:
    """Of all shifts, mirrorings and exchanges of rows and columns the grid as declared explains best what moves."""
    module = made(name)
    layer = map_layer(family(name), module)
    assert layer is not None
    moved_hwhw = moved(module, layer, SIZES.get(name, 64))
    h, w = moved_hwhw.shape[:2]
    assert h == w > 1
    order = torch.arange(h * w).view(h, w)
    grids = {"declared": order, "mirrored": order.flip(1), "upside down": order.flip(0), "turned": order.T}
    grids |= {f"{shift} further": order.flatten().roll(shift).view(h, w) for shift in range(1, h * w)}
    explained = {word: float(moved_hwhw.reshape(h * w, h * w)[order, grid].mean()) for word, grid in grids.items()}
    assert max(explained, key=explained.__getitem__) == "declared"
    assert explained["declared"] > 0.1


def test_a_class_tokens_map_is_what_autograd_says_behind_the_last_attention() -> None:
    module: Any = made("deit_tiny_distilled_patch16_224")
    images_BCHW = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    last, before = module.blocks[-1], []
    handle = last.register_forward_pre_hook(lambda _module, inputs: before.append(inputs[0].detach()))
    logits_BK = module(images_BCHW)
    handle.remove()
    read_BNC = last.norm1(before[0]).detach().requires_grad_()
    x_BNC = before[0] + last.attn(read_BNC)
    x_BNC = module.norm(x_BNC + last.mlp(last.norm2(x_BNC)))
    by_hand_BK = (module.head(x_BNC[:, 0]) + module.head_dist(x_BNC[:, 1])) / 2
    assert torch.allclose(by_hand_BK, logits_BK, atol=1e-5)
    [slopes_BNC] = torch.autograd.grad(by_hand_BK[:, 1].sum(), read_BNC)
    found = class_maps(deployed("deit_tiny_distilled_patch16_224", module), images_BCHW, 1, method="hires-cam")
    assert found.layer == xzoo.MapLayer("blocks.2.norm1", "BNC", prefix_tokens=2)
    expected = (read_BNC * slopes_BNC).sum(2)[:, 2:].detach()
    assert expected.abs().max() > 1e-6
    assert torch.allclose(found.signed_Bhw.flatten(1), expected, atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize(("name", "words"), [("mixer_s16_224", {}), ("test_vit", {"global_pool": "avg", "fc_norm": False})])
def test_where_places_are_averaged_a_place_adds_what_the_heads_weights_make_of_it(name: str, words: Mapping[str, Any]) -> None:
    module = made(name, **words)
    head: Any = module.get_submodule("head")
    nn.init.normal_(head.weight, generator=torch.Generator().manual_seed(3))
    images_BCHW = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    layer = map_layer(family(name), module)
    assert layer == xzoo.MapLayer("norm", "BNC", prefix_tokens=1 if name == "test_vit" else 0)
    places_BChw = places(module, layer, images_BCHW)
    found = class_maps(deployed(name, module), images_BCHW, 2, method="hires-cam")
    expected = torch.einsum("bchw,c->bhw", places_BChw, head.weight[2].detach()) / places_BChw[0, 0].numel()
    assert torch.allclose(found.signed_Bhw, expected, atol=1e-6)


def deployed(name: str, module: nn.Module) -> Deployed:
    size = SIZES.get(name, 64)
    preprocess = xzoo.Preprocess(size=(size, size), mean=(0.0,) * 3, std=(1.0,) * 3)
    backbone = catalogue.get(name)
    return Deployed(
        module, CLASSES, preprocess, map_layer=declared_layer(backbone, module), head_paths=backbone.head.paths
    ).eval()


@pytest.mark.parametrize("name", ["test_resnet", "swin_tiny_patch4_window7_224", "test_convnext"])
def test_the_last_picture_of_other_networks_is_found(name: str) -> None:
    backbone = catalogue.get(name)
    module = importlib.import_module("timm").create_model(name).eval()
    assert declared_layer(backbone, module) is None
    model = Deployed(module, tuple(map(str, range(1000))), backbone.preprocess, head_paths=backbone.head.paths).eval()
    layer = find_layer(model, torch.zeros(1, 3, *backbone.preprocess.shape))
    assert layer.layout == ("BHWC" if name.startswith("swin") else "BCHW")


def test_tokens_of_several_grids_have_no_one_map() -> None:
    for name in ("coat_tiny", "crossvit_tiny_240", "levit_conv_128s"):
        with torch.device("meta"):
            module = importlib.import_module("timm").create_model(name)
        assert map_layer(family(name), module) is None


def test_every_declared_family_is_tried() -> None:
    assert {family(name) for name in NETWORKS} == FAMILIES.keys()
