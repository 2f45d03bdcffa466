"""Networks that keep, share or take for granted what they must not.

B = images in a batch, C = channels, H, W = pixels, K = classes
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from planted.networks import Tiny


class Hoarding(Tiny):
    """Keeps layers in a list of Python's."""

    def __init__(self) -> None:
        super().__init__()
        self.more = [nn.Linear(16, 16)]

    def body(self, images_BCHW: Tensor) -> Tensor:
        features_BD: Tensor = self.more[0](super().body(images_BCHW))
        return features_BD


class Scaling(Tiny):
    """Scales the images that it is given, in place."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        images_BCHW *= 2.0
        return super().body(images_BCHW)


class Reusing(Tiny):
    """Writes its answer into the same memory every time."""

    def __init__(self) -> None:
        super().__init__()
        self.desk: dict[tuple[int, ...], Tensor] = {}

    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits_BK: Tensor = super().forward(images_BCHW)
        if self.training:
            return logits_BK
        desk_BK = self.desk.setdefault(tuple(logits_BK.shape), torch.empty_like(logits_BK))
        return desk_BK.copy_(logits_BK)


class Dividing(Tiny):
    """Standardises every image by itself, and divides by 0 where it is flat."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        mean, std = images_BCHW.mean((1, 2, 3), keepdim=True), images_BCHW.std((1, 2, 3), keepdim=True)
        return super().body((images_BCHW - mean) / std)


class OneEyed(Tiny):
    """Looks at the first channel alone, whatever it is given."""

    def __init__(self) -> None:
        super().__init__(num_channels=1)

    def body(self, images_BCHW: Tensor) -> Tensor:
        return super().body(images_BCHW[:, :1])


class Projecting(Tiny):
    """Turns features by a random matrix that is not saved."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("turn", torch.randn(16, 16), persistent=False)

    def body(self, images_BCHW: Tensor) -> Tensor:
        assert isinstance(self.turn, Tensor)
        return super().body(images_BCHW) @ self.turn


class Caching(Tiny):
    """Keeps a product of weights between passes in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layer2.mix = nn.Linear(16, 16)
        self.kept: dict[str, Tensor] = {}

    def body(self, images_BCHW: Tensor) -> Tensor:
        mix = self.layer2.mix
        assert isinstance(mix, nn.Linear)
        features_BD = super().body(images_BCHW)
        if self.training:
            return features_BD @ (mix.weight @ mix.weight.T) + mix.bias
        product = self.kept.setdefault("product", (mix.weight @ mix.weight.T).detach())
        return features_BD @ product + mix.bias


class AtHome(Tiny):
    """Makes a constant on the CPU, wherever its images are."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        return super().body(images_BCHW) + torch.linspace(0, 1, 16)


class Striding(Tiny):
    """Takes memory for granted."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        maps_BCHW = self.layer2(self.layer1(self.stem(images_BCHW)))
        flat_BD = maps_BCHW.view(maps_BCHW.shape[0], -1)
        features_BD: Tensor = self.dropout(flat_BD.view(maps_BCHW.shape[0], 16, -1).mean(2))
        return features_BD


class BatchOfTwo(Tiny):
    """Writes the number of images into its graph."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        count = int(torch.tensor(images_BCHW.shape[0]))
        features_BD = super().body(images_BCHW)
        return features_BD.reshape(count, 4, 4).flatten(1)


class Mixing(Tiny):
    """Multiplies what autocast has made bfloat16 with a float32, in place."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        features_BD = super().body(images_BCHW)
        into = torch.zeros(features_BD.shape, device=features_BD.device)
        into[:] = features_BD
        rows = torch.arange(len(into), device=into.device)
        return into.index_add(0, rows, self.layer2.conv(self.layer1(self.stem(images_BCHW))).mean((2, 3)))


class Chatty(Tiny):
    def forward(self, images_BCHW: Tensor) -> Any:
        if len(images_BCHW) > 1:
            print("a batch of", len(images_BCHW))
        return super().forward(images_BCHW)


class Deprecated(Tiny):
    def forward(self, images_BCHW: Tensor) -> Any:
        import warnings

        warnings.warn("forward() will go away", DeprecationWarning, stacklevel=2)
        return super().forward(images_BCHW)


class Rolling(Tiny):
    """Draws its start from numpy's stream."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.layer2.conv.weight.copy_(torch.from_numpy(np.random.randn(16, 12, 3, 3) * 0.1))


class Bound(Tiny):
    """Computes with the layers that it was made with, whoever copies it."""

    def __init__(self) -> None:
        super().__init__()
        layers = [self.stem, self.layer1, self.layer2]

        def run(maps_BCHW: Tensor) -> Tensor:
            for layer in layers:
                maps_BCHW = layer(maps_BCHW)
            return maps_BCHW

        self.run = run

    def body(self, images_BCHW: Tensor) -> Tensor:
        features_BD: Tensor = self.dropout(self.run(images_BCHW).mean((2, 3)))
        return features_BD
