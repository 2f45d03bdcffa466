"""MobileNets v2 and v3 from torchvision (https://arxiv.org/abs/1801.04381, https://arxiv.org/abs/1905.02244)."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_torchvision.catalogue import declare
from xzoo_torchvision.resolution import by_resolution


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the MobileNets. Version 3 has a linear layer before the head."""
    yield declare(
        "mobilenet_v2",
        head=xzoo.ReplaceLinear("classifier.1"),
        stages=by_resolution("features"),
        summary="inverted residuals with linear bottlenecks, for phones",
        paper="https://arxiv.org/abs/1801.04381",
    )
    for size in ("large", "small"):
        yield declare(
            f"mobilenet_v3_{size}",
            head=xzoo.ReplaceLinear("classifier.3"),
            stages=by_resolution("features", fc="classifier.0"),
            summary=f"searched inverted residuals with channel attention, for phones; the {size} one",
            paper="https://arxiv.org/abs/1905.02244",
        )
