"""Listings that cannot be used, through the whole command line: one screen that names the file and the line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., None]
LINE = "compare convgap --epochs 1 --seeds 1 --freeze frozen --set size=16 --data"
NAMES = [(f"good/{label}/{number}.png", label) for label in "ab" for number in range(4)]
ROWS = "".join(f"{path},{label}\n" for path, label in NAMES)

LISTINGS: list[tuple[str, str | bytes, list[str]]] = [
    ("empty", "", ["list.csv has no column path, label; it has none"]),
    ("a head alone", "path,label\n", ["list holds no images", "list.csv"]),
    ("no head", ROWS, ["no column path, label", "it has good/a/0.png, a"]),
    ("other columns", "file,class\n" + ROWS, ["it has file, class", "path,label[,split,group]"]),
    ("semicolons", "path;label\n" + ROWS.replace(",", ";"), ["it has path;label"]),
    ("a column twice", "path,label,label\n" + ROWS.replace("\n", ",x\n"), ["two columns called label", "keep one"]),
    ("a file that is not there", f"path,label\n{ROWS}gone.png,a\n", ["1 of 9 listed files do not exist: gone.png"]),
    ("a folder", f"path,label\n{ROWS}good,a\n", ["do not exist: good"]),
    ("a very long name", f"path,label\n{ROWS}{'x' * 5000}.png,a\n", ["do not exist: xxx", "take the lines out"]),
    ("a zero byte", f"path,label\n{ROWS}good/\0.png,a\n", ["zero byte", r"good/\x00.png"]),
    ("no label", f"path,label\n{ROWS}good/a/0.png,\n", ["1 row without a label: good/a/0.png"]),
    ("no path", f"path,label\n{ROWS},a\n", ["1 row without a path: row 9"]),
    ("a comma too many", f"path,label\n{ROWS}good/a/0.png,a, b\n", ["row 9", "put quotes"]),
    ("an open quote", f'path,label\n{ROWS}"good/a/0.png,a\n', ["no CSV file"]),
    ("two labels for a file", f"path,label\n{ROWS}good/a/0.png,b\n", ["1 file twice", "good/a/0.png", "one line for each"]),
    ("an unknown split", "path,label,split\n" + ROWS.replace("\n", ",half\n"), ["split 'half' is unknown", "train, val, test"]),
    ("a split for some", "path,label,split\n" + ROWS.replace("\n", ",train\n", 5), ["3 of 8 images name no split"]),
    ("no train", "path,label,split\n" + ROWS.replace("\n", ",test\n"), ["list declares no training images"]),
    ("one patient", "path,label,group\n" + ROWS.replace("\n", ",p1\n"), ["single group", "add images of another patient"]),
    ("Latin-1", f"path,label\n{ROWS}good/é.png,a\n".encode("latin-1"), ["list.csv is not UTF-8", "save it as UTF-8"]),
    ("UTF-16", f"path,label\n{ROWS}".encode("utf-16"), ["list.csv is not UTF-8"]),
]


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(("content", "says"), [case[1:] for case in LISTINGS], ids=[case[0] for case in LISTINGS])
def test_listings_that_cannot_be_used_are_named(refused: Refused, place: Path, content: str | bytes, says: list[str]) -> None:
    (place / "list.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    refused(f"{LINE} list.csv", 2, *says)


OBJECTS = [
    ("half an object", '{"path": "good/a/0.png"', ["line 1 is no JSON"]),
    ("a list", "[1]\n", ["line 1 is no JSON object", '{"path": ..., "label": ...}']),
    ("no label", '{"path": "good/a/0.png"}\n', ["no column label"]),
    ("two labels", '{"path": "good/a/0.png", "label": ["a", "b"]}\n', ["multi-label is not built", "one label"]),
    ("nothing", "", ["list holds no images"]),
]


@pytest.mark.usefixtures("good")
@pytest.mark.parametrize(("content", "says"), [case[1:] for case in OBJECTS], ids=[case[0] for case in OBJECTS])
def test_lines_of_json_that_cannot_be_used_are_named(refused: Refused, place: Path, content: str, says: list[str]) -> None:
    (place / "list.jsonl").write_text(content)
    refused(f"{LINE} list.jsonl", 2, *says)
