"""`pytest --xzoo-bench NAME`: the benchmark suite on one's own backbone. Imports nothing heavy until the option is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SUITE = Path(__file__).with_name("benchmarks.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one option."""
    parser.getgroup("xzoo").addoption(
        "--xzoo-bench",
        action="append",
        default=[],
        metavar="NAME",
        help="Time this backbone ([distribution:]name[@weights], or ./mynet.py:net; random weights unless said otherwise): "
        "inference, feature pass and training step. Repeatable. Runs nothing else unless files are named.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the suite alone where a backbone is named and no file is."""
    if config.getoption("xzoo_bench") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = [str(SUITE)]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Put what a result needs to be reproduced under `xzoo` in the machine's facts, where a backbone is timed."""
    if config.getoption("xzoo_bench"):
        add_facts(machine_info)


def add_facts(machine_info: dict[str, Any]) -> None:
    """Add versions, device, precision and threads to the facts about this machine."""
    from xzoo.train.device import choose, environment

    machine_info["xzoo"] = environment(choose())
