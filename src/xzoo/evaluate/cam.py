"""Class activation maps: which places of an image an answer rests on, at a layer whose output is still laid out as the image is.

B = images, C = channels, H, W = pixels, h, w = places of the layer's output, K = classes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xzoo.errors import UsageError
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.map_layer import find_layer, pictured, resolved
from xzoo.model.modes import evaluating
from xzoo.train.objective import probabilities
from xzoo.zoo.maps import MapLayer
from xzoo.zoo.wording import did_you_mean

METHODS = ("grad-cam", "hires-cam")
BATCH_SIZE = 32


@dataclass(frozen=True, eq=False)
class Maps:
    """One map per image.

    `signed_Bhw` is what each place of `layer` adds to the score of the image's `targets` class, in logits for "hires-cam".
    `maps_BHW` is its positive part at the size of the network's input, in the same unit: maps of different images compare.
    """

    method: str
    layer: MapLayer
    targets: tuple[str, ...]
    signed_Bhw: Tensor
    maps_BHW: Tensor
    probabilities_BK: Tensor

    def relative(self) -> Tensor:
        """Return the maps (B,H,W), each divided by its maximum; one that is 0 everywhere stays so."""
        return self.maps_BHW / self.maps_BHW.amax((1, 2), keepdim=True).clamp(min=torch.finfo(self.maps_BHW.dtype).tiny)


def class_maps(
    model: Deployed,
    images_BCHW: Tensor,
    target: str | int | Sequence[int] | None = None,
    *,
    method: str = "grad-cam",
    layer: str | MapLayer | None = None,
) -> Maps:
    """Return the maps of images as `Deployed` takes them, for one class, one for each image, or each image's answer.

    Grad-CAM weighs each channel by its mean gradient (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391, equations 1, 2);
    HiResCAM multiplies place by place (Draelos and Carin 2020, https://arxiv.org/abs/2011.08891), and so shows no place that the
    score does not use; where average pooling and a linear head follow the layer both are alike. The score is the class's logit;
    of a single logit z, z for the second class and -z for the first. The network is in eval mode meanwhile. Raises UsageError
    for an unknown class, method or layer, and where no layer's output is laid out as an image.
    """
    if method not in METHODS:
        raise UsageError(f"the method {method!r} is unknown", f"use {' or '.join(METHODS)}")
    with evaluating(model), torch.no_grad():
        fitted_BCHW = model.fitted(images_BCHW)
        found = resolved(model, layer, fitted_BCHW[:1]) if layer is not None else find_layer(model, fitted_BCHW[:1])
    parts = [
        _of_batch(model, batch_BCHW, numbers, found, method)
        for batch_BCHW, numbers in _batches(fitted_BCHW, _numbers(model, target, len(fitted_BCHW)))
    ]
    signed_Bhw, logits_BK, targets_B = (torch.cat([part[place] for part in parts]) for place in range(3))
    size = tuple(fitted_BCHW.shape[-2:])
    maps_BHW = F.interpolate(signed_Bhw.clamp(min=0)[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    names = tuple(model.classes[int(number)] for number in targets_B)
    return Maps(method, found, names, signed_Bhw, maps_BHW, probabilities(logits_BK))


def _batches(fitted_BCHW: Tensor, numbers_B: Tensor | None) -> list[tuple[Tensor, Tensor | None]]:
    starts = range(0, len(fitted_BCHW), BATCH_SIZE)
    return [(fitted_BCHW[at : at + BATCH_SIZE], None if numbers_B is None else numbers_B[at : at + BATCH_SIZE]) for at in starts]


def _numbers(model: Deployed, target: str | int | Sequence[int] | None, num_images: int) -> Tensor | None:
    """Return the class of each image as a number, None where it is the answer."""
    if target is None:
        return None
    if isinstance(target, str):
        if target not in model.classes:
            known = f"its classes are: {', '.join(model.classes)}"
            raise UsageError(f"there is no class {target!r}", did_you_mean(target, list(model.classes)) + known)
        target = model.classes.index(target)
    numbers = [target] * num_images if isinstance(target, int) else [int(one) for one in target]
    if len(numbers) != num_images or not all(0 <= one < len(model.classes) for one in numbers):
        raise UsageError(
            f"classes {numbers[:5]} do not fit {num_images} images of {len(model.classes)} classes",
            "name one class, or give one number from 0 on for each image",
        )
    return torch.tensor(numbers)


def _of_batch(
    model: Deployed, fitted_BCHW: Tensor, numbers_B: Tensor | None, layer: MapLayer, method: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the signed maps, the logits and the classes of one batch."""
    leaves: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
        # What comes behind may write into its input, so it is given a copy of the tensor that gradients are asked for.
        leaves.append(out.detach().requires_grad_())
        return leaves[-1].clone()

    handle = model.network.get_submodule(layer.path).register_forward_hook(cut)
    try:
        with evaluating(model), torch.enable_grad():
            logits_BK = model.logits(fitted_BCHW)
            targets_B = (logits_BK.argmax(1) if numbers_B is None else numbers_B).to(logits_BK.device)
            score = _scores(logits_BK, targets_B).sum()
            _check_calls(leaves, layer, score)
            [gradient] = torch.autograd.grad(score, leaves, allow_unused=True)
    finally:
        handle.remove()
    if gradient is None:
        raise UsageError(f"no score depends on {layer.path!r}", "name a layer that the answers come through")
    size = (int(fitted_BCHW.shape[-2]), int(fitted_BCHW.shape[-1]))
    values_BChw, slopes_BChw = pictured(leaves[0].detach(), layer, size), pictured(gradient, layer, size)
    if method == "grad-cam":
        slopes_BChw = slopes_BChw.mean((2, 3), keepdim=True)
    return (values_BChw * slopes_BChw).sum(1).float().cpu(), logits_BK.detach().cpu(), targets_B.cpu()


def _scores(logits_BK: Tensor, targets_B: Tensor) -> Tensor:
    scores_B = logits_BK.gather(1, targets_B[:, None])[:, 0]
    is_single = logits_BK.shape[1] == 2 and not logits_BK[:, 0].any()
    # A network of one logit comes as (0, z).
    return torch.where(targets_B == 0, -logits_BK[:, 1], scores_B) if is_single else scores_B


def _check_calls(leaves: Sequence[Tensor], layer: MapLayer, score: Tensor) -> None:
    if len(leaves) != 1:
        raise UsageError(
            f"{layer.path!r} is called {len(leaves)} times for an image, so that there is no one map", "name another layer"
        )
    if not score.requires_grad:
        raise UsageError(f"no score depends on {layer.path!r}", "name a layer that the answers come through")
