"""Drawn images, and a network set to values at which nothing cancels and nothing is zero by its start.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from xzoo.conformance.numerics import deviation
from xzoo.model.classifier import Classifier
from xzoo.model.heads import seeded

_COARSE = 4
_SMALL = 0.1
_NUDGE = 1e-6
_MOST_AMPLIFIED = 1e4
"""From here on float32's rounding grows to what tells images apart: EfficientNet-B5 with drawn constants makes 10^6 of it."""

_HALVINGS = 2


def draw(count: int, num_channels: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Return images that are unlike each other as light and shadow make them, and grainy: of deviation near 1 (B,C,H,W)."""
    stream = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, num_channels, _COARSE, _COARSE, generator=stream)
    grain_BCHW = torch.randn(count, num_channels, *size, generator=stream)
    return F.interpolate(coarse, size, mode="bilinear") + 0.5 * grain_BCHW


def enliven(classifier: Classifier, images_BCHW: Tensor) -> None:
    """Draw parameters that start as constants, and set running statistics to those of the images.

    Residual branches that start at 0 let no gradient through, and random networks whose statistics start at 0 and 1 may let no
    signal through: GoogLeNet's features deviate by 2e-14. Where the network then amplifies rounding until nothing is comparable,
    its batch norms are halved, and their statistics taken anew: branches add less to what they are added to.
    """
    with torch.no_grad(), seeded("enliven"):
        for parameter in classifier.network.parameters():
            _stir(parameter)
        classifier.learn(dict.fromkeys(classifier.stages, 1.0))
        _follow(classifier, images_BCHW)
        for _ in range(_HALVINGS):
            classifier.network.eval()
            if _amplification(classifier, images_BCHW) <= _MOST_AMPLIFIED:
                break
            _halve(classifier)
            classifier.learn(dict.fromkeys(classifier.stages, 1.0))
            _follow(classifier, images_BCHW)
    classifier.network.eval()


def _amplification(classifier: Classifier, images_BCHW: Tensor) -> float:
    """Return by how much a small change of the images grows in the features, both by what tells images apart."""
    if not any(isinstance(getattr(module, "weight", None), Tensor) for module in classifier.batch_norms()):
        return 0.0
    stream = torch.Generator().manual_seed(1)
    nudged_BCHW = images_BCHW * (1 + _NUDGE * torch.randn(images_BCHW.shape, generator=stream))
    try:
        return deviation(classifier.features(nudged_BCHW), classifier.features(images_BCHW)) / _NUDGE
    except Exception:  # what a pass in eval mode does wrong is told by the check that judges one
        return 0.0


def _halve(classifier: Classifier) -> None:
    for module in classifier.batch_norms():
        if isinstance(weight := getattr(module, "weight", None), Tensor):
            weight.mul_(0.5)


def _stir(parameter: Tensor) -> None:
    if not parameter.is_floating_point() or not parameter.numel() or parameter.min() != parameter.max():
        return
    value = float(parameter.flatten()[0])
    if abs(value) >= _SMALL:
        parameter.mul_(torch.empty_like(parameter).uniform_(0.9, 1.1))
    elif parameter.dim() < 2:
        parameter.uniform_(-0.3, 0.3)
    else:
        parameter.normal_(std=max(1, parameter[0].numel()) ** -0.5)


def _follow(classifier: Classifier, images_BCHW: Tensor) -> None:
    """Take the statistics over from one pass; a layer's channels share a variance, since few values make some of them near 0."""
    norms = [module for module in classifier.batch_norms() if isinstance(getattr(module, "running_var", None), Tensor)]
    momenta = [module.momentum for module in norms]
    for module in norms:
        module.momentum = 1.0  # type: ignore[assignment]
    try:
        classifier.network(images_BCHW)
    finally:
        for module, momentum in zip(norms, momenta, strict=True):
            module.momentum = momentum
    for module in norms:
        variance = module.running_var
        assert isinstance(variance, Tensor)
        mean = float(variance.mean())
        variance.uniform_(0.9, 1.1).mul_(mean if mean > 0 else 1.0)
