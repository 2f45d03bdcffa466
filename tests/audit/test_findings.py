"""Findings say what was found, how grave it is, and what to do; `--fail-on` chooses among them."""

from __future__ import annotations

import pytest

from xzoo.audit import findings
from xzoo.audit.balance import SplitSize
from xzoo.audit.opening import Unreadable
from xzoo.audit.outcome import CopyRow, LeakRow, ShiftRow
from xzoo.audit.shift import Control, LabelShift, Separation, Trait
from xzoo.errors import UsageError
from xzoo.runs.result import Finding, Measure

NOTHING: dict[str, list[str]] = {"flat": [], "inverted": [], "sizes": [], "shapes": [], "channels": []}


def row(p_labels: float, p_looks: float) -> ShiftRow:
    tested = Separation(Measure(0.67, 0.63, 0.71, 800), p_looks)
    traits = (Trait("sharpness", Measure(0.3, 0.25, 0.35, 800)),)
    by_class = {"ill": tested, "rare": None}
    return ShiftRow("val", "test", tested, LabelShift(0.25, p_labels), p_labels, tested, p_looks, by_class, traits, ())


def size(counts: dict[str, int], within: float) -> SplitSize:
    total = sum(counts.values())
    return SplitSize(total, None, counts, max(counts.values()) / total, within, {}, f"{total} images")


def test_a_shift_is_told_with_its_control_its_classes_and_what_differs() -> None:
    controls = [Control("val", Measure(0.502, 0.45, 0.55, 20)), Control("test", Measure(0.497, 0.46, 0.54, 20))]
    [found] = findings.of_shifts([row(0.5, 0.003)], controls, "a net")
    assert (found.id, found.severity) == ("shift", "warning")
    for words in ("test from validation images", "AUROC 0.67 (0.63-0.71), p 0.003", "halves of val: 0.50", "ill 0.67", "less"):
        assert words in found.text
    assert "rare" not in found.text
    assert "--split pool" in found.remedy


@pytest.mark.parametrize(("p_labels", "p_looks", "ids"), [(0.5, 0.011, []), (0.009, 0.5, ["label-shift"]), (1, 0.009, ["shift"])])
def test_what_chance_would_do_is_no_finding(p_labels: float, p_looks: float, ids: list[str]) -> None:
    assert [one.id for one in findings.of_shifts([row(p_labels, p_looks)], [], "a net")] == ids


def test_a_control_that_finds_something_is_told() -> None:
    [found] = findings.of_shifts([], [Control("val", Measure(0.58, 0.52, 0.66, 20))], "a net")
    assert (found.id, "--group" in (found.remedy + found.text)) == ("control", True)


def test_copies_across_splits_are_errors_and_copies_within_are_not() -> None:
    rows = [
        CopyRow("a", "b", "bytes", ("train", "train"), ("ill", "ill"), 1, 1),
        CopyRow("a", "c", "near", ("train", "test"), ("ill", "ill"), 0.99, 0.98),
    ]
    leak = LeakRow("copies", "test", "train", 1, Measure(0.25, 0.05, 0.7, 4), (("a", "c"),))
    found = {one.id: one for one in findings.of_copies(rows, [["a", "c"]], [leak])}
    assert {name: one.severity for name, one in found.items()} == {
        "label-conflict": "error",
        "leaked-copies": "error",
        "copies": "info",
    }
    assert "1 of 4 test images (25.0%) show a picture of train too, such as a = c" in found["leaked-copies"].text
    assert found["copies"].text == "1 pair of one picture within a split (1 exact), such as a = b"


def test_images_that_cannot_be_used_are_named() -> None:
    odd = NOTHING | {"inverted": ["x"], "sizes": ["y"]}
    found = list(findings.of_images([Unreadable("z", "cut off")], odd))
    assert [(one.id, one.severity) for one in found] == [("unreadable", "error"), ("inverted", "warning"), ("sizes", "info")]
    assert "z (cut off)" in found[0].text
    assert list(findings.of_images([], NOTHING)) == []


def test_names_that_may_be_patients_are_pointed_at_where_none_is_known() -> None:
    names = ["a/person1_virus_6.jpeg", "a/person1_virus_7.jpeg", "b/person20_bacteria_3.jpeg"]
    [found] = findings.of_names(names, [None] * 3)
    assert "3 of 3 file names name 2 'person'" in found.text
    assert found.remedy.endswith(r"--group '(person\d+)'")
    assert list(findings.of_names(names, ["p"] * 3)) == []
    assert list(findings.of_names(["a/case_1.png", "a/case_2.png", "a/3.png"], [None] * 3)) == []


def test_a_small_split_is_a_warning_and_a_large_one_is_not() -> None:
    splits = {"train": size({"a": 5, "b": 5}, 0.3), "val": size({"a": 8, "b": 8}, 0.2), "test": size({"a": 200, "b": 50}, 0.05)}
    found = [(one.id, one.severity) for one in findings.of_sizes(splits)]
    assert found == [("power", "warning"), ("power", "info"), ("imbalance", "info")]


def test_a_word_chooses_a_name_or_a_severity_and_what_is_graver() -> None:
    told = [Finding("copies", "info", ""), Finding("shift", "warning", ""), Finding("unreadable", "error", "")]
    assert findings.chosen(["warning"], told) == told[1:]
    assert findings.chosen(["info"], told) == told
    assert findings.chosen(["copies", "error"], told) == [told[0], told[2]]
    assert findings.chosen([], told) == []
    with pytest.raises(UsageError, match="shfit"):
        findings.chosen(["shfit"], told)
