"""A second plugin that offers a name which another offers too."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the twin."""
    yield xzoo.Backbone(name="twin", build=lambda: None, head=xzoo.ReplaceLinear("rival"), stages={"a": "a"})  # type: ignore[arg-type,return-value]
