"""MaxViT from torchvision (https://arxiv.org/abs/2204.01697)."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_torchvision.catalogue import declare

STAGES = {
    "stem": "stem",
    **{f"stage{number}": f"blocks.{number - 1}" for number in range(1, 5)},
    "fc": ("classifier.2", "classifier.3"),
}


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield maxvit_t."""
    yield declare(
        "maxvit_t",
        head=xzoo.ReplaceLinear("classifier.5"),
        stages=STAGES,
        fixed_size=True,
        min_size=224,
        summary="convolutions, attention in blocks and attention on a grid, by turns",
        paper="https://arxiv.org/abs/2204.01697",
    )
