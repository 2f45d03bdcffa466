"""The page of checks is the code's own, and every check says what it demands."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from xzoo.conformance.check import ROOMS, checks

ROOT = Path(__file__).parents[2]
CHECKS = ROOT / "src" / "xzoo" / "conformance" / "checks"


@pytest.fixture
def campaign() -> ModuleType:
    spec = importlib.util.spec_from_file_location("conformance_campaign", ROOT / "tests" / "real" / "conformance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_module_of_checks_is_carried_out() -> None:
    assert {path.stem for path in CHECKS.glob("[a-z]*.py")} == set(ROOMS)


def test_every_check_demands_one_thing_in_one_sentence() -> None:
    found = checks()
    assert len({one.name for one in found}) == len(found) >= 40
    for one in found:
        assert one.demand.endswith("."), one.name
        assert one.demand.count(". ") == 0, one.name


def test_the_page_lists_the_checks_as_they_are(campaign: ModuleType) -> None:
    page = campaign.PAGE.read_text("utf-8")
    assert page.startswith("\n".join(campaign.checks_section()))
