"""xzoo's class activation maps held against those of two other libraries, on whole networks.

    python tests/real/cam_agreement.py [NAME ...]          # needs captum and grad-cam (pytorch-grad-cam), which xzoo does not

Networks start at random, so nothing is fetched. Prints a table: the largest difference relative to the largest value of a map, by
network, method and library. Exits 1 where one is above 1e-4. pytest does not collect this file.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn

import xzoo
from xzoo.evaluate.cam import Maps, class_maps
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.map_layer import declared_layer
from xzoo.zoo.registry import Registry

NETWORKS = tuple(sys.argv[1:]) or ("alexnet", "resnet18", "densenet121", "squeezenet1_1", "swin_t", "vit_b_32")
TARGETS = [3, 17, 500]
BOUND = 1e-4


def main() -> int:
    """Print the table and return the exit code."""
    print("| network | layer | method | library | largest difference |\n| --- | --- | --- | --- | --- |", flush=True)
    worst = 0.0
    for name in NETWORKS:
        model, images_BCHW = deployed(name)
        for method in ("grad-cam", "hires-cam"):
            ours = class_maps(model, images_BCHW, TARGETS, method=method)
            for library, theirs in others(model, images_BCHW, ours):
                mine = ours.signed_Bhw.relu()
                difference = float((mine - theirs).abs().max() / mine.abs().max())
                worst = max(worst, difference if math.isfinite(difference) else 1.0)
                print(f"| {name} | {ours.layer.path} | {method} | {library} | {difference:.1e} |", flush=True)
    return int(worst > BOUND)


def deployed(name: str) -> tuple[Deployed, Tensor]:
    """Return a network with its published head, random weights and three images."""
    backbone = Registry.installed().get(f"{name}@random").backbone
    torch.manual_seed(0)
    network = backbone.build().eval()
    # Some published heads start at 0, and their maps would be 0 everywhere.
    nn.init.normal_(network.get_submodule(backbone.head.paths[0]).weight, std=0.05)  # type: ignore[arg-type]
    classes = [str(place) for place in range(1000)]
    layer = declared_layer(backbone, network)
    model = Deployed(network, classes, backbone.preprocess, map_layer=layer, head_paths=backbone.head.paths)
    return model.eval(), torch.rand(3, 3, *backbone.preprocess.shape)


def others(model: Deployed, images_BCHW: Tensor, ours: Maps) -> Iterator[tuple[str, Tensor]]:
    """Yield each library's maps at the layer's own places, 0 or above."""
    module = model.network.get_submodule(ours.layer.path)
    seen_BCHW = (images_BCHW - torch.tensor(model.preprocess.mean)[:, None, None]) / torch.tensor(model.preprocess.std)[
        :, None, None
    ]
    if ours.method == "grad-cam" and ours.layer.layout == "BCHW":
        from captum.attr import LayerGradCam

        yield "captum", LayerGradCam(model.network, module).attribute(seen_BCHW, target=TARGETS)[:, 0].detach().relu()
    yield "grad-cam", _grad_cam(model, module, seen_BCHW, ours)


def _grad_cam(model: Deployed, module: nn.Module, seen_BCHW: Tensor, ours: Maps) -> Tensor:
    from pytorch_grad_cam import GradCAM, HiResCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def gridded(output: Tensor) -> Tensor:
        if ours.layer.layout == "BNC":
            side = round((output.shape[1] - ours.layer.prefix_tokens) ** 0.5)
            return output[:, ours.layer.prefix_tokens :].reshape(len(output), side, side, -1).permute(0, 3, 1, 2)
        # It keeps the tensor itself, which DenseNet's ReLU then overwrites; a copy is what the layer gave.
        return output.permute(0, 3, 1, 2) if ours.layer.layout == "BHWC" else output.clone()

    kind = {"grad-cam": GradCAM, "hires-cam": HiResCAM}[ours.method]
    with kind(model=model.network, target_layers=[module], reshape_transform=gridded) as cam:
        cam(input_tensor=seen_BCHW, targets=[ClassifierOutputTarget(number) for number in TARGETS])
        values, slopes = cam.activations_and_grads.activations[0], cam.activations_and_grads.gradients[0]
        maps = cam.get_cam_image(seen_BCHW, module, TARGETS, values.numpy(), slopes.numpy(), False)
    return torch.from_numpy(maps).relu()


if __name__ == "__main__":
    print(f"xzoo {xzoo.__version__}, torch {torch.__version__}")
    sys.exit(main())
