"""Tiny networks that are sound, one of each kind that plants are made of.

B = images in a batch, C = channels, H, W = pixels, K = classes
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_CLASSES = 10


class Block(nn.Module):
    """A convolution at half the size, batch norm, ReLU."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(num_inputs, num_outputs, 3, stride=2, padding=1)
        self.norm: nn.Module = nn.BatchNorm2d(num_outputs)

    def forward(self, maps_BCHW: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(maps_BCHW)))


class Tiny(nn.Module):
    """Three blocks, dropout, an average over the image, and a linear head: a sound network of 3,000 parameters."""

    def __init__(self, num_channels: int = 3) -> None:
        super().__init__()
        self.stem = Block(num_channels, 8)
        self.layer1 = Block(8, 12)
        self.layer2 = Block(12, 16)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(16, NUM_CLASSES)

    def body(self, images_BCHW: Tensor) -> Tensor:
        maps_BCHW = self.layer2(self.layer1(self.stem(images_BCHW)))
        features_BD: Tensor = self.dropout(maps_BCHW.mean((2, 3)))
        return features_BD

    def forward(self, images_BCHW: Tensor) -> Any:
        return self.fc(self.body(images_BCHW))


class WithAuxiliaries(Tiny):
    """In train mode two auxiliary heads answer too, the later one first."""

    def __init__(self) -> None:
        super().__init__()
        self.aux1 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, NUM_CLASSES))
        self.aux2 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, NUM_CLASSES))

    def forward(self, images_BCHW: Tensor) -> Any:
        first = self.stem(images_BCHW)
        second = self.layer1(first)
        logits_BK = self.fc(self.dropout(self.layer2(second).mean((2, 3))))
        return (logits_BK, self.aux2(second), self.aux1(first)) if self.training else logits_BK


class ConvHead(Tiny):
    """The head is a convolution, and the network goes on behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(16, NUM_CLASSES, 1)  # type: ignore[assignment]
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        maps_BCHW = self.layer2(self.layer1(self.stem(images_BCHW)))
        logits_BK: Tensor = self.pool(F.relu(self.fc(maps_BCHW))).flatten(1)
        return logits_BK


class Tokens(nn.Module):
    """A transformer for images of 16 pixels, with a class token and a position embedding of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 16))
        self.places = nn.Parameter(0.02 * torch.randn(1, 17, 16))
        layers = [nn.TransformerEncoderLayer(16, 2, 32, 0.1, batch_first=True, norm_first=True) for _ in range(2)]
        self.block1, self.block2 = layers
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, NUM_CLASSES)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        patches_BND = self.patches(images_BCHW).flatten(2).transpose(1, 2)
        tokens_BND = torch.cat([self.token.expand(patches_BND.shape[0], -1, -1), patches_BND], 1) + self.places
        logits_BK: Tensor = self.head(self.norm(self.block2(self.block1(tokens_BND)))[:, 0])
        return logits_BK


class TwoHeads(Tiny):
    """A second linear layer gives logits too, and the answer is the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(16, NUM_CLASSES)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        features_BD = self.body(images_BCHW)
        logits_BK: Tensor = (self.fc(features_BD) + self.other(features_BD)) / 2
        return logits_BK
