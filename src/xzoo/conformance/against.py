"""One's own backbone against an earlier state of its code: collected by `pytest --xzoo-bench NAME --xzoo-baseline BASE`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from xzoo.conformance.pairing import judging
from xzoo.conformance.pairing.decision import FEWEST_PAIRS
from xzoo.conformance.pairing.sides import laid_out
from xzoo.conformance.pairing.turns import Work
from xzoo.conformance.plugin import VERDICTS
from xzoo.errors import UsageError

WORKS = ("inference 1", "inference 16", "train-finetune 16")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Judge every workload of every backbone named by --xzoo-bench."""
    names = metafunc.config.getoption("xzoo_bench")
    works = [Work(kind, name, int(batch)) for name in names for kind, batch in map(str.split, WORKS)]
    metafunc.parametrize("xzoo_work", works, ids=str)


@pytest.fixture(scope="session")
def xzoo_sides(pytestconfig: pytest.Config) -> Iterator[list[Path]]:
    """Two folders: the baseline's code and that of the folder in which pytest was begun."""
    here = Path.cwd()
    try:
        with laid_out(pytestconfig.getoption("xzoo_baseline"), str(here), repository=here) as sides:
            yield sides
    except UsageError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


def test_it_is_not_slower(xzoo_sides: list[Path], xzoo_work: Work, pytestconfig: pytest.Config) -> None:
    """Fail where the work takes more than 2% longer in two independent turns; skip where the machine is too restless to tell."""
    base, head = xzoo_sides
    found = judging.judged(base, head, xzoo_work, pairs=FEWEST_PAIRS)
    told = list(judging.lines(found))
    pytestconfig.stash[VERDICTS] += told
    assert found["verdict"] != "slower", told[-1]
    if found["verdict"] == "inconclusive":
        pytest.skip(told[-1])
