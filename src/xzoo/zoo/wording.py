"""Words for messages: other people's on one line, of bounded length and free of what a terminal would obey; and near ones."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable

MOST_LETTERS = 200

_bounded = reprlib.Repr()
_bounded.maxstring = _bounded.maxother = _bounded.maxlong = MOST_LETTERS


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return the beginning of a remedy that names the nearest words, or nothing when none is near."""
    import difflib

    near = difflib.get_close_matches(word, list(words), n=3)
    return f"did you mean {' or '.join(near)}? " if near else ""


def plain(text: str, keep: str = "\n") -> str:
    """Return the text with everything that is not printable written out, as in `\\x1b`, but for what `keep` holds."""
    return "".join(letter if letter.isprintable() or letter in keep else ascii(letter)[1:-1] for letter in text)


def brief(text: str, limit: int = MOST_LETTERS) -> str:
    """Return the beginning of the text on one line."""
    # No more is looked at than can be shown, whatever the length.
    line = plain(" ".join(text[: 4 * limit].split()), keep="")
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[: limit - 3]}..."


def shown(value: object) -> str:
    """Return a value as Python writes it, briefly; its type alone where its own `__repr__` fails."""
    try:
        return brief(_bounded.repr(value))
    except BaseException:
        return f"a {brief(type(value).__name__)}"


def told(error: BaseException) -> str:
    """Return what an exception is and says, briefly; its type alone where its own `__str__` fails."""
    kind = brief(type(error).__name__)
    try:
        said = brief(str(error))
    except BaseException:
        said = ""
    return f"{kind}: {said}" if said else kind
