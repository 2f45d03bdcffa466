"""What several rooms' tests need: a cache and threads of their own, a tiny network, a tiny dataset, and cells of both."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest

import loopback
import xzoo

if TYPE_CHECKING:
    from torch import nn

    from serving import Serving
    from xzoo.data.pack import Pack
    from xzoo.runs.result import Cell
    from xzoo.train.prepared import Prepared

SIDE = 16

# How long an example takes tells of the machine, not of the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Tiny networks gain nothing from threads, and two runs of tests on one machine would wait for each other's.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Importing openvino reports to a server; xzoo keeps it from that, and tests that import it themselves have to.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

_FENCE = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the tests, and what they start, on this machine."""
    config.stash[_FENCE] = f"127.0.0.1 alone, by {'the kernel and ' if loopback.own_network() else ''}an audit hook"
    handle, name = tempfile.mkstemp(prefix="xzoo-tests-")
    os.close(handle)
    config.add_cleanup(lambda: Path(name).unlink(missing_ok=True))
    if hasattr(config.option, "maxworkerrestart"):  # a dead worker of pytest-xdist ends the run: with a new one it never ends
        config.option.maxworkerrestart = "0"
    loopback.listen(Path(name))


def pytest_report_header(config: pytest.Config) -> str:
    return f"network: {config.stash[_FENCE]}"


def _told_on() -> Iterator[None]:
    """Fail what ran meanwhile where it, or a process that it started, tried to leave the machine."""
    log = Path(os.environ[loopback.LOG])
    before = log.stat().st_size
    result = yield
    if tried := log.read_bytes()[before:].decode("utf-8", "replace"):
        pytest.fail(f"it tried to leave this machine:\n{tried}", pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    return (yield from _told_on())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    return (yield from _told_on())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Iterator[None]:
    return (yield from _told_on())


@pytest.fixture
def heard() -> Iterator[None]:
    """Python's own handler of SIGINT, here and in processes that are started: a shell's background has it switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def _cache_of_this_session(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["XZOO_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def build() -> nn.Module:
    """Return two convolutions with batch norm, dropout behind them, and ten outputs."""
    from torch import nn

    stem = [nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU()]
    block = [nn.Conv2d(4, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*stem, *block, nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


@pytest.fixture(scope="session")
def tiny() -> xzoo.Backbone:
    """Two stages, `stem` (modules 0 and 1) and `block` (3 and 4), and the head 9."""
    return xzoo.Backbone(
        name="tiny",
        build=build,
        head=xzoo.ReplaceLinear("9"),
        stages={"stem": ("0", "1"), "block": ("3", "4")},
        preprocess=xzoo.Preprocess(size=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3),
    )


@pytest.fixture(scope="session")
def pack(_cache_of_this_session: None) -> Pack:
    """24 training, 8 validation and 8 test images of 16 pixels in two classes, dark and bright."""
    from xzoo.data.pack import make_pack
    from xzoo.data.source import arrays, open_source

    labels_N = np.arange(40) % 2
    noise_NHW = np.random.default_rng(0).integers(0, 60, (40, SIDE, SIDE))
    images_NHW = (noise_NHW + 40 + 120 * labels_N[:, None, None]).astype(np.uint8)
    splits = ["train"] * 24 + ["val"] * 8 + ["test"] * 8
    return make_pack(open_source(arrays(images_NHW, labels_N, splits=splits, classes=["dark", "bright"])))


@pytest.fixture(scope="session")
def cell_of() -> Callable[..., tuple[Prepared, Cell]]:
    """Plan one cell, `cell_of(backbone, pack, "frozen", seed=1, epochs=2)`, of a backbone made ready here if it is not yet."""

    def make(
        backbone: xzoo.Backbone | str, pack: Pack, freeze: str, seed: int = 0, ready: Prepared | None = None, **recipe: Any
    ) -> tuple[Prepared, Cell]:
        from xzoo.compare import plan
        from xzoo.data.split import SplitRule
        from xzoo.train.prepared import prepare
        from xzoo.train.recipe import make as make_recipe
        from xzoo.zoo.registry import Registry

        choice = ready.choice if ready else Registry.installed().get(backbone)
        values = {"epochs": 2, "batch_size": 8, "precision": "fp32", **recipe}
        variation = plan.Variation(recipe=make_recipe(values), split=SplitRule())
        return ready or prepare(choice), plan.make([choice], pack, [freeze], [seed], [variation]).cells[0]

    return make


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for one test."""
    monkeypatch.setenv("XZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A server on 127.0.0.1 whose answers a test writes, and no proxy before it."""
    from serving import serving
    from xzoo.model import exchange

    monkeypatch.setattr(exchange, "ANSWER_SECONDS", 0.4)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with serving() as started:
        yield started


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium that is installed here; playwright's own is never fetched."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()
