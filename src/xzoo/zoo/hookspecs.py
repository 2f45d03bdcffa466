"""The one hook through which backbones come in."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from xzoo.zoo.spec import Backbone, Family

GROUP = "xzoo.backbones"

hookspec = pluggy.HookspecMarker("xzoo")
hookimpl = pluggy.HookimplMarker("xzoo")


@hookspec
def xzoo_backbones() -> Iterable[Backbone | Family]:  # type: ignore[empty-body]
    """Yield every backbone and family this plugin offers.

    The entry point's name, in the group `xzoo.backbones`, is the backbone's name, or the family's.
    """
