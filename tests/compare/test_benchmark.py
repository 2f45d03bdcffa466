from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import xzoo
from xzoo.compare.timings import Benchmark
from xzoo.data import cache
from xzoo.errors import DataError, UnavailableError, UsageError
from xzoo.evaluate.engines import table
from xzoo.evaluate.engines.engine import Loaded
from xzoo.train.device import Device

QUICK: dict[str, Any] = {"precision": ["fp32"], "batch": [1], "freeze": (), "seconds": 0.01}


class Fake:
    """An engine that does what it is told to."""

    def __init__(self, name: str, load: Callable[[nn.Module, Tensor], Loaded], missing: tuple[str, str] | None = None) -> None:
        self.name = name
        self._load = load
        self._missing = missing

    def missing(self, device: Device) -> tuple[str, str] | None:
        return self._missing

    def load(self, module: nn.Module, images_BCHW: Tensor, device: Device) -> Loaded:
        return self._load(module, images_BCHW)


def failing(module: nn.Module, images_BCHW: Tensor) -> Loaded:
    raise UnavailableError("this network cannot be converted", "use the engine eager")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put engines in the place of those that are there, eager kept."""

    def put(*fakes: Fake) -> None:
        monkeypatch.setattr(table, "ENGINES", {"eager": table.ENGINES["eager"], **{one.name: one for one in fakes}})
        monkeypatch.setattr("xzoo.compare.contest.ENGINES", table.ENGINES)

    return put


@pytest.fixture(scope="module")
def found(tiny: xzoo.Backbone) -> Benchmark:
    other = dataclasses.replace(tiny, name="other")
    freeze = ["frozen", "last:1", "finetune"]
    return xzoo.bench([tiny, other], precision=["fp32"], batch=[1, 2], freeze=freeze, seconds=0.02)


def test_there_is_a_row_for_each_backbone_and_batch_with_all_that_was_promised(found: Benchmark) -> None:
    assert [(row.backbone, row.batch) for row in sorted(found.rows, key=lambda row: (row.batch, row.backbone))] == [
        (name, batch) for batch in (1, 2) for name in ("other@random", "tiny@random")
    ]
    for row in found.rows:
        assert (row.engine, row.precision, row.asked, row.size, row.error) == ("eager", "fp32", "fp32", (16, 16), None)
        assert row.p50_ms is not None
        assert row.images_per_second is not None
        assert row.p50_ms.low is not None
        assert row.p50_ms.high is not None
        assert 0 < row.p50_ms.low <= row.p50_ms.value <= row.p50_ms.high
        assert row.p50_ms.n >= 6
        assert row.calls >= row.p50_ms.n
        assert row.images_per_second.value == pytest.approx(row.batch * 1e3 / row.p50_ms.value)
        assert row.cold is not None
        assert row.cold_seconds == pytest.approx(row.cold.build + row.cold.load + row.cold.first_call)
        # 4*27+4 and 8*36+8 of convolutions, 8 + 16 of batch norms, 2*8+2 of the head, 4 bytes each.
        assert row.weights_mb == pytest.approx(4 * (112 + 296 + 8 + 16 + 18) / 1e6)
        assert row.from_file is not None
        assert row.from_file.calls >= row.from_file.p50_ms.n >= 6


def test_every_figure_that_is_not_there_has_its_reason(found: Benchmark) -> None:
    for row in found.rows:
        missing = {name for name in ("p90_ms", "p99_ms", "peak_memory_mb") if getattr(row, name) is None}
        assert {name for name in row.reasons if "." not in name} == missing
        assert row.from_file is not None
        assert {name for name in row.from_file.reasons if "." not in name} == {
            name for name in ("p90_ms", "p99_ms") if getattr(row.from_file, name) is None
        }
    for step in found.training:
        assert ("peak_memory_mb" in step.reasons) == (step.peak_memory_mb is None)


def test_ranks_follow_from_the_intervals_of_a_batch_size(found: Benchmark) -> None:
    for batch in (1, 2):
        rows = [row for row in found.rows if row.batch == batch]
        ends = [(row.p50_ms.low, row.p50_ms.high) for row in rows if row.p50_ms]
        assert [row.rank for row in rows] == [1 + sum(b[1] < a[0] for b in ends if b[1] and a[0]) for a in ends]


def test_training_is_timed_on_what_each_strategy_trains_on(found: Benchmark) -> None:
    trained = {(row.backbone, row.freeze): row for row in found.training}
    assert set(trained) == {(name, one) for name in ("tiny@random", "other@random") for one in ("frozen", "last:1", "finetune")}
    assert {(one, row.trains_on) for (_, one), row in trained.items()} == {
        ("frozen", "features"),
        ("last:1", "activations"),
        ("finetune", "images"),
    }
    assert all(row.step_ms is not None and row.step_ms.n >= 6 and row.batch == 8 for row in found.training)


def test_nothing_failed_and_the_environment_tells_the_load(found: Benchmark) -> None:
    assert found.failed == ()
    assert found.schema == "xzoo.bench/1"
    assert len(found.environment["load"]) == 2
    assert list(cache.root().glob("phantom-*")) == []


def test_an_engine_that_fails_tells_why_in_its_row_and_the_others_go_on(
    tiny: xzoo.Backbone, engines: Callable[..., None]
) -> None:
    engines(Fake("stubborn", failing))
    found = xzoo.bench(tiny, engine=["stubborn", "eager"], **QUICK)
    assert [(row.engine, row.error is None) for row in found.rows] == [("eager", True), ("stubborn", False)]
    assert found.rows[1].error == {
        "kind": "unavailable",
        "text": "this network cannot be converted",
        "remedy": "use the engine eager",
    }
    assert found.failed == ()


def test_an_engine_that_fails_among_the_turns_tells_why_and_the_others_go_on(
    tiny: xzoo.Backbone, engines: Callable[..., None]
) -> None:
    def tiring(module: nn.Module, images_BCHW: Tensor) -> Loaded:
        calls = iter(range(4))

        def run(images_BCHW: Tensor) -> Tensor:
            if next(calls, None) is None:
                raise RuntimeError("worn out")
            return torch.zeros(len(images_BCHW), 2)

        return Loaded(run, "fp32")

    engines(Fake("tiring", tiring))
    found = xzoo.bench(tiny, engine=["tiring", "eager"], **QUICK)
    assert [(row.engine, row.error and row.error["text"]) for row in found.rows] == [
        ("eager", None),
        ("tiring", "RuntimeError: worn out"),
    ]
    assert found.rows[0].p50_ms is not None
    assert found.rows[1].p50_ms is None


def test_a_backbone_of_which_nothing_works_is_named(tiny: xzoo.Backbone, engines: Callable[..., None]) -> None:
    engines(Fake("stubborn", failing))
    assert xzoo.bench(tiny, engine=["stubborn"], **QUICK).failed == ("tiny@random",)


def test_a_backbone_that_cannot_be_built_leaves_the_others_alone(tiny: xzoo.Backbone) -> None:
    def build() -> nn.Module:
        raise RuntimeError("no such layer")

    broken = dataclasses.replace(tiny, name="broken", build=build)
    found = xzoo.bench([broken, tiny], **QUICK)
    assert found.failed == ("broken@random",)
    [row] = [row for row in found.rows if row.error is not None]
    assert row.error is not None
    assert row.error["text"] == "RuntimeError: no such layer"


def test_an_engine_without_bf16_has_one_row_for_both_precisions(tiny: xzoo.Backbone, engines: Callable[..., None]) -> None:
    def load(module: nn.Module, images_BCHW: Tensor) -> Loaded:
        return Loaded(module, "fp32", "fp32, because it has no bf16")

    engines(Fake("plain", load))
    found = xzoo.bench(tiny, engine=["plain"], **{**QUICK, "precision": ["bf16", "fp32"]})
    assert [(row.asked, row.precision, row.detail) for row in found.rows] == [("bf16", "fp32", "fp32, because it has no bf16")]


def test_all_engines_means_those_that_run_and_says_which_do_not(tiny: xzoo.Backbone, engines: Callable[..., None]) -> None:
    engines(Fake("absent", failing, missing=("it is not installed", "pip install it")))
    found = xzoo.bench(tiny, engine=["all"], **QUICK)
    assert {row.engine for row in found.rows} == {"eager"}
    assert "absent is left out: it is not installed (pip install it)" in found.notes
    with pytest.raises(UnavailableError, match="absent cannot run"):
        xzoo.bench(tiny, engine=["absent"], **QUICK)


def test_a_backbone_whose_published_weights_are_not_here_starts_at_random(
    tiny: xzoo.Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    published = dataclasses.replace(
        tiny, weights=[xzoo.Weights("V1", url="https://example.invalid/tiny-12345678.pth", preprocess=tiny.preprocess)]
    )
    found = xzoo.bench(published, **QUICK)
    assert [row.backbone for row in found.rows] == ["tiny@random"]
    assert found.notes[0].startswith("tiny@random: published weights are not on this disk")


def test_files_of_ones_own_are_taken_in_turns(tiny: xzoo.Backbone, tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(np.full((20, 20), 80 * number, np.uint8)).save(tmp_path / f"{number}.png")
    found = xzoo.bench(tiny, images=tmp_path, **QUICK)
    assert found.notes[-1].startswith("from file: 3 files of yours")
    from xzoo.compare.pictures import pictures

    with pictures(sorted(tmp_path.iterdir()), tiny.preprocess) as files:
        means = [float(files.batch(2, tiny.preprocess, Device("cpu", "fp32", 1)).mean(dim=(1, 2, 3))[1]) for _ in range(3)]
    # Images 0 1, 2 0, 1 2; (x / 255 - 0.5) / 0.25 of the second of each.
    assert means == pytest.approx([(80 / 255 - 0.5) * 4, -2, (160 / 255 - 0.5) * 4], abs=1e-5)


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"engine": ["eagre"]}, UsageError, "'eagre'"),
        ({"engine": []}, UsageError, "no engine"),
        ({"batch": [0]}, UsageError, "0 images"),
        ({"batch": []}, UsageError, "no batch size"),
        ({"precision": ["fp8"]}, UsageError, "'fp8'"),
        ({"seconds": 0.0}, UsageError, "0.0 seconds"),
        ({"freeze": ["froozen"]}, UsageError, "'froozen'"),
        ({"size": -1}, UsageError, "size=-1"),
        ({"images": "nowhere"}, DataError, "nowhere does not exist"),
        ({"device": "tpu"}, UsageError, "'tpu'"),
    ],
)
def test_what_cannot_be_begun_is_refused(tiny: xzoo.Backbone, asked: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        xzoo.bench(tiny, **{**QUICK, **asked})


def test_a_size_that_a_network_does_not_take_is_refused_before_anything_is_built(tiny: xzoo.Backbone) -> None:
    fixed = dataclasses.replace(tiny, fixed_size=True)
    with pytest.raises(UsageError, match="tiny takes only 16x16 pixels, not 20") as caught:
        xzoo.bench(fixed, size=20, **QUICK)
    assert "--size" in caught.value.remedy
