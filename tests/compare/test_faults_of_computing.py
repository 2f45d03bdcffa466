"""Whole cells that run out of memory, meet what is no number, or raise: they go on, or say so, and the others do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import xzoo
from starving import SAID, Starved
from xzoo.compare import bench, facts, findings
from xzoo.compare.api import carry_out, compare, make_plan
from xzoo.compare.cell import compute
from xzoo.compare.experiment import CellEnded
from xzoo.compare.finishing import Output
from xzoo.data.pack import Pack
from xzoo.model.classifier import Classifier
from xzoo.train.device import Device
from xzoo.train.eager import Step
from xzoo.train.features import Extractor
from xzoo.train.finite import NotFiniteError

DEVICE = Device("cpu", "fp32", 1)
DATA = "phantom:train=24,val=8,test=8,size=32"


@pytest.fixture
def computed(cell_of: Any, tiny: xzoo.Backbone, pack: Pack, own_cache: object) -> Callable[..., Output]:
    """Compute a cell of the tiny network, in a cache of its own, and return its output."""
    del own_cache

    def run(freeze: str, **recipe: Any) -> Output:
        prepared, cell = cell_of(tiny, pack, freeze, **recipe)
        *_, output = compute(prepared, cell, pack, DEVICE, positive="bright", watch_test=recipe.get("epochs") == 1)
        assert isinstance(output, Output)
        return output

    return run


@contextmanager
def short(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, most: int, place: int = 1) -> Iterator[Starved]:
    """Let a method run out of memory where its argument number `place` has more than `most` rows."""
    method, one = getattr(owner, name), Starved(most)

    def call(*words: Any, **more: Any) -> Any:
        one.ask(len(words[place]))
        return method(*words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, call)
        yield one


LOOKS: dict[str, tuple[str, dict[str, Any], Any, str, int]] = {
    # the pass, how the cell is trained, whose method, and how many images fit
    "the feature pass": ("frozen", {"engine": "eager", "head": "loop"}, Extractor, "_whole", 7),
    "the feature pass of augmented images": ("frozen", {"engine": "eager", "augment": "chest-xray"}, Extractor, "_whole", 3),
    "views of augmented images": ("frozen", {"engine": "eager", "augment": "chest-xray", "views": 1}, Extractor, "_whole", 5),
}


@pytest.mark.parametrize("what", LOOKS)
def test_a_look_that_runs_out_of_memory_goes_on_in_parts(what: str, computed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze, recipe, owner, name, most = LOOKS[what]
    with short(monkeypatch, owner, name, most) as one:
        in_parts = computed(freeze, **recipe)
    assert one.refused
    assert max(one.granted) <= most
    assert [each.what for each in in_parts.result.memory if each.what == "the feature pass"]
    assert not any(each.statistics for each in in_parts.result.memory)
    assert in_parts.result.determinism is not None
    assert in_parts.result.determinism.level == 0


def test_parts_of_a_feature_pass_change_last_bits_alone(computed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    whole = computed("frozen", engine="eager")
    monkeypatch.setenv("XZOO_CACHE", str(tmp_path / "another"))
    with short(monkeypatch, Extractor, "_whole", 7):
        in_parts = computed("frozen", engine="eager")
    assert any("memory ran out in the feature pass: 5 images at once" in note for note in in_parts.result.notes)
    for name, array in whole.predictions.items():
        assert np.allclose(array, in_parts.predictions[name], atol=1e-4), name


@pytest.mark.parametrize(("freeze", "most"), [("finetune", 3), ("last:1", 4), ("gradual:1", 4)])
def test_answers_that_run_out_of_memory_are_given_in_parts(
    freeze: str, most: int, computed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answers(Starved):
        def ask(self, count: int) -> None:
            if not torch.is_grad_enabled():
                super().ask(count)

    one, forward = Answers(most), nn.Linear.forward

    def call(module: nn.Linear, inputs: Tensor) -> Tensor:
        one.ask(len(inputs))
        return forward(module, inputs)

    whole = computed(freeze, epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr("xzoo.model.heads.LinearHead.forward", call)
        in_parts = computed(freeze, epochs=1)
    assert one.refused
    assert {each.what for each in in_parts.result.memory} == {"answering images"}
    for name, array in whole.predictions.items():
        assert np.allclose(array, in_parts.predictions[name], atol=1e-6), name


def test_a_cell_tells_what_its_batch_norms_saw_and_so_does_the_run(computed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "_gradients", _in_parts(Starved(4)))
    result = computed("finetune").result
    [told] = result.memory
    assert (told.what, told.at_once, told.of, told.epoch, told.step, told.statistics) == ("training", 4, 8, 1, 1, True)
    [finding] = findings._short_of_memory([result])
    assert (finding.id, finding.severity) == ("batch-norm-in-parts", "warning")
    assert "4 images at once, of a batch of 8; batch norms that learn saw these parts" in finding.text


def _in_parts(one: Starved) -> Callable[..., Any]:
    gradients = Step._gradients

    def call(step: Step, inputs: Tensor, labels_B: Tensor, parts: Any) -> Any:
        one.ask(max(part.stop - part.start for part in parts))
        return gradients(step, inputs, labels_B, parts)

    return call


def test_latency_is_that_of_the_batch_that_fits(computed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    with short(monkeypatch, facts, "time_batches", 9):
        outcome = compare(["convgap@random"], DATA, freeze=["frozen"], seeds=1, recipe={"size": 32, "epochs": 1}, runs=tmp_path)
    [found] = outcome.backbones.values()
    assert [one.batch for one in found.latency] == [1, 8]


NANS: dict[str, Callable[[Classifier], object]] = {
    "features": lambda classifier: _fill(classifier, "0.weight"),
    "running statistics": lambda classifier: _fill(classifier, "1.running_var"),
    "the head's start": lambda classifier: _fill(classifier, "9.bias"),
}


def _fill(classifier: Classifier, name: str) -> None:
    with torch.no_grad():
        classifier.network.state_dict()[name].fill_(float("nan"))


@pytest.mark.parametrize("freeze", ["frozen", "last:1"])
@pytest.mark.parametrize("where", ["features", "running statistics"])
def test_a_network_that_holds_no_numbers_ends_its_cell_before_a_step(
    where: str, freeze: str, computed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, steps = bench.Place.of, []

    def spoilt(*words: Any) -> Any:
        place = build(*words)
        NANS[where](place.classifier)
        return place

    monkeypatch.setattr(bench.Place, "of", spoilt)
    monkeypatch.setattr(Step, "_move", lambda *words: steps.append(words))
    with pytest.raises(xzoo.XzooError) as caught:
        computed(freeze, engine="eager")
    assert caught.value.exit_code == 4
    assert steps == []


def test_answers_that_are_no_numbers_name_their_images(computed: Any, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    logits_of = Classifier.logits_of

    def spoilt(classifier: Classifier, features: Tensor) -> Tensor:
        return logits_of(classifier, features) * (float("nan") if not torch.is_grad_enabled() and len(features) == 8 else 1.0)

    monkeypatch.setattr(Classifier, "logits_of", spoilt)
    with pytest.raises(NotFiniteError) as caught:
        computed("frozen", augment="chest-xray", engine="eager")
    assert "the val answers of 8 of 8 images are no numbers: " in caught.value.text
    assert pack.ids_N[24] in caught.value.text


def test_a_step_without_a_number_names_the_image_that_makes_none(
    computed: Any, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = Classifier.outputs

    def spoilt(classifier: Classifier, images_BCHW: Tensor) -> Any:
        logits_BO, auxiliary = outputs(classifier, images_BCHW)
        # What marks an image: its brightest pixel.
        marks_B = images_BCHW.flatten(1).sum(1)
        return logits_BO * torch.where((marks_B - mark).abs() < 1e-2, float("nan"), 1.0)[:, None], auxiliary

    place, batches = 9, bench.Place.images
    marks: list[float] = []

    def images(self: Any, *words: Any, **more: Any) -> Any:
        found = batches(self, *words, **more)
        if not marks:
            [(one_BCHW, _)] = list(batches(self, words[0], np.array([place]), batch_size=2).ordered())
            marks.append(float(one_BCHW.sum()))
        return found

    monkeypatch.setattr(bench.Place, "images", images)
    mark = float("inf")
    computed("finetune", epochs=1)
    mark = marks[0]
    monkeypatch.setattr(Classifier, "outputs", spoilt)
    with pytest.raises(NotFiniteError) as caught:
        computed("finetune", epochs=1)
    assert f"({pack.ids_N[place]}, of a batch of 8)" in caught.value.text


FAULTS = """
import os
import xzoo


def build():
    from torch import nn

    class Net(nn.Sequential):
        def forward(self, images):
            FORWARD
            return super().forward(images)

    BUILD
    return Net(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


calls = []
size = xzoo.Preprocess(size=32)
net = xzoo.Backbone(name="net", build=build, head=xzoo.ReplaceLinear("4"), stages={"conv": "0"}, preprocess=size)
"""


@pytest.mark.parametrize(
    ("build", "forward", "told"),
    [
        ("raise ZeroDivisionError('in build')", "pass", "in build"),
        ("pass", "raise ZeroDivisionError('in forward')", "in forward"),
        ("pass", "calls.append(1) if self.training else None\n            assert len(calls) < 6, 'in epoch 2'", "in epoch 2"),
        (
            "pass",
            "calls.append(1) if self.training else None\n            if len(calls) > 5: raise MemoryError('no more')",
            "memory ran out",
        ),
    ],
)
def test_a_backbone_that_fails_says_so_in_its_row_and_the_rest_goes_on(
    build: str, forward: str, told: str, tmp_path: Any
) -> None:
    file = tmp_path / "faulty.py"
    file.write_text(FAULTS.replace("BUILD", build).replace("FORWARD", forward))
    recipe = {"size": 32, "epochs": 3, "batch_size": 8, "precision": "fp32"}
    names = [f"{file}:net@random", "convgap@random"]
    outcome = compare(names, DATA, freeze=["finetune"], seeds=1, recipe=recipe, latency=False, runs=tmp_path / "runs")
    assert {cell.backbone: cell.status for cell in outcome.cells} == {"net": "failed", "convgap": "done"}
    [failed] = outcome.failed
    assert failed.error is not None
    assert told in failed.error["text"]
    assert [row.backbone for row in outcome.contenders] == ["convgap"]


def test_what_ends_the_training_of_many_heads_is_told_by_each_of_them(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*words: Any) -> None:
        raise torch.OutOfMemoryError(SAID)

    monkeypatch.setattr("xzoo.compare.together.train_all", fail)
    recipe = {"size": 32, "epochs": 1, "batch_size": 8, "precision": "fp32"}
    outcome = compare(
        ["convgap@random"], DATA, freeze=["frozen", "finetune"], seeds=2, recipe=recipe, latency=False, runs=tmp_path
    )
    assert [(cell.freeze, cell.status) for cell in outcome.cells] == [
        ("frozen", "failed"), ("frozen", "failed"), ("finetune", "done"), ("finetune", "done"),
    ]  # fmt: skip
    assert {cell.error["kind"] for cell in outcome.failed if cell.error} == {"memory"}


def test_image_files_that_vanish_once_training_has_begun_are_missed_by_nobody(tmp_path: Path) -> None:
    for number in range(24):
        file = tmp_path / "photos" / f"class {number % 2}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((32, 32), 10 * number, np.uint8)).save(file)
    recipe = {"size": 32, "epochs": 2, "batch_size": 8, "precision": "fp32"}
    plan = make_plan(["convgap@random"], tmp_path / "photos", freeze=["finetune"], seeds=1, recipe=recipe, latency=False)
    events = carry_out(plan, tmp_path / "runs", DEVICE)
    next(events)
    shutil.rmtree(tmp_path / "photos")
    [*_, last] = events
    assert isinstance(last, CellEnded)
    assert last.result.status == "done"
