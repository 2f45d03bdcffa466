"""`pytest --xzoo-bench NAME` and `--xzoo-check NAME`: benchmarks and checks of one's own backbone.

Nothing heavy is imported until an option is given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SUITE = Path(__file__).with_name("benchmarks.py")
AGAINST = Path(__file__).with_name("against.py")
CHECKS = Path(__file__).with_name("suite.py")
VERDICTS = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("xzoo")
    group.addoption(
        "--xzoo-check",
        action="append",
        default=[],
        metavar="NAME",
        help="Hold this backbone ([distribution:]name, or ./mynet.py:net) against the contract of plugins, one test per check. "
        "Repeatable. Runs nothing else unless files are named.",
    )
    group.addoption(
        "--xzoo-bench",
        action="append",
        default=[],
        metavar="NAME",
        help="Time this backbone ([distribution:]name[@weights], or ./mynet.py:net; random weights unless said otherwise): "
        "inference, feature pass and training step. Repeatable. Runs nothing else unless files are named.",
    )
    group.addoption(
        "--xzoo-baseline",
        metavar="BASE",
        help="With --xzoo-bench: time the code in this folder against BASE, a git revision or a folder, in turns here, "
        "and fail where it is slower by more than 2%.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the suites alone where a backbone is named and no file is; against a baseline, the suite that judges."""
    named, base = config.getoption("xzoo_bench"), config.getoption("xzoo_baseline")
    if base is not None and not named:
        raise pytest.UsageError("--xzoo-baseline goes with --xzoo-bench NAME")
    config.stash[VERDICTS] = []
    suites = [*([AGAINST if base is not None else SUITE] if named else []), *([CHECKS] if config.getoption("xzoo_check") else [])]
    if suites and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = [str(suite) for suite in suites]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the verdicts against the baseline, the good ones too."""
    if verdicts := config.stash[VERDICTS]:
        terminalreporter.section(f"against {config.getoption('xzoo_baseline')}")
        for line in verdicts:
            terminalreporter.write_line(line)


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    """Put what a result needs to be reproduced under `xzoo` in the machine's facts, where a backbone is timed."""
    if config.getoption("xzoo_bench"):
        add_facts(machine_info)


def add_facts(machine_info: dict[str, Any]) -> None:
    """Add versions, device, precision and threads to the facts about this machine."""
    from xzoo.train.device import choose, environment

    machine_info["xzoo"] = environment(choose())
