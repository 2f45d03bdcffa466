"""Images of a view that stay on a device, shared by all that work on their pack: they go when the pack goes.

N = images, C = channels, H, W = pixels
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from torch import Tensor

from xzoo.data.feed import resident
from xzoo.data.pack import Pack, View

_KEPT: WeakKeyDictionary[Pack, tuple[tuple[str, str], Tensor]] = WeakKeyDictionary()


def images_on(pack: Pack, view: View, device: str, *, bring: bool) -> Tensor | None:
    """Return a view's images (N,C,H,W) on a CUDA device; None on a CPU, and where they are too many.

    What is not there yet is brought only where `bring` asks for it: images that are seen once are not worth it. Of a pack the
    view that was brought last stays.
    """
    key = (view.key, device)
    if pack in _KEPT and _KEPT[pack][0] == key:
        return _KEPT[pack][1]
    if not bring:
        return None
    _KEPT.pop(pack, None)
    held_NCHW = resident(view.pixels_NCHW, device)
    if held_NCHW is not None:
        _KEPT[pack] = (key, held_NCHW)
    return held_NCHW
