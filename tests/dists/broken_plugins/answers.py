"""Objects whose hook answers what it must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import xzoo


class Answer:
    """A plugin whose hook returns what `make` returns."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    @xzoo.hookimpl
    def xzoo_backbones(self) -> Any:
        """Answer."""
        return self.make()


def declared(name: str) -> xzoo.Backbone:
    """Declare something that is never built."""
    return xzoo.Backbone(name=name, build=lambda: None, head=xzoo.ReplaceLinear("a"), stages={"b": "b"})  # type: ignore[arg-type,return-value]


def _raise() -> Any:
    yield declared("raises")
    raise RuntimeError("half way through")


def _bad_member(name: str) -> Any:
    return declared("quite/another") if name == "renamed" else f"no backbone but {name}"


no_hook = object()
number = Answer(lambda: 3)
nothing = Answer(lambda: None)
text = Answer(lambda: "alexnet")
wrong_item = Answer(lambda: ["alexnet"])
stranger = Answer(lambda: [declared("stranger"), declared("somebody-elses")])
empty = Answer(list)
raises = Answer(_raise)
bad_declaration = Answer(lambda: [declared("bad name!")])
bad_family = Answer(lambda: [xzoo.Family("bad-family", names=lambda: [], get=_bad_member)])
