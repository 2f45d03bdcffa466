"""Copies of a classifier's network as plain modules, which can be traced, exported and compiled.

B = images in a batch, C = channels, H, W = pixels, K = outputs
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from xzoo.errors import PluginError
from xzoo.model.classifier import Classifier
from xzoo.model.heads import ConvHead, LinearHead


class Float32Head(nn.Module):
    """A head that takes and gives float32 whatever the network around it computes in, since rounded logits make ties.

    It does without autocast, which not every tracer follows. `in_float32` tells whoever casts a network to leave it.
    """

    in_float32 = True

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = _plain(head)

    def forward(self, features: Tensor) -> Tensor:
        """Return the head's output in float32."""
        logits: Tensor = self.head(features.float())
        return logits


class _Remembering(nn.Module):
    """A head that also keeps its last input."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head
        self.input: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        self.input = features
        logits: Tensor = self.head(features)
        return logits


class Body(nn.Module):
    """Images (B,C,H,W) to features, the head's input as it arrives there; of several heads all inputs, flattened, side by side.

    The network runs to its end, head included, and what comes out is dropped: whoever traces it finds that nothing reads it.
    """

    def __init__(self, network: nn.Module, head_paths: Sequence[str], name: str) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.head_paths = tuple(head_paths)
        for path in head_paths:
            _put(network, path, _Remembering(Float32Head(network.get_submodule(path))))

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the features. Raises PluginError where the network never calls its head."""
        self.network(images_BCHW)
        inputs = [self._taken(path) for path in self.head_paths]
        return inputs[0] if len(inputs) == 1 else torch.cat([each.flatten(1) for each in inputs], 1)

    def _taken(self, path: str) -> Tensor:
        reached = self.network.get_submodule(path)
        assert isinstance(reached, _Remembering)
        features, reached.input = reached.input, None
        if features is None:
            raise PluginError(f"{self.name}: the forward pass never reaches its head", "name the module that gives the logits")
        return features


class Whole(nn.Module):
    """Images (B,C,H,W) to logits (B,K), auxiliary outputs left out."""

    def __init__(self, network: nn.Module, head_paths: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        for path in head_paths:
            _put(network, path, Float32Head(network.get_submodule(path)))

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the logits."""
        out = self.network(images_BCHW)
        logits: Tensor = out[0] if isinstance(out, tuple) else out
        return logits


def body_of(classifier: Classifier) -> nn.Module:
    """Return a copy, in eval mode, that gives exactly `classifier.features`, without an exception to end the forward pass."""
    return _deployed(Body(copy.deepcopy(classifier.network), classifier.backbone.head.paths, classifier.backbone.name))


def whole_of(classifier: Classifier) -> nn.Module:
    """Return a copy, in eval mode, that gives the logits (B,K) of the deployed network."""
    return _deployed(Whole(copy.deepcopy(classifier.network), classifier.backbone.head.paths))


def _deployed(module: nn.Module) -> nn.Module:
    return module.eval().requires_grad_(False)


def _plain(head: nn.Module) -> nn.Module:
    """Return a head of ours as the torch layer that it extends, on the same tensors; a plugin's own as it is."""
    layer: nn.Module
    if isinstance(head, LinearHead):
        layer = nn.Linear(head.in_features, head.out_features, head.bias is not None, device="meta")
    elif isinstance(head, ConvHead):
        old: Any = head
        shape = (old.in_channels, old.out_channels, old.kernel_size, old.stride, old.padding, old.dilation)
        layer = nn.Conv2d(*shape, bias=old.bias is not None, device="meta")
    else:
        return head
    layer.load_state_dict(head.state_dict(), assign=True)
    return layer


def _put(network: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, last = path.rpartition(".")
    setattr(network.get_submodule(parent), last, module)
