"""ConvNeXts from torchvision (https://arxiv.org/abs/2201.03545)."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_torchvision.catalogue import declare

STAGES = {
    "stem": "features.0",
    "stage1": "features.1",
    "stage2": ("features.2", "features.3"),
    "stage3": ("features.4", "features.5"),
    "stage4": ("features.6", "features.7", "classifier.0"),
}


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the ConvNeXts."""
    for size in ("tiny", "small", "base", "large"):
        yield declare(
            f"convnext_{size}",
            head=xzoo.ReplaceLinear("classifier.2"),
            stages=STAGES,
            min_size=32,
            summary="a ResNet modernised step by step with the habits of vision transformers",
            paper="https://arxiv.org/abs/2201.03545",
        )
