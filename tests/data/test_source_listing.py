import json
from pathlib import Path

import pytest

from xzoo.data.source import Source, open_source
from xzoo.errors import DataError

ROWS = ["path,label", "cat/1.png,cat", "cat/2.png,cat", "dog/1.png,dog", "dog/2.png,dog"]


def listing(folder: Path, *lines: str, name: str = "list.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n", encoding=encoding)
    return folder / name


def told(source: Source) -> dict[str, str]:
    return {finding.id: finding.text for finding in source.repairs}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_csv_lists_paths_beside_it(four: Path, encoding: str) -> None:
    source = open_source(listing(four, *ROWS, encoding=encoding))
    assert source.classes == ("cat", "dog")
    assert [item.id for item in source.items] == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
    assert source.repairs == ()


def test_splits_and_groups_are_read_where_listed(four: Path) -> None:
    rows = [
        f"{path},{path[:3]},{split},{split}1"
        for path, split in zip(
            ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"), ("train", "Valid", "train", "valid"), strict=True
        )
    ]
    source = open_source(listing(four, "Path, Label, split, group", *rows))
    assert [item.split for item in source.items] == ["train", "val", "train", "val"]
    assert source.items[0].group == "train1"


def test_jsonl_is_read_like_csv(four: Path) -> None:
    lines = [
        json.dumps({"path": f"{name}/{place}.png", "label": label})
        for label, name in enumerate(("cat", "dog"))
        for place in (1, 2)
    ]
    source = open_source(listing(four, *lines, "", name="list.jsonl"))
    assert source.classes == ("0", "1")
    assert len(source.items) == 4


def test_a_file_listed_twice_counts_once_and_files_not_listed_are_said(four: Path) -> None:
    source = open_source(listing(four, *ROWS[:4], "./cat/../cat/1.png,cat", "dog/2.png,dog"))
    assert len(source.items) == 4
    assert told(source)["listed-twice"].startswith("1 line")
    rows = [*ROWS[:3], "cat/1.png,cat", "dog/1.png,dog"]
    (four / "dog/3.png").write_bytes((four / "dog/1.png").read_bytes())
    assert "dog/3.png" in told(open_source(listing(four, *rows, "dog/2.png,dog")))["unlisted-files"]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([*ROWS, "cat/1.png,dog"], "different labels, splits or groups: cat/1.png"),
        ([*ROWS, "cat/9.png,cat"], "1 of 5 listed files do not exist: cat/9.png"),
        (["file,class", "cat/1.png,cat"], "no column path, label; it has file, class"),
        (["path;label", "cat/1.png;cat"], "it has path;label"),
        ([""], "no column"),
        ([*ROWS, "cat/3.png,"], "without a label: cat/3.png"),
        ([*ROWS, ",cat"], "without a path"),
        (["path,label,split", "cat/1.png,cat,later"], "'later' is unknown"),
        ([*ROWS, '"cat/1.png,cat'], "is no CSV file"),
        (["path,label"], "holds no images"),
    ],
)
def test_a_csv_that_cannot_be_used_is_named(four: Path, lines: list[str], text: str) -> None:
    with pytest.raises(DataError) as caught:
        open_source(listing(four, *lines))
    assert text in caught.value.text
    assert "list" in caught.value.text
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{", "line 1 is no JSON"),
        ("[1]", "is no JSON object"),
        ('{"path": "cat/1.png"}', "no column label; it has path"),
        ('{"path": "cat/1.png", "label": ["a", "b"]}', "multi-label is not built"),
    ],
)
def test_a_jsonl_that_cannot_be_used_is_named(four: Path, line: str, text: str) -> None:
    with pytest.raises(DataError) as caught:
        open_source(listing(four, line, name="list.jsonl"))
    assert text in caught.value.text
    assert caught.value.remedy


def test_another_encoding_is_named(four: Path) -> None:
    with pytest.raises(DataError, match="not UTF-8"):
        open_source(listing(four, *ROWS, "k\u00e4tzchen.png,cat", encoding="latin-1"))


def test_files_outside_of_the_listings_folder_are_read_and_said(four: Path) -> None:
    (four / "lists").mkdir()
    rows = [f"../{name},{name[:3]}" for name in ("cat/1.png", "cat/2.png", "dog/1.png")] + [f"{four / 'dog/2.png'},dog"]
    (four / "lists" / "a.csv").write_text("path,label\n" + "\n".join(rows))
    source = open_source(four / "lists" / "a.csv")
    assert len(source.items) == 4
    told = {finding.id: finding.text for finding in source.repairs}
    assert told["outside-files"].startswith("4 listed files lie outside of")


@pytest.mark.parametrize("label", ["9" * 5000, "\x1b[2Jred", "\u202eevil"])
def test_labels_may_be_anything_and_are_shown_as_text(four: Path, label: str) -> None:
    rows = [
        {"path": f"{kind}/{number}.png", "label": label if kind == "cat" else "dog"}
        for kind in ("cat", "dog")
        for number in (1, 2)
    ]
    (four / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    classes = open_source(four / "a.jsonl").classes
    assert len(classes) == 2
    assert all(name.isprintable() for name in classes)


@pytest.mark.parametrize("line", ['{"path": "\\ud800.png", "label": "a"}', "[" * 100_000, '{"a":' * 100_000])
def test_lines_that_break_readers_are_refused(four: Path, line: str) -> None:
    (four / "a.jsonl").write_text(line)
    with pytest.raises(DataError):
        open_source(four / "a.jsonl")
