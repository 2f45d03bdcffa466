"""A model card: what it says of one trained model, that Hugging Face reads it, and that no name breaks it."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xzoo
from strings import HOSTILE
from xzoo import durable
from xzoo.compare.outcome import Outcome
from xzoo.data.items import printable
from xzoo.report.cards import document, images
from xzoo.report.cards.facts import FACTS, facts
from xzoo.report.cards.figures import figure
from xzoo.report.cards.front import front_matter
from xzoo.report.cards.metadata import metadata
from xzoo.report.cards.trained import Trained, trained
from xzoo.report.reading import read_folder
from xzoo.runs.result import CellResult, Finding
from xzoo.runs.store import RunFolder

NAMES = list(dict.fromkeys(name for name in HOSTILE if name))
FEW: dict[str, Any] = {"seeds": [0], "freezes": ["frozen"], "epochs": 2, "distinct": 1, "comparing": False, "resamples": 2}


@pytest.fixture(scope="module")
def models(run: Path) -> list[Trained]:
    return trained(read_folder(RunFolder(run)))


@pytest.fixture(scope="module")
def hostile(writer: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> list[Trained]:
    """A model for each of a hundred hostile names, which are classes, data and findings too."""
    folder = tmp_path_factory.mktemp("hostile") / "run"
    findings = [Finding(name, "warning", name, name) for name in NAMES]
    writer(folder, names=NAMES, classes=NAMES[:40:4], findings=findings, data=NAMES[0], **FEW)
    return trained(read_folder(RunFolder(folder)))


def accuracy(cell: CellResult) -> float:
    assert cell.val is not None
    assert cell.val.accuracy is not None
    return cell.val.accuracy.value


def card(model: Trained) -> str:
    return document.files(model)[document.CARD]


def test_every_trained_contender_has_a_folder_with_a_card_and_checklists(
    run: Path, models: list[Trained], tmp_path: Path
) -> None:
    folder = xzoo.report(run, tmp_path / "cards", form="card")
    found = sorted(path.relative_to(folder).parts for path in folder.rglob("*.md"))
    assert len({name for name, _ in found}) == len(models) == 6
    assert {file for _, file in found} == {"README.md", "CHECKLISTS.md"}
    assert len(found) == 12


def test_the_figures_are_those_of_the_one_model_and_the_seeds_stand_beside(models: list[Trained]) -> None:
    for model in models:
        text, found = card(model), model.cell.test
        assert found is not None
        assert found.accuracy is not None
        assert f"{figure(found.accuracy)} |" in text
        assert f"Over 3 seeds, test accuracy {model.row.test['accuracy']['value']:.3f}" in text
        accuracies = {cell.seed: accuracy(cell) for cell in model.reading.done(model.row)}
        assert accuracies[model.cell.seed] == max(accuracies.values())


def test_the_model_is_the_one_whose_tensors_were_kept(
    writer: Callable[..., Outcome], tmp_path: Path, models: list[Trained]
) -> None:
    writer(tmp_path / "run", names=["a"], freezes=["frozen"])
    folder = RunFolder(tmp_path / "run")
    [before] = trained(read_folder(folder))
    kept = next(cell.id for cell in before.reading.done(before.row) if cell.id != before.cell.id)
    durable.write_bytes(folder.learnt(kept), b"tensors")
    [after] = trained(read_folder(folder))
    assert after.cell.id == kept
    assert f"sha256 {durable.sha256(folder.learnt(kept))}" in card(after)
    assert "were not kept" in card(before)


def test_images_are_counted_by_class_and_split(models: list[Trained]) -> None:
    assert models[0].counts == {split: {"normal": 30, "pneumonia": 30} for split in ("train", "val", "test")}
    assert "| pneumonia | 30 | 30 | 30 |" in card(models[0])
    assert images.subset(models[0]) == "All 180 images that xzoo was given take part."
    fewer = dataclasses.replace(models[0], counts={"train": {"normal": 5}, "test": {"normal": 30}})
    assert images.subset(fewer) == "35 of the 180 images that xzoo was given take part: training on fewer was asked for."


@pytest.mark.parametrize(
    ("rule", "drawn", "seed", "said"),
    [
        (
            "declared",
            ["train", "val"],
            1,
            "with the data: test. Drawn by xzoo, stratified by class: training (seed 1), validation (seed 1).",
        ),
        ("declared", ["train", "test"], 1, "validation. Drawn by xzoo, stratified by class: training (seed 0), test (seed 0)."),
        (
            "0.6,0.2,0.2 (seed 7)",
            ["val", "test"],
            1,
            "training. Drawn by xzoo, stratified by class: validation (seed 7), test (seed 0).",
        ),
        ("pool", ["val", "test"], 1, "training. Drawn by xzoo, stratified by class: validation (seed 1), test (seed 1)."),
    ],
)
def test_a_card_says_what_was_drawn_and_not_the_name_of_the_rule(
    models: list[Trained], rule: str, drawn: list[str], seed: int, said: str
) -> None:
    model = models[0]
    outcome = dataclasses.replace(model.reading.outcome, dataset={**model.dataset, "drawn": drawn})
    reading = dataclasses.replace(model.reading, outcome=outcome)
    row, cell = dataclasses.replace(model.row, split=rule), dataclasses.replace(model.cell, seed=seed)
    text = " ".join(images.splits(dataclasses.replace(model, reading=reading, row=row, cell=cell)).split())
    assert said in text
    assert "declared" not in text


def test_a_card_warns_of_clinical_use_names_its_licence_and_how_to_make_it_again(models: list[Trained]) -> None:
    for model in models:
        text = card(model)
        assert "**Not for clinical use.**" in text
        assert "xzoo compare alexnet googlenet mobilenet --data photos\n```" in text
        assert f"sha256 {'ab' * 32}" in text
        assert metadata(model)["license"] == "bsd-3-clause"


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ("Apache-2.0", {"license": "apache-2.0"}),
        ("", {"license": "unknown"}),
        ("my own terms", {"license": "other", "license_name": "my-own-terms-"}),
    ],
)
def test_a_licence_is_spelt_as_the_hub_does(models: list[Trained], stated: str, found: dict[str, str]) -> None:
    assert models[0].facts is not None
    changed = dataclasses.replace(models[0].facts, weights={"name": "V1", "licence": stated})
    told = metadata(dataclasses.replace(models[0], facts=changed))
    assert told["license"] == found["license"]
    assert told.get("license_name", "").startswith(found.get("license_name", ""))


def test_findings_of_other_contenders_stay_out_of_a_card(models: list[Trained]) -> None:
    own, other = models[0], models[1]
    told = [Finding("a", "warning", f"{own.row.id} is odd"), Finding("b", "warning", f"{other.row.id} is odd")]
    reading = dataclasses.replace(own.reading, outcome=dataclasses.replace(own.reading.outcome, findings=told))
    text = card(dataclasses.replace(own, reading=reading))
    assert "[a]" in text.replace("\\", "")
    assert "[b]" not in text.replace("\\", "")


def test_hugging_face_reads_the_card_and_every_result(models: list[Trained]) -> None:
    hub = pytest.importorskip("huggingface_hub")
    for model in models:
        read = hub.ModelCard(card(model), ignore_metadata_errors=False)
        assert (read.data.pipeline_tag, read.data.library_name) == ("image-classification", "xzoo")
        assert read.data.model_name == f"{model.row.id}, seed {model.cell.seed}"
        found = {(one.dataset_split, one.metric_type): one for one in read.data.eval_results}
        assert all(isinstance(one, hub.EvalResult) and math.isfinite(one.metric_value) for one in found.values())
        assert model.cell.test is not None
        assert model.cell.test.accuracy is not None
        assert found["test", "accuracy"].metric_value == model.cell.test.accuracy.value
        assert "n=60" in found["test", "accuracy"].metric_name
        assert {split for split, _ in found} == {"validation", "test"}
        hub.ModelCard(str(read))  # and writes one that it reads again


def test_no_hostile_name_breaks_the_front_matter(hostile: list[Trained]) -> None:
    hub = pytest.importorskip("huggingface_hub")
    keys = {"license", "library_name", "pipeline_tag", "tags", "datasets", "metrics", "model-index"}
    for model in hostile[::10]:
        read = hub.ModelCard(card(model), ignore_metadata_errors=False)
        assert set(read.data.to_dict()) == keys
        assert read.text.lstrip().startswith("# ")
        assert len(read.data.tags) == 5
        assert re.fullmatch(r"[A-Za-z0-9._=@-]+", read.data.datasets[0])


def test_every_hostile_name_comes_out_of_a_front_matter_as_it_went_in() -> None:
    yaml = pytest.importorskip("yaml")
    text = front_matter({"tags": NAMES, "name": [{"a": name} for name in NAMES]}).strip().strip("-")
    shown = [printable(name) for name in NAMES]
    assert yaml.safe_load(text) == {"tags": shown, "name": [{"a": name} for name in shown]}


def test_no_hostile_name_becomes_markup(hostile: list[Trained]) -> None:
    markdown = pytest.importorskip("markdown_it")
    shown = markdown.MarkdownIt("commonmark").enable("table")
    allowed = {"h1", "h2", "p", "strong", "em", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "a"}
    for model in hostile[::10]:
        for name, text in document.files(model).items():
            body = text.split("\n---\n", 1)[1] if name == document.CARD else text
            tokens = [*(inner for token in shown.parse(body) for inner in (token, *(token.children or [])))]
            assert {token.tag for token in tokens} - {""} <= allowed
            links = {token.attrs["href"] for token in tokens if token.tag == "a" and token.nesting == 1}
            assert links <= {checklist.source for checklist in document.CHECKLISTS}
            rows = sum(token.type == "tr_open" for token in tokens)
            assert rows == (44 + 52 + 2 if name == document.ITEMS else rows)


def test_text_of_a_front_matter_is_quoted_and_no_number_is_lost() -> None:
    yaml = pytest.importorskip("yaml")
    values = {
        "a": 'no: "x" \\',
        "b": ["---", "yes", "12"],
        "c": [{"d": 0.1, "e": {"f": "#"}}, {"d": 3}],
        "empty": [],
        "none": None,
    }
    assert yaml.safe_load(front_matter(values).strip().strip("-")) == {key: values[key] for key in "abc"}
    with pytest.raises(ValueError, match="no place"):
        front_matter({"a": math.nan})


def test_a_bare_model_still_has_a_card(models: list[Trained]) -> None:
    model = models[0]
    cell = dataclasses.replace(
        model.cell, train=None, val=None, test=None, calibration={}, operating=(), proof=None, best_epoch=None
    )
    bare = dataclasses.replace(model, cell=cell, facts=None, counts={})
    text = card(bare)
    assert "model-index" not in text
    known = facts(bare)
    assert set(known) == set(FACTS)
    assert (known["network"], known["held_out"], known["calibration"], known["measures"]) == ("", "", "", "")
