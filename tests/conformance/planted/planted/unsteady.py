"""Networks that are no fixed function of an image, or learn otherwise than they should.

B = images in a batch, C = channels, H, W = pixels, K = classes
"""

from __future__ import annotations

import random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from planted.networks import Block, ConvHead, Tiny, WithAuxiliaries


class Probabilities(Tiny):
    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits_BK: Tensor = super().forward(images_BCHW)
        return logits_BK.softmax(1)


class Squeezed(ConvHead):
    """One class and one image lose their dimensions."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        maps_BCHW = self.layer2(self.layer1(self.stem(images_BCHW)))
        logits: Tensor = self.pool(self.fc(maps_BCHW)).squeeze()
        return logits


class Dropping(Tiny):
    """Dropout as a function, which does not know the mode."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        return F.dropout(super().body(images_BCHW), 0.1)


class LedByTheHead(Tiny):
    """Drops where the head is in train mode, also in a body that is frozen."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        return F.dropout(super().body(images_BCHW), 0.1, self.fc.training)


class OfTheBatch(Tiny):
    """One norm, deep inside, has no statistics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer1.norm = nn.BatchNorm2d(12, track_running_stats=False)


class Centred(Tiny):
    """Features are taken relative to those of the images beside."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        features_BD = super().body(images_BCHW)
        return features_BD - 0.1 * features_BD.mean(0)


class Counting(Tiny):
    """Counts its passes in a buffer, in eval mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def body(self, images_BCHW: Tensor) -> Tensor:
        assert isinstance(self.passes, Tensor)
        self.passes += 1
        return super().body(images_BCHW)


class Drifting(Block):
    """Normalises by the batch whenever gradients are recorded, also where it is frozen in eval mode."""

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        norm = self.norm
        assert isinstance(norm, nn.BatchNorm2d)
        is_learning = torch.is_grad_enabled()
        found = F.batch_norm(
            self.conv(maps_BCHW), norm.running_mean, norm.running_var, norm.weight, norm.bias, is_learning, 0.1, norm.eps
        )
        return F.relu(found)


class DriftsInside(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = Drifting(8, 12)


class Decaying(Tiny):
    """Shrinks the weights of its stem in every pass that could learn."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            self.stem.conv.weight.data.mul_(0.999)
        return super().body(images_BCHW)


class Remembering(Tiny):
    """Keeps a running mean of its features outside of any buffer, and adds it."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: list[Tensor] = []

    def body(self, images_BCHW: Tensor) -> Tensor:
        features_BD = super().body(images_BCHW)
        if torch.is_grad_enabled():
            self.memory = [features_BD.detach().mean(0)]
        return features_BD + self.memory[0] if self.memory else features_BD


class Stubborn(Tiny):
    """Keeps one norm in eval mode, as a recipe for fine-tuning once did."""

    def train(self, mode: bool = True) -> Stubborn:
        super().train(mode)
        self.layer2.norm.eval()
        return self


class Detached(Tiny):
    def body(self, images_BCHW: Tensor) -> Tensor:
        maps_BCHW = self.layer2(self.layer1(self.stem(images_BCHW)).detach())
        features_BD: Tensor = self.dropout(maps_BCHW.mean((2, 3)))
        return features_BD


class Unused(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.layer2.shortcut = nn.Conv2d(12, 16, 1)


class Silenced(Tiny):
    """A branch that is multiplied by 0."""

    def __init__(self) -> None:
        super().__init__()
        self.layer2.gate = nn.Linear(16, 16)

    def body(self, images_BCHW: Tensor) -> Tensor:
        features_BD = super().body(images_BCHW)
        gate = self.layer2.gate
        assert isinstance(gate, nn.Linear)
        gated_BD: Tensor = features_BD + 0 * gate(features_BD)
        return gated_BD


class Backwards(Tiny):
    """The body learns in the wrong direction."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        features_BD = super().body(images_BCHW)
        if features_BD.requires_grad:
            features_BD.register_hook(lambda gradient: -gradient)  # type: ignore[no-untyped-call]
        return features_BD


class Faint(Tiny):
    """Logits so faint that the loss does not fall."""

    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits_BK: Tensor = super().forward(images_BCHW)
        return torch.tanh(logits_BK)


class PathDropping(Tiny):
    """Drops a path by Python's own dice."""

    def body(self, images_BCHW: Tensor) -> Tensor:
        features_BD = super().body(images_BCHW)
        return features_BD * random.uniform(0.5, 1.5) if self.training else features_BD


class AuxiliariesInEval(WithAuxiliaries):
    """In eval mode an auxiliary head has a part in the answer."""

    def forward(self, images_BCHW: Tensor) -> Any:
        answer = super().forward(images_BCHW)
        if self.training:
            return answer
        return answer + 0.1 * self.aux1(self.stem(images_BCHW))


class Undeclared(WithAuxiliaries):
    """Returns a tuple that nobody declares."""
