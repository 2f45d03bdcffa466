"""Files altered at random, some hundreds of what `python tests/hostile/fuzz_inputs.py` reads by the thousand: only XzooErrors."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz_inputs import Target, targets, tried
from xzoo.data.items import natural, printable
from xzoo.errors import UsageError
from xzoo.train.recipe import Recipe, make
from xzoo.zoo.wording import plain

NAMES = [
    "list.csv",
    "list.jsonl",
    "recipe.toml",
    "predictions.csv",
    "plan.json",
    "compare.json",
    "manifest.json",
    "predictions.npz",
]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Target]:
    return {target.name: target for target in targets(tmp_path_factory.mktemp("fuzz"))}


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_file_holds_it_is_read_or_refused(kinds: dict[str, Target], name: str) -> None:
    assert sorted(kinds) == sorted(NAMES)
    kinds[name].path.write_bytes(kinds[name].sound)
    kinds[name].read()
    counts, wrong = tried(kinds[name], 60, "ci")
    assert wrong == []
    assert counts["refused"] > 5


_VALUES: st.SearchStrategy[object] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.lists(st.integers()), st.just({})
)


@given(st.dictionaries(st.sampled_from(sorted(Recipe.__dataclass_fields__)) | st.text(), _VALUES, max_size=4))
def test_whatever_a_recipe_is_given_it_is_a_recipe_or_refused(values: dict[str, object]) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(make(values), Recipe)


@given(st.lists(st.text() | st.text("0123456789", max_size=6000)))
def test_any_names_have_an_order(names: list[str]) -> None:
    assert sorted(natural(names)) == sorted(names)
    assert natural(natural(names)) == natural(names)


@given(st.text(st.characters()))
def test_what_is_shown_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    assert all(letter.isprintable() for letter in printable(text))
    assert all(letter.isprintable() or letter == "\n" for letter in plain(text))
