"""Every hostile plugin of the table at once: each is named with its fault, and nobody else notices.

`python tests/hostile/campaign.py` does so for each of them alone too, slow ones included, each command in a process of its own.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import locale
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from wares import Ware, install, read
from xzoo.cli import main
from xzoo.zoo.health import BROKEN, CLASH, OK, Health, examine
from xzoo.zoo.isolation import Limits
from xzoo.zoo.registry import Registry

DISTS = Path(__file__).parents[1] / "dists"
WARES = [ware for ware in read() if not ware.slow]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All of them installed, and the sound plugins of tests/dists behind them."""
    folder = install(WARES, tmp_path_factory.mktemp("hostile"))
    with pytest.MonkeyPatch.context() as patch:
        # Unreadable entry points make the process tolerant of them, and other tests shall not be.
        entry_points = importlib.metadata.Distribution.entry_points
        patch.setattr(importlib.metadata.Distribution, "entry_points", entry_points)
        patch.syspath_prepend(str(DISTS))
        patch.syspath_prepend(str(folder))
        yield folder


@pytest.fixture(scope="module")
def found(site: Path) -> tuple[Health, ...]:
    return examine(Registry.installed(), Limits(seconds=4.0, memory_mb=600))


@pytest.mark.parametrize("ware", WARES, ids=lambda ware: ware.name)
def test_every_hostile_plugin_is_named_with_its_fault(found: tuple[Health, ...], ware: Ware) -> None:
    own = [one for one in found if ware.is_in(one.name, one.module, one.distribution)]
    assert {one.health for one in own} == {ware.health}
    assert re.search(ware.fault, "; ".join(fault.text for one in own for fault in one.faults))


def test_the_sound_ones_are_well_in_any_company(found: tuple[Health, ...]) -> None:
    first_party = [one for one in found if one.distribution == "xzoo"]
    assert len(first_party) > 80
    assert {one.name: one.health for one in first_party if one.health != OK} == {"resnet18": CLASH}
    assert [one.health for one in found if one.distribution == "tiny" and one.name != "twin"] == [OK, OK]


def test_what_is_told_of_them_is_fit_to_print(found: tuple[Health, ...]) -> None:
    broken = [one for one in found if one.health == BROKEN]
    words = [word for one in broken for fault in one.faults for word in (one.name, one.distribution, fault.text, fault.remedy)]
    assert [word for word in words if not word.isprintable() or len(word) > 1000] == []
    assert all(fault.remedy for one in broken for fault in one.faults)


@pytest.mark.parametrize("words", [["--help"], ["list"], ["list", "alexnet"], ["list", "fam/"], ["info", "tiny", "Tiny:twin"]])
def test_other_commands_import_none_of_them(site: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert all(letter.isprintable() or letter == "\n" for letter in out)
    assert [name for name in sys.modules if name.startswith("hostile_")] == []


def test_a_network_that_is_none_is_its_plugins_fault(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("info", "bench"):
        assert main([command, "rival:twin"]) != 70
        assert "build() of twin returns None, not a torch.nn.Module" in "".join(capsys.readouterr())


def test_a_comparison_of_others_goes_on(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = "compare tiny@random --data phantom:train=16,val=8,test=8,size=32 --set size=2 --freeze frozen --seeds 1 --epochs 1"
    assert main([*line.split(), "--no-latency"]) == 0
    assert "tiny@random frozen" in capsys.readouterr().out
    assert [name for name in sys.modules if name.startswith("hostile_")] == []


def test_a_name_that_a_stranger_claims_too_is_nobodys_until_one_is_chosen(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "resnet18"]) == 2
    assert "uninstall one, or ask for hostile-duplicate:resnet18" in capsys.readouterr().err
    assert main(["list", "resnet18", "--no-plugin", "hostile-duplicate", "--format", "json"]) == 0
    assert [row["distribution"] for row in json.loads(capsys.readouterr().out)["backbones"]] == ["xzoo"]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("impostor", "calls itself xzoo 0.1.0 and lies in"),
        ("no-module-in-its-value", "which names no module"),
        ("system-exit", "SystemExit: 0"),
        ("unspeakable-error", "Unspeakable"),
        ("wrong-fields", "build is 'resnet', not a function"),
        ("huge-list", "declares 'huge-list' twice"),
    ],
)
def test_who_asks_for_a_broken_plugin_is_told_what_is_wrong_with_it(
    site: Path, capsys: pytest.CaptureFixture[str], name: str, fault: str
) -> None:
    assert main(["info", name]) == 3
    assert fault in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["changes-folder", "changes-environment", "changes-signals", "changes-path", "changes-locale", "warnings-as-errors"]
)
def test_what_a_wanted_plugin_changes_of_the_process_is_put_back(site: Path, name: str, state: Callable[[], object]) -> None:
    before = state()
    assert Registry.installed().get(name).backbone.name == name
    assert f"hostile_{name.replace('-', '_')}" in sys.modules
    assert state() == before
    del sys.modules[f"hostile_{name.replace('-', '_')}"]


@pytest.fixture
def state() -> Callable[[], object]:
    """What all code of a process shares."""

    def read() -> object:
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGSEGV)]
        errors = sum(one[0] == "error" for one in warnings.filters)
        return Path.cwd(), dict(os.environ), list(sys.path), handlers, locale.setlocale(locale.LC_ALL), errors

    return read


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc")
def test_an_interrupt_ends_the_listing_and_all_that_it_has_started(tmp_path: Path) -> None:
    install([ware for ware in WARES if ware.hangs], tmp_path)
    path = os.pathsep.join([str(tmp_path), *(place for place in sys.path if place)])
    # Whatever a shell starts in the background inherits a SIGINT that is ignored.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}; import sys; from xzoo.cli import main; sys.exit(main())"
    variables = {**os.environ, "PYTHONPATH": path, "MARK": f"mark-of-{tmp_path.name}"}
    with subprocess.Popen(
        [sys.executable, "-c", code, "plugins"], env=variables, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert until(lambda: len(marked(variables["MARK"])) > 2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.startswith("error: interrupted\n")
    assert until(lambda: marked(variables["MARK"]) == [])


def until(is_so: Callable[[], bool]) -> bool:
    """Wait for something to become so, and give up after a minute."""
    for _ in range(600):
        if is_so():
            return True
        time.sleep(0.1)
    return False


def marked(word: str) -> list[str]:
    """Return the processes whose environment holds a word."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            found += [entry.parent.name] if word.encode() in entry.read_bytes() else []
    return found
