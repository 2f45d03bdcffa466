"""The machine's facts in every file of benchmarks that pytest-benchmark writes here."""

from __future__ import annotations

from typing import Any

import pytest

from xzoo.conformance.plugin import add_facts


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Add versions, device, precision and threads."""
    add_facts(machine_info)
