"""What a run learnt can be taken out of it again, and says of its own files what it said while it was measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import xzoo
from xzoo import durable
from xzoo.compare import selection
from xzoo.compare.inference import Predicted
from xzoo.errors import DataError, UsageError
from xzoo.runs.result import CellResult
from xzoo.runs.store import RunFolder, find

SIDE = 16
CODE = """
import xzoo

def build():
    from torch import nn
    stem = [nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU()]
    return nn.Sequential(*stem, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))

net = xzoo.Backbone(name="net", build=build, head=xzoo.ReplaceLinear("5"), stages={"stem": ("0", "1")},
                    preprocess=xzoo.Preprocess(size=16, mean=(0.5,) * 3, std=(0.25,) * 3))
"""
RECIPE = {"epochs": 3, "batch_size": 8, "precision": "fp32", "lr": 0.05}


def write_images(folder: Path) -> Path:
    """Write dark and bright files of every sort that is converted: 16 bits, colour, palette, oblong, larger than a pack keeps."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("val", 6), ("test", 7)):
        for label in ("bright", "dark"):
            (folder / split / label).mkdir(parents=True)
            for place in range(count):
                shape = (530, 640) if place == 4 else (20, 31)
                pixels = rng.integers(0, 80, shape).astype(np.uint8) + (120 if label == "bright" else 20)
                write_image(folder / split / label, place, pixels)
    return folder


def write_image(folder: Path, place: int, pixels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> None:
    image = Image.fromarray(pixels)
    if place == 1:
        # Only train reaches beyond 12 bits, so a test file alone would be scaled otherwise.
        deep = pixels.astype(np.uint16) * (200 if folder.parent.name == "train" else 16)
        Image.fromarray(deep).save(folder / "1.png")
    elif place == 2:
        Image.merge("RGB", [image, image.rotate(90, expand=False), image]).save(folder / "2.jpg")
    else:
        (image.convert("P") if place == 3 else image).save(folder / f"{place}.png")


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images in `data`, a backbone in `net.py`, and a run of it below `runs`."""
    room = tmp_path_factory.mktemp("room")
    write_images(room / "data")
    (room / "net.py").write_text(CODE)
    return room


@pytest.fixture(scope="module")
def outcome(room: Path) -> xzoo.Outcome:
    """Frozen and fine-tuned, two losses, cropped or not, two seeds of each."""
    vary = ["loss=cross-entropy,bce", "crop=none,centre"]
    return xzoo.compare(
        [f"{room / 'net.py'}:net"], room / "data", freeze=["frozen", "finetune"], seeds=2, recipe=RECIPE, vary=vary,
        runs=room / "runs",
    )  # fmt: skip


def contenders(outcome: xzoo.Outcome) -> list[str]:
    return [row.id for row in outcome.contenders]


def stored(outcome: xzoo.Outcome, predicted: Predicted) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    [cell] = [one for one in outcome.cells if (one.contender, one.seed) == (predicted.contender, predicted.seed)]
    rows: np.ndarray[tuple[int, int], np.dtype[np.float64]] = RunFolder(Path(outcome.run)).predictions(cell.id)[
        "test_probabilities"
    ]
    return rows


def rows(predicted: Predicted) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[image.probabilities[name] for name in predicted.classes] for image in predicted.images])


def test_predicting_a_runs_test_files_gives_the_probabilities_that_it_stored(room: Path, outcome: xzoo.Outcome) -> None:
    files = [room / "data" / "test" / label for label in ("bright", "dark")]
    assert len(contenders(outcome)) == 8
    for name in contenders(outcome):
        predicted = xzoo.predict(outcome.run, files, contender=name)
        expected = stored(outcome, predicted)
        np.testing.assert_allclose(rows(predicted), expected, atol=1e-5, err_msg=name)
        assert [image.label for image in predicted.images] == [predicted.classes[place] for place in expected.argmax(1)]


def test_maps_are_drawn_whatever_was_frozen(room: Path, outcome: xzoo.Outcome, tmp_path: Path) -> None:
    for place, name in enumerate(contenders(outcome)):
        plain = xzoo.predict(outcome.run, room / "data" / "test", contender=name)
        drawn = xzoo.predict(outcome.run, room / "data" / "test", contender=name, explain=tmp_path / str(place))
        assert [image.probabilities for image in drawn.images] == [image.probabilities for image in plain.images]
        for image in drawn.images:
            with Image.open(str(image.map)) as picture:
                assert picture.size == (SIDE, SIDE), name


def test_one_file_is_scaled_by_the_range_of_the_training_images(room: Path, outcome: xzoo.Outcome) -> None:
    files = sorted((room / "data" / "test" / "bright").iterdir())
    everything = xzoo.predict(outcome.run, files, contender=contenders(outcome)[0])
    alone = xzoo.predict(outcome.run, files[1], contender=contenders(outcome)[0])
    assert files[1].name == "1.png"
    assert alone.images[0].probabilities == pytest.approx(everything.images[1].probabilities, abs=1e-6)


def test_a_loaded_network_takes_tensors_of_any_size_and_keeps_its_sources_names(room: Path, outcome: xzoo.Outcome) -> None:
    assert outcome.recommendation is not None
    model = xzoo.load(outcome.recommendation)
    assert not any(module.training for module in model.modules())
    assert list(model.network.state_dict()) == list(source(room).state_dict())
    assert (model.classes, model.preprocess.shape) == (("bright", "dark"), (SIDE, SIDE))
    file = room / "data" / "test" / "bright" / "0.png"
    pixels = torch.from_numpy(np.array(Image.open(file)))[None, None]
    expected = xzoo.predict(outcome.recommendation, file).images[0].probabilities
    for image_1CHW in (pixels, pixels.float() / 255, pixels.expand(-1, 3, -1, -1)):
        assert model(image_1CHW).shape == (1, 2)
        assert model.probabilities(image_1CHW)[0].tolist() == pytest.approx(list(expected.values()), abs=0.01)


def source(room: Path) -> torch.nn.Module:
    from xzoo.zoo.registry import Registry

    return Registry.installed().get(f"{room / 'net.py'}:net").backbone.build()


def test_a_run_is_found_by_word_and_gives_what_its_recommendation_gives(room: Path, outcome: xzoo.Outcome) -> None:
    image = torch.rand(1, 3, SIDE, SIDE)
    expected = xzoo.load(outcome.recommendation)(image)
    for word in ("last", Path(outcome.run).name[:6], Path(outcome.run)):
        assert torch.equal(xzoo.load(word, runs=room / "runs")(image), expected)


def test_the_kept_seed_is_the_best_on_validation_and_any_other_is_refused(outcome: xzoo.Outcome) -> None:
    name = next(name for name in contenders(outcome) if "finetune" in name)
    cells = [cell for cell in outcome.cells if cell.contender == name]
    best = max(cells, key=lambda cell: (accuracy(cell), -cell.seed))
    assert xzoo.predict(outcome.run, Path(outcome.run, "..", "..", "data", "test"), contender=name).seed == best.seed
    with pytest.raises(UsageError, match=f"seed {1 - best.seed} were not kept") as error:
        xzoo.load(outcome.run, contender=name, seed=1 - best.seed)
    assert f"kept: seed {best.seed}" in error.value.remedy
    with pytest.raises(UsageError, match="there is no seed 7"):
        xzoo.load(outcome.run, contender=name, seed=7)


def accuracy(cell: CellResult) -> float:
    assert cell.val is not None
    assert cell.val.accuracy is not None
    return cell.val.accuracy.value


def test_every_frozen_seed_is_kept_and_told_apart(outcome: xzoo.Outcome) -> None:
    name = next(name for name in contenders(outcome) if "frozen" in name)
    one, other = (xzoo.load(outcome.run, contender=name, seed=seed).network.state_dict() for seed in (0, 1))
    assert torch.equal(one["0.weight"], other["0.weight"])
    assert not torch.equal(one["5.weight"], other["5.weight"])


def test_of_several_kept_seeds_the_best_on_validation_is_taken(outcome: xzoo.Outcome, tmp_path: Path) -> None:
    name = next(name for name in contenders(outcome) if "frozen" in name)
    for worse in (0, 1):
        run = tmp_path / f"worse-{worse}"
        shutil.copytree(outcome.run, run)
        [cell] = [cell for cell in outcome.cells if (cell.contender, cell.seed) == (name, worse)]
        file = run / "cells" / cell.id / "result.json"
        result = json.loads(file.read_text())
        result["val"]["accuracy"]["value"] = -1.0
        file.write_text(json.dumps(result))
        manifest = file.with_name(durable.MANIFEST)
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), file.name: durable.sha256(file)}))
        assert selection.find(run, contender=name).cell.seed == 1 - worse


def test_a_contender_that_is_not_there_is_answered_with_those_that_are(outcome: xzoo.Outcome) -> None:
    with pytest.raises(UsageError, match="no contender 'net@random'") as error:
        xzoo.load(outcome.run, contender="net@random")
    assert all(name in error.value.remedy for name in contenders(outcome))


def compared(room: Path, backbones: Sequence[str | xzoo.Backbone], runs: Path, **more: object) -> xzoo.Outcome:
    settings = {"freeze": ["frozen"], "seeds": 1, "recipe": RECIPE, **more}
    return xzoo.compare(backbones, room / "data", runs=runs, **settings)  # type: ignore[arg-type]


def test_without_kept_tensors_the_error_names_the_option(room: Path, tmp_path: Path) -> None:
    outcome = compared(room, [f"{room / 'net.py'}:net"], tmp_path, keep="none")
    with pytest.raises(UsageError, match="--keep none"):
        xzoo.load(outcome.run)


def test_without_a_recommendation_a_contender_must_be_named() -> None:
    with pytest.raises(UsageError, match="no recommendation"):
        xzoo.load(None)


def test_a_backbone_made_in_python_must_be_handed_over(room: Path, tiny: xzoo.Backbone, tmp_path: Path) -> None:
    outcome = compared(room, [tiny], tmp_path)
    with pytest.raises(UsageError, match="made in Python"):
        xzoo.load(outcome.run)
    found = xzoo.predict(outcome.run, room / "data" / "test", backbone=tiny)
    np.testing.assert_allclose(rows(found), stored(outcome, found), atol=1e-5)


def test_a_backbone_from_a_relative_path_is_found_again_from_another_folder(
    room: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(room)
    outcome = compared(room, ["./net.py:net"], tmp_path)
    monkeypatch.chdir(tmp_path)
    assert xzoo.load(outcome.run).classes == ("bright", "dark")


def test_a_backbone_that_starts_otherwise_than_in_the_run_is_refused(room: Path, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(CODE)
    outcome = compared(room, [f"{tmp_path / 'net.py'}:net"], tmp_path, freeze=["frozen", "finetune"])
    (tmp_path / "net.py").write_text(CODE.replace("return nn", "stem[0].weight.data *= 2\n    return nn"))
    with pytest.raises(UsageError, match="does not start as it did"):
        xzoo.load(outcome.run, contender="net@random frozen")
    # Fine-tuning kept every tensor, so nothing of the start is left in it.
    assert xzoo.load(outcome.run, contender="net@random finetune").classes
    (tmp_path / "net.py").write_text(CODE.replace("(3, 4, 3", "(3, 4, 5"))
    with pytest.raises(UsageError, match="not the network it was"):
        xzoo.load(outcome.run, contender="net@random finetune")


def test_weights_in_a_file_are_read_again_and_must_be_the_same(room: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    start = {name: tensor.clone() for name, tensor in source(room).state_dict().items()}
    save_file(start, tmp_path / "start.safetensors")
    outcome = compared(room, [f"{room / 'net.py'}:net@{tmp_path / 'start.safetensors'}"], tmp_path)
    found = xzoo.predict(outcome.run, room / "data" / "test")
    np.testing.assert_allclose(rows(found), stored(outcome, found), atol=1e-5)
    save_file({**start, "0.weight": start["0.weight"] + 1}, tmp_path / "start.safetensors")
    with pytest.raises(UsageError, match="does not start as it did"):
        xzoo.load(outcome.run)


def test_every_file_that_cannot_be_read_is_named(room: Path, outcome: xzoo.Outcome, tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "words.jpg").write_text("no image")
    good = room / "data" / "test" / "bright" / "0.png"
    with pytest.raises(DataError, match=r"2 of 3 images .*empty\.png .*words\.jpg"):
        xzoo.predict(outcome.run, [good, tmp_path])


def test_altered_tensors_are_refused_by_name(room: Path, tmp_path: Path) -> None:
    from xzoo.errors import StorageError

    outcome = compared(room, [f"{room / 'net.py'}:net"], tmp_path)
    [cell] = outcome.cells
    file = find("last", tmp_path).learnt(cell.id)
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(StorageError, match=cell.id):
        xzoo.load(replace(outcome.recommendation, run=outcome.run) if outcome.recommendation else outcome.run)
