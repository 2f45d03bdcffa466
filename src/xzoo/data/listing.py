"""Datasets listed in a .csv or .jsonl file: `path,label[,split,group]`, paths relative to the file."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xzoo import regular
from xzoo.data.decode import ImageFiles
from xzoo.data.folder import Walk
from xzoo.data.items import Found, Item, counted, listed, natural, printable, split_named
from xzoo.errors import DataError
from xzoo.runs.result import Finding

Row = Mapping[str, Any]
MOST_MB = 250
"""10^6 bytes that a listing may have: two million images."""

_COLUMNS = "path,label[,split,group]"


def read_listing(file: Path) -> Found:
    """Read a .csv or .jsonl file of labelled paths. Raises DataError naming the lines or files that cannot be used."""
    rows = read_rows(file)
    kept, repeated = _kept_once(file, rows)
    paths = [file.parent / str(row["path"]).strip() for row in kept]
    if missing := [str(row["path"]) for row, path in zip(kept, paths, strict=True) if not os.path.isfile(path)]:  # noqa: PTH113
        raise DataError(
            f"{file}: {len(missing)} of {len(kept)} listed files do not exist: {listed(missing)}",
            f"paths count from {file.parent}; correct them or take the lines out",
        )
    classes = natural({_text(row, "label") for row in kept})
    label_of = {name: label for label, name in enumerate(classes)}
    items = tuple(_item(file, row, label_of) for row in kept)
    images = ImageFiles(tuple(paths), tuple(item.id for item in items))
    repairs = (*repeated, *_outside(file, paths), *_unlisted(file, paths))
    name, shown, hint = printable(file.stem), tuple(map(printable, classes)), f"{file} lists {_COLUMNS}"
    return Found(name, shown, items, images.read, images.decode, images.digest, repairs, hint)


def read_rows(file: Path) -> list[Row]:
    """Return the rows of a .csv or .jsonl file, each with a path and a label. Raises DataError naming what cannot be used."""
    rows = list(_rows(file))
    _check_rows(file, rows)
    return rows


def _rows(file: Path) -> Iterable[Row]:
    try:
        text = regular.read_bytes(file, MOST_MB).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8: {error.reason} at byte {error.start}", "save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}", "check the file and its permissions") from error
    return _json_rows(file, text) if file.suffix.lower() == ".jsonl" else _csv_rows(file, text)


def _csv_rows(file: Path, text: str) -> list[Row]:
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        _check_columns(file, names)
        rows: list[Row] = list(reader)
    except csv.Error as error:
        raise DataError(f"{file} is no CSV file: {error}", f"write {_COLUMNS} with commas between") from error
    if longer := [number for number, row in enumerate(rows, 1) if None in row]:
        raise DataError(
            f"{file}: {counted(len(longer), 'row')} with more fields than the head has columns: row {listed(longer)}",
            'put quotes around what holds a comma: "a, b.png",label',
        )
    return rows


def _json_rows(file: Path, text: str) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{file}, line {number} is no JSON: {error}", 'write {"path": ..., "label": ...} on each line'
            ) from error
        if not isinstance(row, dict):
            raise DataError(f"{file}, line {number} is no JSON object", 'write {"path": ..., "label": ...} on each line')
        _check_columns(file, list(row))
        rows.append(row)
    return rows


def _check_columns(file: Path, names: list[str]) -> None:
    if missing := [name for name in ("path", "label") if name not in names]:
        raise DataError(
            f"{file} has no column {listed(missing)}; it has {listed(names) or 'none'}", f"name the columns {_COLUMNS}"
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"{file} has two columns called {listed(twice)}", "keep one of the two")


def _check_rows(file: Path, rows: list[Row]) -> None:
    if unlabelled := [_text(row, "path") for row in rows if _text(row, "path") and not _text(row, "label")]:
        raise DataError(
            f"{file}: {counted(len(unlabelled), 'row')} without a label: {listed(unlabelled)}", "label or remove them"
        )
    if pathless := [number for number, row in enumerate(rows, 1) if not _text(row, "path")]:
        raise DataError(
            f"{file}: {counted(len(pathless), 'row')} without a path: row {listed(pathless)}", "name a file or remove them"
        )
    if odd := [path for row in rows if not _can_be_a_path(path := _text(row, "path"))]:
        raise DataError(
            f"{file}: a path holds a zero byte, or half a letter: {listed(odd)}", "write the file again as plain UTF-8 text"
        )
    if any(isinstance(row["label"], (list, dict)) for row in rows):
        raise DataError(f"{file} lists several labels for one image: multi-label is not built", "give one label for each image")


def _kept_once(file: Path, rows: list[Row]) -> tuple[list[Row], list[Finding]]:
    first: dict[Path, Row] = {}
    repeated: list[str] = []
    contrary: list[str] = []
    for row in rows:
        earlier = first.setdefault((file.parent / _text(row, "path")).resolve(), row)
        if earlier is not row:
            alike = all(_text(row, name) == _text(earlier, name) for name in ("label", "split", "group"))
            (repeated if alike else contrary).append(_text(row, "path"))
    if contrary:
        raise DataError(
            f"{file} lists {counted(len(contrary), 'file')} twice with different labels, splits or groups: {listed(contrary)}",
            "keep one line for each file",
        )
    text = f"{counted(len(repeated), 'line')} named a file a second time and counted once: {listed(repeated)}"
    return list(first.values()), [Finding("listed-twice", "info", text)] if repeated else []


def _outside(file: Path, paths: Iterable[Path]) -> list[Finding]:
    """Return the finding that names files elsewhere: a listing may say so, but nobody should have to guess."""
    folder = file.parent.resolve()
    others = [path for path in paths if not path.resolve().is_relative_to(folder)]
    text = f"{counted(len(others), 'listed file')} lie outside of {printable(str(file.parent))}: {listed(others)}"
    return [Finding("outside-files", "info", text)] if others else []


def _unlisted(file: Path, paths: Iterable[Path]) -> list[Finding]:
    known = {path.resolve() for path in paths}
    others = [path for path in Walk().files(file.parent, file.parent) if path.resolve() not in known]
    if not others:
        return []
    names = listed([path.relative_to(file.parent).as_posix() for path in others])
    return [
        Finding("unlisted-files", "info", f"{counted(len(others), 'image')} beside {file.name} are not listed in it: {names}")
    ]


def _can_be_a_path(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _item(file: Path, row: Row, label_of: Mapping[str, int]) -> Item:
    split = _text(row, "split")
    return Item(
        Path(_text(row, "path")).as_posix(),
        label_of[_text(row, "label")],
        split_named(split, str(file)) if split else None,
        _text(row, "group") or None,
    )


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()
