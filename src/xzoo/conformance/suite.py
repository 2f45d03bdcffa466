"""The checks as a suite: collected by `pytest --xzoo-check NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xzoo.conformance.cases import Check


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per check of each backbone that --xzoo-check names."""
    if "check" in metafunc.fixturenames:
        from xzoo.conformance.cases import cases

        found = cases(metafunc.config.getoption("xzoo_check"))
        metafunc.parametrize("check", found, ids=map(repr, found))


def test_conformance(check: Check) -> None:
    """Carry out one check."""
    check()
