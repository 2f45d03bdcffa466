"""Reporting checklists: every item is there, and none is called filled without a value for all of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest

import xzoo
from xzoo.audit.outcome import Audit
from xzoo.report.cards.checklist import FILLED, NOT_APPLICABLE, YOURS, Ask, Checklist, answer, summary
from xzoo.report.cards.claim import CLAIM
from xzoo.report.cards.facts import FACTS, facts
from xzoo.report.cards.trained import Trained, trained
from xzoo.report.cards.tripod import TRIPOD
from xzoo.report.reading import read_folder
from xzoo.runs.store import RunFolder, read

BOTH = [CLAIM, TRIPOD]


@pytest.fixture(scope="module")
def model(run: Path) -> Trained:
    return trained(read_folder(RunFolder(run)))[0]


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """An audit of noise in which patients cross splits, as if it were of the run's images."""
    rng = np.random.default_rng(0)
    images_NHW = rng.integers(0, 120, (120, 32, 32)).astype(np.uint8)
    splits, groups = ["train"] * 80 + ["test"] * 40, [f"patient {number % 40}" for number in range(120)]
    data = xzoo.arrays(images_NHW, np.arange(120) % 2, splits=splits, groups=groups, classes=["a", "b"])
    value = msgspec.to_builtins(xzoo.audit(data), enc_hook=str)
    value["dataset"]["pack"] = "p" * 32
    path = tmp_path_factory.mktemp("audit") / "audit.json"
    path.write_bytes(msgspec.json.encode(value))
    return read(path, Audit)


def test_claim_has_its_44_items_and_tripod_its_27_in_52_parts() -> None:
    assert [ask.number for ask in CLAIM.asks] == [str(number) for number in range(1, 45)]
    numbers = [ask.number for ask in TRIPOD.asks]
    assert list(dict.fromkeys(int(number.rstrip("abcdefg")) for number in numbers)) == list(range(1, 28))
    assert len(set(numbers)) == len(numbers) == 52
    parts = {"3": 3, "5": 2, "6": 3, "8": 3, "9": 3, "12": 7, "18": 6, "20": 3, "23": 2, "27": 3}
    assert {first: sum(number.rstrip("abcdefg") == first for number in numbers) for first in parts} == parts


@pytest.mark.parametrize("checklist", BOTH, ids=lambda one: one.name)
def test_every_item_says_what_to_write_unless_the_run_or_a_reason_answers_it(checklist: Checklist, model: Trained) -> None:
    for item in checklist.answered(facts(model)):
        assert item.status in {FILLED, YOURS, NOT_APPLICABLE}
        assert item.text.strip()
        assert item.topic
    for ask in checklist.asks:
        assert ask.write or ask.never or ask.fills, ask.number
        assert set(ask.fills) | set(ask.knows) <= set(FACTS), ask.number


def test_an_item_is_filled_where_every_fact_that_fills_it_is_known() -> None:
    ask = Ask("1", "topic", "Write it.", fills=("a", "b"), knows=("c",))
    assert answer(ask, {"a": "one.", "b": "two.", "c": "three."}).status == FILLED
    assert answer(ask, {"a": "one.", "b": "two.", "c": "three."}).text == "one. two."


@pytest.mark.parametrize("missing", [{"b": ""}, {"b": " "}, {"a": "", "b": ""}])
def test_an_item_is_never_filled_with_nothing(missing: dict[str, str]) -> None:
    ask = Ask("1", "topic", "Write it.", fills=("a", "b"), knows=("c",))
    item = answer(ask, {"a": "one.", "b": "two.", "c": "", **missing})
    assert item.status == YOURS
    assert item.text.startswith("Write it.")
    assert ("This run knows: one." in item.text) == ("a" not in missing)
    assert answer(Ask("2", "topic", "Write it."), {}).status == YOURS


@pytest.mark.parametrize("checklist", BOTH, ids=lambda one: one.name)
def test_a_run_that_knows_nothing_fills_nothing(checklist: Checklist) -> None:
    items = checklist.answered(dict.fromkeys(FACTS, ""))
    assert {item.status for item in items} == {YOURS, NOT_APPLICABLE}
    assert all(item.text for item in items)


def test_items_that_only_an_author_can_answer_are_never_filled(model: Trained) -> None:
    by_number = {item.number: item for item in CLAIM.answered(facts(model))}
    assert {by_number[number].status for number in ("3", "5", "11", "16", "33", "36", "40", "44")} == {YOURS}
    by_number = {item.number: item for item in TRIPOD.answered(facts(model))}
    assert {by_number[number].status for number in ("3a", "3c", "8a", "14", "17", "18a", "19", "23a", "27b")} == {YOURS}


def test_the_figures_of_the_test_split_fill_the_item_of_diagnostic_performance(model: Trained) -> None:
    [item] = [item for item in CLAIM.answered(facts(model)) if item.number == "38"]
    assert model.cell.test is not None
    assert model.cell.test.auroc is not None
    assert item.status == FILLED
    assert f"AUROC {model.cell.test.auroc.value:.3f} (" in item.text


def test_without_patients_nobody_is_told_that_splits_are_apart(model: Trained, audit: Audit) -> None:
    known = facts(model)
    assert (known["level"], known["patients"]) == ("", "")
    plan = {**model.reading.plan, "data": {**model.reading.plan["data"], "group": r"p(\d+)"}}
    grouped = dataclasses.replace(model, reading=dataclasses.replace(model.reading, plan=plan))
    assert facts(grouped)["level"] == ""
    crossed = dataclasses.replace(grouped, audit=audit)
    assert facts(crossed)["level"] == ""
    assert "share patients with" in facts(crossed)["level_of_drawn"]
    assert "Patients: training 32, validation 8, test 40." in facts(crossed)["patients"]
    sound = dataclasses.replace(crossed, audit=dataclasses.replace(audit, leaks=[]))
    assert "lie in one split each" in facts(sound)["level"]


def test_an_audit_of_other_images_tells_nothing(run: Path, audit: Audit) -> None:
    other = dataclasses.replace(audit, dataset={**audit.dataset, "pack": "q" * 32})
    reading = read_folder(RunFolder(run))
    assert {model.audit for model in trained(reading, other)} == {None}
    assert all(model.audit is audit for model in trained(reading, audit))


def test_the_answers_are_counted() -> None:
    items = [answer(Ask("1", "a", "b"), {}), answer(Ask("2", "a", never="c"), {})]
    assert summary(items) == "2 items: 0 filled from this run, 1 you must write, 1 not applicable."
