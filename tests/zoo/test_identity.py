"""A declaration that changed is another one; the same code declared again is the same."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

import xzoo
from xzoo.zoo.identity import identity
from xzoo.zoo.spec import Choice, RandomStart

WIDTH = 4


def make(width: int, depth: int = 1) -> Any:
    return [width] * depth


def captured(width: int) -> Callable[[], Any]:
    return lambda: make(width)


def defaulted(width: int) -> Callable[[], Any]:
    def build(width: int = width) -> Any:
        return make(width)

    return build


def partial(width: int) -> Callable[[], Any]:
    return functools.partial(make, width)


def of(build: Callable[[], Any], stages: Any = None, origin: str = "python") -> str:
    backbone = xzoo.Backbone(name="net", build=build, head=xzoo.ReplaceLinear("fc"), stages=stages or {"body": "conv"})
    return identity(Choice(backbone, RandomStart(), origin=origin))


@pytest.mark.parametrize("way", [captured, defaulted, partial])
def test_what_a_function_holds_is_part_of_it(way: Callable[[int], Callable[[], Any]]) -> None:
    assert of(way(4)) == of(way(4))
    assert of(way(4)) != of(way(64))


def test_functions_that_a_function_calls_are_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = of(captured(4))

    def changed(width: int, depth: int = 1) -> Any:
        return [width + 1] * depth

    changed.__module__ = make.__module__
    monkeypatch.setitem(globals(), "make", changed)
    assert of(captured(4)) != before


def test_methods_of_a_class_that_is_built_are_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Net:
        def forward(self, x: float) -> float:
            return x + 1

    before = of(functools.partial(Net))
    monkeypatch.setattr(Net, "forward", lambda self, x: x + 2)
    assert of(functools.partial(Net)) != before


def test_stages_and_the_version_of_the_distribution_are_part_of_it() -> None:
    build = captured(4)
    assert (
        len({of(build), of(build, {"body": ("conv", "bn")}), of(build, origin="other 1.0"), of(build, origin="other 1.1")}) == 4
    )
