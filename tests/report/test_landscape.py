"""The picture of backbones on offer: who lies where, who has no place, and that names are text in it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from strings import HOSTILE
from xzoo.report.landscape import landscape, landscape_text, notes
from xzoo.report.landscape_svg import landscape_svg
from xzoo.zoo.listing import NameRow, Row, WeightsRow

NAMES = [name for name in HOSTILE if name]
SVG = "{http://www.w3.org/2000/svg}"


def weights(top1: float | None = 70.0, on: str = "ImageNet-1k", size: int = 224, name: str = "V1") -> WeightsRow:
    return WeightsRow(name, "MIT", on, top1, None, (size, size), f"https://example.org/{name}")


def row(name: str, gmacs: float | None = 1.0, *found: WeightsRow, params: int | None = 10_000_000) -> Row:
    return Row(name, "zoo", "1.0", params, gmacs, (224, 224), 3, found)


def test_who_has_no_place_is_named_with_the_reason() -> None:
    found = landscape(
        [
            row("right", 1.0, weights()),
            row("no-gmacs", None, weights()),
            row("no-accuracy", 1.0, weights(None)),
            row("no-weights", 1.0),
            row("other-data", 1.0, weights(on="ImageNet-21k")),
            row("other-size", 1.0, weights(size=384)),
            NameRow("broken", "zoo", "1.0"),
        ]
    )
    assert [spot.name for spot in found.spots] == ["right"]
    assert found.left_out == {
        "without published GMACs": ["no-gmacs"],
        "without a published accuracy": ["no-accuracy", "no-weights"],
        "without one of ImageNet-1k at the size of their GMACs": ["other-data", "other-size"],
        "not declared": ["broken"],
    }
    assert "Left out, without a published accuracy: no-accuracy, no-weights." in notes(found)


def test_the_accuracy_is_of_the_first_weights_at_the_size_that_the_gmacs_are_of() -> None:
    [spot] = landscape([row("a", 1.0, weights(90, size=384, name="large"), weights(None), weights(70), weights(80))]).spots
    assert (spot.top1, spot.weights, spot.source) == (70, "V1", "https://example.org/V1")


def test_the_front_holds_what_no_other_betters_in_both() -> None:
    figures = {"a": (1.0, 60), "b": (2.0, 55), "c": (2.0, 70), "d": (4.0, 70), "e": (8.0, 71)}
    found = landscape([row(name, gmacs, weights(top1)) for name, (gmacs, top1) in figures.items()])
    assert list(found.front) == ["a", "c", "e"]
    assert [spot.name for spot in found.spots] == ["e", "c", "d", "a", "b"]


@pytest.mark.parametrize("columns", [1, 40, 80, 300])
def test_bubbles_lie_where_their_figures_are_and_nothing_is_too_wide(columns: int) -> None:
    rows = [
        row("little", 0.1, weights(50), params=10),
        row("middle", 1.0, weights(60)),
        row("large", 10.0, weights(70), params=9**9),
    ]
    lines = landscape_text(landscape(rows), columns).splitlines()
    assert max(map(len, lines)) <= max(40, min(columns, 110))
    drawn = lines[1:23]
    places = {sign: next((i, line.index(sign)) for i, line in enumerate(drawn) if sign in line) for sign in "·•◉"}
    assert places["◉"][0] < places["•"][0] < places["·"][0]
    assert places["◉"][1] > places["•"][1] > places["·"][1]
    assert abs((places["◉"][1] - places["•"][1]) - (places["•"][1] - places["·"][1])) <= 1
    assert all(any(name in line for line in drawn) for name in ("little", "middle", "large"))


def test_no_name_becomes_a_code_of_the_terminal() -> None:
    found = landscape([row(name, 0.1 + number, weights(40 + number / 4)) for number, name in enumerate(NAMES)])
    assert all(line.isprintable() for line in landscape_text(found, 100).split("\n"))


def test_no_name_becomes_an_element_or_an_attribute_of_the_svg() -> None:
    def kinds(names: list[str]) -> set[tuple[str, str]]:
        rows = [row(name, 0.1 + number, weights(40 + number / 4, name=name)) for number, name in enumerate(names)]
        tree = ElementTree.fromstring(landscape_svg(landscape([*rows, *(row(name) for name in names)])))
        assert len(tree.findall(f".//{SVG}circle")) == len(names)
        return {(one.tag, name) for one in tree.iter() for name in [*one.attrib, ""]}

    assert kinds(NAMES) == kinds([f"name {number}" for number in range(len(NAMES))])


def test_labels_of_the_svg_stand_inside_and_never_on_each_other() -> None:
    rows = [row(f"a-backbone-{number}", 1 + number % 7, weights(60 + number % 11)) for number in range(80)]
    tree = ElementTree.fromstring(landscape_svg(landscape(rows)))
    boxes = [
        (float(one.attrib["x"]), float(one.attrib["y"]), 6.2 * len(one.text or ""))
        for one in tree.findall(f".//{SVG}g/{SVG}text")
    ]
    assert len(boxes) > 5
    for number, (x, y, width) in enumerate(boxes):
        assert x > 0
        assert x + width < 960
        assert all(y - 13 >= other_y or other_y - 13 >= y or x >= a + b or a >= x + width for a, other_y, b in boxes[:number])


def test_a_picture_of_nothing_says_so() -> None:
    empty = landscape([row("a")])
    assert "no backbone here has an accuracy and GMACs that are published" in landscape_text(empty, 80)
    assert re.search("Left out, without a published accuracy: a", landscape_svg(empty))
