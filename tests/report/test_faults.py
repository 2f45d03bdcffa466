"""An audit beside a run: shown where it is of the same images, refused where it is not."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

import xzoo
from xzoo.audit.outcome import Audit
from xzoo.report import writing
from xzoo.report.html import html_text


@pytest.fixture(scope="module")
def audit() -> Audit:
    """An audit of noise in which the test images are brighter, and one picture stands in two splits."""
    rng = np.random.default_rng(0)
    images_NHW = rng.integers(0, 120, (120, 32, 32)).astype(np.uint8)
    images_NHW[80:] += 100
    images_NHW[1] = images_NHW[100]
    labels_N = np.arange(120) % 2
    splits = ["train"] * 80 + ["test"] * 40
    return xzoo.audit(xzoo.arrays(images_NHW, labels_N, splits=splits, classes=["a", "b"]))


@pytest.fixture
def written(audit: Audit, tmp_path: Path) -> Path:
    """The audit as a file, as if it were of the run's images."""
    value = msgspec.to_builtins(audit, enc_hook=str)
    value["dataset"]["pack"] = "p" * 32
    (tmp_path / "audit.json").write_bytes(msgspec.json.encode(value))
    return tmp_path / "audit.json"


def test_the_audit_of_the_same_images_is_shown(run: Path, written: Path, audit: Audit) -> None:
    [found] = writing.gather([run], "nowhere", written)
    assert found.faults is not None
    assert found.faults.findings == audit.findings
    assert [row[0] for row in found.faults.splits[1:]] == list(audit.splits)
    assert found.faults.num_copies == audit.num_copies > 0
    page = html_text([found], "1")
    assert "What is wrong with the data" in page
    assert "leaked-copies" in page
    assert found.faults.copies[0].one in page


def test_without_an_audit_there_is_no_such_section(run: Path) -> None:
    assert "What is wrong with the data" not in html_text(writing.gather([run], "nowhere"), "1")


def test_an_audit_of_other_images_is_refused(run: Path, audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_bytes(msgspec.json.encode(audit, enc_hook=str))
    with pytest.raises(xzoo.UsageError, match="other images"):
        writing.gather([run], "nowhere", tmp_path / "other.json")


@pytest.mark.parametrize(("own", "is_refused"), [("the same", False), ("with patients", True)])
def test_an_audit_of_other_splits_or_patients_is_refused(
    run: Path, written: Path, tmp_path: Path, own: str, is_refused: bool
) -> None:
    """What it says of patients and of what crosses splits would stand in the run's page and card as the run's own."""
    run = Path(shutil.copytree(run, tmp_path / run.name))
    stored = run / "compare.json"
    outcome, told = (msgspec.json.decode(path.read_bytes()) for path in (stored, written))
    outcome["dataset"]["splits_and_groups"], told["dataset"]["splits_and_groups"] = "the same", own
    stored.write_bytes(msgspec.json.encode(outcome))
    written.write_bytes(msgspec.json.encode(told))
    if is_refused:
        with pytest.raises(xzoo.UsageError, match="other splits or patients"):
            writing.gather([run], "nowhere", written)
    else:
        assert writing.gather([run], "nowhere", written)[0].faults is not None


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"schema": "xzoo.compare/1"}'])
def test_what_is_no_audit_is_refused(run: Path, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "audit.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(xzoo.UsageError, match="audit"):
        writing.gather([run], "nowhere", path)
