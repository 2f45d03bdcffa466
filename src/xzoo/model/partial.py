"""A file of which only the beginning is here: where it lies, what it is the beginning of, and whether the rest fits behind it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from xzoo import durable
from xzoo.errors import WeightsError
from xzoo.model.exchange import CutError

MOST_BYTES = 100_000_000_000
"""More than any network's weights take: an answer that says so, or does not end there, is none."""
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


@dataclass(frozen=True)
class Origin:
    """What a beginning is the beginning of. `mark` is the server's word for these bytes and no others, "" where it has none."""

    url: str
    mark: str
    total: int


@dataclass(frozen=True)
class Answered:
    """What the head of an answer says: where its bytes begin in the file, how long that is (None: unknown), whose they are."""

    begin: int
    total: int | None
    mark: str
    takes_ranges: bool


class Partial:
    """The beginning of `path` beside it, and a note of its origin; without that it is worth nothing."""

    def __init__(self, path: Path) -> None:
        self.file = path.with_name(f".{path.name}.part")
        self._note = path.with_name(f".{path.name}.part.json")

    def size(self) -> int:
        """Return how many bytes are here."""
        return self.file.stat().st_size if self.file.is_file() else 0

    def origin(self) -> Origin | None:
        """Return what the bytes here are the beginning of, where that is known."""
        try:
            told = json.loads(self._note.read_bytes())
            found = Origin(str(told["url"]), str(told["mark"]), int(told["total"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if 0 < self.size() < found.total and self.file.is_file() else None

    def begin(self, origin: Origin | None) -> None:
        """Forget what is here, and note what will be where it can be gone on with. Raises StorageError."""
        self.drop()
        if origin is not None:
            durable.write_bytes(self._note, json.dumps(asdict(origin)).encode())

    def drop(self) -> None:
        """Remove the bytes and the note. Raises StorageError."""
        durable.remove(self.file)
        durable.remove(self._note)

    def keep(self) -> None:
        """Leave for the next attempt what it can go on with, else nothing. Raises StorageError."""
        if self.origin() is None:
            self.drop()

    def put_in_place(self, path: Path) -> None:
        """Give the file its name. Raises StorageError."""
        durable.put_in_place(self.file, path)
        durable.remove(self._note)


def asking(origin: Origin | None, have: int) -> dict[str, str]:
    """Return the headers that ask for the rest of a file, or for all of it where it is no longer the same (RFC 9110, 13.1.5)."""
    if origin is None or not have:
        return {}
    return {"Range": f"bytes={have}-", **({"If-Range": origin.mark} if origin.mark else {})}


def answered(response: Any, url: str) -> Answered:
    """Read the head of an answer. Raises WeightsError for one that gives no file or not its bytes as they are, CutError."""
    headers = response.headers
    if headers.get_content_type() == "text/html":
        raise WeightsError(f"{url} gave a web page, no file", "a proxy or a login page answers in its place: try another network")
    packing = headers.get("Content-Encoding", "identity").strip().lower()
    if packing not in {"", "identity"}:
        raise WeightsError(f"{url} gave the file packed ({packing[:20]})", "a proxy changes it on the way: try another network")
    length = headers.get("Content-Length")
    if length is not None and not (length.isascii() and length.strip().isdecimal() and len(length) < 19):
        raise WeightsError(f"{url} says a length that is none: {length[:40]!r}", "try another network")
    begin, total = 0, None if length is None else int(length)
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        begin, total = _range(headers.get("Content-Range", ""), total, url)
    if total is not None and total > MOST_BYTES:
        raise WeightsError(f"{url} offers {total:,} bytes, more than any network has", "check the address")
    # A weak mark stands for bytes that may differ (RFC 9110, 8.8.1).
    mark = headers.get("ETag", "")
    mark = headers.get("Last-Modified", "") if not mark or mark.startswith("W/") else mark
    takes = begin > 0 or headers.get("Accept-Ranges", "").strip().lower() == "bytes"
    return Answered(begin, total, mark, takes)


def _range(words: str, length: int | None, url: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(words.strip())
    begin, last, total = (int(number) for number in found.groups()) if found else (0, 0, 0)
    if not begin <= last < total or last + 1 != total or length not in {None, last + 1 - begin}:
        raise CutError(f"{url} gave another part of the file than was asked for ({words[:60]!r})", "try another network")
    return begin, total
