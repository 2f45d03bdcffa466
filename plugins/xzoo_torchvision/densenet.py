"""Densely connected networks from torchvision (https://arxiv.org/abs/1608.06993)."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_torchvision.catalogue import declare

DEPTHS = (121, 161, 169, 201)

STAGES = {
    "stem": ("features.conv0", "features.norm0"),
    "denseblock1": ("features.denseblock1", "features.transition1"),
    "denseblock2": ("features.denseblock2", "features.transition2"),
    "denseblock3": ("features.denseblock3", "features.transition3"),
    "denseblock4": ("features.denseblock4", "features.norm5"),
}

# The published checkpoints are older than torch's ban on dots in module names: `denselayer1.norm.1.weight` is `norm1.weight` now.
RENAME = ((r"^(.*denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2"),)


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the densely connected networks."""
    for depth in DEPTHS:
        yield declare(
            f"densenet{depth}",
            head=xzoo.ReplaceLinear("classifier"),
            stages=STAGES,
            rename=RENAME,
            min_size=29,
            summary=f"{depth} layers, each of which sees the outputs of all before it in its block",
            paper="https://arxiv.org/abs/1608.06993",
        )
