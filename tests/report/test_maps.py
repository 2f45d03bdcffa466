"""Pictures of a run's images: thumbnails of what an audit found, and maps of confident answers, where the images are at hand."""

from __future__ import annotations

import base64
import dataclasses
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

import xzoo
from xzoo.audit.outcome import Audit
from xzoo.report import album, writing
from xzoo.report.html import html_text
from xzoo.report.reading import Reading, read_folder
from xzoo.report.sections import faults, maps
from xzoo.runs.store import RunFolder

DATA = "phantom:train=24,val=12,test=12,size=32"
NETWORK = """
import xzoo

def build():
    from torch import nn
    body = [nn.Conv2d(1, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 8, 3, 2), nn.ReLU()]
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))

net = xzoo.Backbone(
    name="net", build=build, head=xzoo.ReplaceLinear("6"), stages={"a": "0", "b": "2"},
    preprocess=xzoo.Preprocess(size=32, mean=(0.5,), std=(0.5,)),
)
"""


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Reading:
    """A run of a small network that can be found again, on drawn images, which are at hand everywhere."""
    folder = tmp_path_factory.mktemp("maps")
    (folder / "mynet.py").write_text(NETWORK)
    made = xzoo.compare(
        [f"{folder / 'mynet.py'}:net"],
        DATA,
        freeze=["frozen"],
        seeds=1,
        recipe={"epochs": 2},
        runs=folder / "runs",
        latency=False,
    )
    assert made.failed == []
    return read_folder(RunFolder(Path(made.run)))


def opened(uri: str) -> Image.Image:
    head, _, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


def test_a_picture_is_a_small_jpeg_in_the_file_itself() -> None:
    wide, gray = np.zeros((300, 600, 3), np.uint8), np.full((20, 10, 1), 200, np.uint8)
    assert opened(album.picture(wide)).size == (128, 64)
    small = opened(album.picture(gray))
    assert (small.size, small.mode) == ((10, 20), "L")
    assert abs(int(np.asarray(small).mean()) - 200) < 3


def test_a_map_makes_its_places_warm_and_leaves_the_others_as_they_are() -> None:
    gray_HW1, shares_HW = np.full((4, 4, 1), 100, np.uint8), np.zeros((4, 4))
    shares_HW[0, 0] = 1.0
    painted = album.heated(gray_HW1, shares_HW)
    assert painted.shape == (4, 4, 3)
    assert (painted[1:] == 100).all()
    assert painted[0, 0, 0] > 180 > painted[0, 0, 2]


def test_the_most_confident_are_chosen_by_class_right_and_wrong() -> None:
    chances_NK = np.array([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9]])
    hits, misses = maps.chosen(chances_NK, np.array([0, 0, 0, 0, 0, 1, 1]))
    assert hits == [0, 2, 6, 5]
    assert misses == [4, 3]


def test_of_many_classes_those_that_are_missed_most_are_shown() -> None:
    labels_N = np.repeat(np.arange(10), 4)
    answers_N = np.where(labels_N >= 7, 0, labels_N)
    chances_NK = np.eye(10)[answers_N] * 0.9 + 0.01
    hits, misses = maps.chosen(chances_NK, labels_N)
    assert {int(labels_N[place]) for place in misses} == {7, 8, 9}
    assert len(misses) == 6
    assert {int(labels_N[place]) for place in hits} <= set(range(10))
    assert len(hits) == 2 * 3


def test_a_contender_is_shown_with_its_own_answers_and_a_map_of_each(reading: Reading) -> None:
    shown = album.open_album(reading)
    assert shown.pack is not None
    [row] = maps.maps(reading, shown).rows
    assert (row.reason, row.layer, row.seed) == ("", "3", 0)
    stored = reading.folder.predictions(reading.outcome.cells[0].id)
    by_id = {shown.pack.ids_N[int(index)]: place for place, index in enumerate(stored["test_index"])}
    for one in (*row.hits, *row.misses):
        chances_K = stored["test_probabilities"][by_id[one.id]]
        assert one.said == pytest.approx(chances_K.max())
        assert one.answer == reading.outcome.dataset["classes"][int(chances_K.argmax())]
        assert max(opened(one.image).size) <= 128
        assert opened(one.painted).mode == "RGB"
    assert all(one.label == one.answer for one in row.hits)
    assert all(one.label != one.answer for one in row.misses)
    assert len(row.hits) + len(row.misses) >= 2


def test_a_network_that_answers_otherwise_than_it_did_shows_no_maps(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    found = reading.folder.predictions(reading.outcome.cells[0].id)
    turned = {**found, "test_probabilities": found["test_probabilities"][:, ::-1] ** 3 + np.array([0.5, 0.0])}
    monkeypatch.setattr(RunFolder, "predictions", lambda self, cell: turned)
    [row] = maps.maps(reading, album.open_album(reading)).rows
    assert (row.hits, row.misses) == ([], [])
    assert "answers otherwise than the run stored" in row.reason


def test_a_network_that_cannot_be_found_again_has_a_reason_and_the_page_is_made(reading: Reading, tmp_path: Path) -> None:
    shutil.copytree(reading.folder.path, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "learnt")
    lost = read_folder(RunFolder(tmp_path / "run"))
    [row] = maps.maps(lost, album.open_album(lost)).rows
    assert "no trained tensors" in row.reason
    assert "no trained tensors" in xzoo.report(lost.folder.path, tmp_path / "page.html").read_text("utf-8")


def test_a_network_that_breaks_costs_its_maps_and_not_the_page(
    reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("<b>shapes</b> do not fit")

    monkeypatch.setattr("xzoo.evaluate.cam.class_maps", breaks)
    page = xzoo.report(reading.folder.path, tmp_path / "page.html").read_text("utf-8")
    assert "No maps: RuntimeError: &lt;b&gt;shapes&lt;/b&gt; do not fit." in page


def test_the_page_shows_maps_and_other_forms_hold_no_pictures(reading: Reading, tmp_path: Path) -> None:
    page = xzoo.report(reading.folder.path, tmp_path / "page.html").read_text("utf-8")
    assert "What answers rest on" in page
    assert page.count("data:image/jpeg;base64,") >= 4
    told = msgspec.json.decode(xzoo.report(reading.folder.path, tmp_path / "page.json").read_bytes())
    assert told["reports"][0]["maps"] is None


def test_a_page_whose_images_are_not_at_hand_says_so_in_one_line(run: Path) -> None:
    [found] = writing.gather([run], "nowhere", pictured=True)
    assert found.maps is not None
    assert found.maps.rows == []
    page = html_text([found], "1")
    assert page.count("cannot find its data again") == page.count("No pictures: ") == 1
    assert "<img" not in page


def test_images_that_are_not_those_of_the_run_are_refused_where_they_were_named(reading: Reading, run: Path) -> None:
    with pytest.raises(xzoo.UsageError, match="is not the data of"):
        writing.gather([reading.folder.path], "nowhere", data="phantom:train=8,val=4,test=4,size=32", pictured=True)
    with pytest.raises(xzoo.UsageError, match="does not exist"):
        writing.gather([run], "nowhere", data="/no/such/folder", pictured=True)
    with pytest.raises(xzoo.UsageError, match="has no part in the form csv"):
        xzoo.report(run, "a.csv", data=DATA)


def test_copies_and_images_that_give_a_split_away_are_shown(reading: Reading, writer: Callable[..., Any]) -> None:
    shown = album.open_album(reading)
    assert shown.pack is not None
    value = msgspec.to_builtins(xzoo.audit(DATA), enc_hook=str)
    ids = shown.pack.ids_N
    pair = {"one": ids[0], "other": ids[-1], "kind": "pixels", "splits": ["train", "test"], "labels": ["a", "b"], "detail": 1.0}
    value["copies"], value["num_copies"] = [{**pair, "likeness": 1.0}, {**pair, "one": "<b>gone</b>", "likeness": 1.0}], 2
    told = faults.faults(reading, msgspec.convert(value, Audit), shown)
    assert told is not None
    assert set(told.pictures) == {ids[0], ids[-1]} | {one.id for one in told.giveaways}
    without = faults.faults(reading, msgspec.convert(value, Audit))
    assert without is not None
    assert without.pictures == {}
    [found] = writing.gather([reading.folder.path], "nowhere")
    page = html_text([dataclasses.replace(found, faults=told)], "1")
    assert page.count('<li class="two">') == 1
    assert f'alt="{ids[0]}"' in page
    assert "&lt;b&gt;gone" in page
