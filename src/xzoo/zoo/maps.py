"""Where a network's last picture of the image is, for the maps that show what an answer rests on. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from xzoo.errors import PluginError

LAYOUTS = ("BCHW", "BHWC", "BNC")


@dataclass(frozen=True)
class MapLayer:
    """The module at `path` whose output is laid out as the image is: channels first, channels last, or tokens in reading order.

    Tokens ("BNC") are a grid of the image's shape behind `prefix_tokens` others (a class token, registers).
    """

    path: str
    layout: str = "BCHW"
    prefix_tokens: int = 0

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise PluginError(f"MapLayer({self.path!r}) has the layout {self.layout!r}", f"use one of {', '.join(LAYOUTS)}")
        if self.prefix_tokens < 0 or (self.prefix_tokens and self.layout != "BNC"):
            raise PluginError(
                f"MapLayer({self.path!r}) has {self.prefix_tokens} prefix tokens", "only tokens (BNC) have some in front"
            )
