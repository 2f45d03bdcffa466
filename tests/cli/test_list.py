from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., tuple[int, str, str]]
Read = Callable[[str], dict[str, Any]]


def names(answer: dict[str, Any]) -> list[str]:
    return [row["name"] for row in answer["backbones"]]


def test_every_offer_is_listed_with_its_owner(command: Run, one_object: Read) -> None:
    code, out, err = command("list", "--format", "json")
    answer = one_object(out)
    assert (code, err, answer["schema"]) == (0, "", "xzoo.list/1")
    assert {"name": "tiny", "distribution": "tiny", "version": "2.0"} in answer["backbones"]
    assert [row["distribution"] for row in answer["backbones"] if row["name"] == "twin"] == ["rival", "tiny"]
    assert {"exits", "absent-module"} <= set(names(answer))


def test_text_says_how_to_choose_between_rivals(command: Run) -> None:
    code, out, _ = command("list", "twin")
    assert code == 0
    assert out == "twin  rival 1.0\ntwin  tiny 2.0\ntwin is offered more than once: ask for DISTRIBUTION:twin\n"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("twi", ["twin", "twin"]),
        ("t?n?", ["tiny"]),
        ("fam/", ["fam/one", "fam/two"]),
        ("fam/t*", ["fam/two"]),
        ("nothing-is-called-this", []),
        ("nobody/", []),
    ],
)
def test_a_pattern_narrows_the_list(command: Run, one_object: Read, pattern: str, found: list[str]) -> None:
    code, out, _ = command("list", pattern, "--format", "json")
    assert code == 0
    assert names(one_object(out)) == found


def test_an_empty_list_says_so(command: Run) -> None:
    assert command("list", "nothing-is-called-this")[1] == "no backbone matches 'nothing-is-called-this'\n"
