"""The reader of pages is strict: what is not run, not said, or not listed fails, and only times may differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocks import Unrun, blocks
from reader import Reader, read
from shown import missing, normal


def do(folder: Path, text: str, *listed: Unrun) -> tuple[int, int]:
    """Read a page with this text; `%` stands for the backtick, so that the page's fences are not this file's."""
    page = folder / "page.md"
    page.write_text(text.replace("%", "`"))
    return read("page.md", list(blocks(page)), Reader(folder), listed)


PRINTS = "%%%python\nprint('accuracy 0.950')\nprint('second')\n%%%\n\n"


def test_blocks_are_done_in_order_and_counted(tmp_path: Path) -> None:
    assert do(tmp_path, PRINTS + "%%%text\naccuracy 0.950\nsecond\n%%%\n\n%%%\na drawing\n%%%\n") == (2, 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PRINTS + "%%%text\naccuracy 0.951\n%%%\n", "line 6: not said:\naccuracy 0.951"),
        (PRINTS + "%%%text\nsecond\naccuracy 0.950\n%%%\n", "not said:\naccuracy 0.950"),
        ("%%%text\nwhatever\n%%%\n", "nothing was run that says this"),
        ("%%%rust\nfn main() {}\n%%%\n", "a block of 'rust' is not executed"),
        ("%%%\n$ xzoo list\n%%%\n", "a block without a language"),
        ("%%%python\n1 / 0\n%%%\n", "ZeroDivisionError"),
        ("%%%python raises\n1 + 1\n%%%\n", "nothing was raised"),
        ("%%%python raises\n1 / 0\n%%%\n", "followed by what it raises"),
        ("%%%python raises\n1 / 0\n%%%\n\n%%%python\n1\n%%%\n", "followed by what it raises"),
        ("%%%python raises\n1 / 0\n%%%\n\n%%%text\nKeyError: 1\n%%%\n", "not said:\nKeyError: 1"),
        ("%%%console\n$ xzoo list no_such_thing --format text extra\n%%%\n", "exit code 2"),
        ("%%%console exits 3\n$ xzoo list convgap --format json\n%%%\n", "exit code 0"),
        ("%%%console\n$ xzoo --version\nxzoo, version 9.9\n%%%\n", "not said:\nxzoo, version 9.9"),
        ("%%%console\noutput without a command\n%%%\n", "output without a command"),
        ("%%%sh\nfalse\n%%%\n", "exit code 1"),
        ("%%%toml\nlr = \n%%%\n", "Invalid value"),
    ],
)
def test_what_a_page_says_and_is_not_so_fails(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(AssertionError) as caught:
        do(tmp_path, text)
    assert says in str(caught.value)


def test_a_listed_block_is_counted_and_run_with_other_words_where_there_are_some(tmp_path: Path) -> None:
    page = "%%%python\nprint(unknown)\n%%%\n"
    assert do(tmp_path, page, Unrun("page.md", "needs it", begins="print(")) == (0, 1)
    assert do(tmp_path, page, Unrun("page.md", "needs it", instead=(("unknown", "1"),))) == (0, 1)
    with pytest.raises(AssertionError, match="NameError"):
        do(tmp_path, page, Unrun("page.md", "needs it", instead=(("unknown", "also_unknown"),)))
    with pytest.raises(AssertionError, match="nothing to replace"):
        do(tmp_path, page, Unrun("page.md", "needs it", instead=(("elsewhere", "1"),)))
    with pytest.raises(AssertionError, match="nothing was run"):
        do(tmp_path, page + "\n%%%text\nwhatever\n%%%\n", Unrun("page.md", "needs it", begins="print("))


def test_files_are_written_and_found_by_what_follows(tmp_path: Path) -> None:
    page = "%%%python mine.py\nvalue = 7\n%%%\n\n%%%python\nfrom mine import value\n\nprint(value)\n%%%\n\n%%%text\n7\n%%%\n"
    assert do(tmp_path, page) == (3, 0)
    assert do(tmp_path, page.replace("7", "8")) == (3, 0)


def test_a_screen_of_an_error_is_what_a_console_shows_of_it(tmp_path: Path) -> None:
    screen = "%%%console exits 2\n$ xzoo compare convgap --data nowhere\nerror: nowhere does not exist\n...\n%%%\n"
    assert do(tmp_path, screen) == (1, 0)


def test_times_are_left_out_and_figures_are_not() -> None:
    shown = "contender  test   train s  front\n---\na@random   0.950     11.6      *\n\ndone in 3.4 s, xzoo-runs/0a1b2c3d4e"
    said = "contender  test   train s  front\n-------\na@random   0.950    120.9\n\ndone in 61 s, xzoo-runs/ffffffffff"
    assert normal(shown) == normal(said)
    assert normal(shown.replace("0.950", "0.951")) != normal(said)


def test_with_a_command_all_lines_are_shown_but_where_dots_stand() -> None:
    assert missing("one\nthree", "one\ntwo\nthree", whole=False) == []
    assert missing("one\nthree", "one\ntwo\nthree", whole=True) == ["three"]
    assert missing("one", "one\ntwo", whole=True) == ["(left out) two"]
    assert missing("one\n...\nthree\n", "one\ntwo\nthree", whole=True) == []
    assert missing("o...e", "one", whole=True) == []
    assert missing("o...x", "one", whole=True) == ["o...x"]
