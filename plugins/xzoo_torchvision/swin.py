"""Swin transformers from torchvision (https://arxiv.org/abs/2103.14030, https://arxiv.org/abs/2111.09883)."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_torchvision.catalogue import declare

PAPERS = {"swin": "https://arxiv.org/abs/2103.14030", "swin_v2": "https://arxiv.org/abs/2111.09883"}

STAGES = {
    "stem": "features.0",
    "stage1": "features.1",
    "stage2": ("features.2", "features.3"),
    "stage3": ("features.4", "features.5"),
    "stage4": ("features.6", "features.7", "norm"),
}


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the Swin transformers. Windows are padded, so images of other sizes go through."""
    for version, paper in PAPERS.items():
        for size in ("t", "s", "b"):
            yield declare(
                f"{version}_{size}",
                head=xzoo.ReplaceLinear("head"),
                stages=STAGES,
                min_size=4,
                summary="a transformer with attention in windows that shift from layer to layer",
                paper=paper,
            )
