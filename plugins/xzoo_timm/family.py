"""timm's classification networks (https://github.com/huggingface/pytorch-image-models): `timm/NAME[.tag]`."""

from __future__ import annotations

from collections.abc import Iterable

import xzoo
from xzoo_timm import catalogue


def get(member: str) -> xzoo.Backbone:
    """Declare a network of timm's own, or one that lies in a folder or on a hub."""
    if ":" not in member:
        return catalogue.get(member)

    from xzoo_timm.places import declare_place

    return declare_place(member)


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Family]:
    """Yield the family."""
    yield xzoo.Family(name="timm", names=catalogue.names, get=get, note=catalogue.note)
