"""What a plugin puts in place of others' functions is found, and what others import from it is not taken for that."""

from __future__ import annotations

import functools
import json
import sys
import types

import pytest

from xzoo.zoo.patches import patches


def own_module(source: str) -> types.ModuleType:
    """Make the module of a plugin called `own`."""
    module = types.ModuleType("own")
    exec(source, vars(module))
    return module


@pytest.fixture
def own() -> types.ModuleType:
    return own_module("def function(*anything): ...\nclass Hook:\n    def find_spec(self, *anything): ...\n")


def found() -> list[str]:
    return patches("own", set(sys.modules))


def test_nothing_is_replaced_where_nothing_was(own: types.ModuleType) -> None:
    assert found() == []


def test_a_function_in_anothers_place_is_named_also_in_disguise(own: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "dumps", own.function)
    assert found() == ["json.dumps"]
    monkeypatch.setattr(json, "dumps", functools.wraps(json.loads)(own.function))
    assert found() == ["json.dumps"]


def test_a_method_in_anothers_place_is_named(own: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json.JSONDecoder, "decode", own.function)
    assert found() == ["json.JSONDecoder.decode", "json.decoder.JSONDecoder.decode"]


def test_a_hook_of_the_import_is_named(own: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, own.Hook()])
    assert found() == ["sys.meta_path"]


def test_who_imports_from_a_plugin_was_not_changed_by_it(own: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    user = types.ModuleType("a_test_of_its_author")
    user.function = own.function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_test_of_its_author", user)
    monkeypatch.setattr(sys.modules["__main__"], "function", own.function, raising=False)
    assert found() == []
