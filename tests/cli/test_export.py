"""`xzoo export`: files that answer as the network does, each with its record, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import xzoo
from xzoo import durable
from xzoo.errors import UnavailableError
from xzoo.evaluate import formats
from xzoo.evaluate.deployed import Deployed

CODE = """
import xzoo

def build():
    from torch import nn
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))

net = xzoo.Backbone(name="net", build=build, head=xzoo.ReplaceLinear("5"), stages={"body": ("0", "1")}, licence="MIT",
                    preprocess=xzoo.Preprocess(size=8, mean=(0.5,) * 3, std=(0.25,) * 3))
"""
RECIPE = {"epochs": 4, "lr": 0.05, "precision": "fp32", "batch_size": 8}
Answer = tuple[int, str, str]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, draw_dark_and_bright: Callable[[Path, int, int], None]) -> Path:
    """Images in `data`, a backbone in `net.py`, and a run of it with a softmax and with a single logit."""
    room = tmp_path_factory.mktemp("room")
    (room / "net.py").write_text(CODE)
    draw_dark_and_bright(room / "data", 120, 100)
    xzoo.compare(
        [f"{room / 'net.py'}:net"], room / "data", freeze=["finetune"], seeds=1, recipe=RECIPE, positive="bright",
        vary=["loss=cross-entropy,bce"], latency=False, runs=room / "xzoo-runs",
    )  # fmt: skip
    return room


@pytest.fixture
def answer(room: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[..., Answer]) -> Callable[..., Answer]:
    monkeypatch.chdir(room)
    return command


def record_in(folder: Path, name: str) -> dict[str, Any]:
    """Return what a file of an export says of itself."""
    found = ""
    if name == "pt2":
        extra = {"xzoo.json": ""}
        torch.export.load(folder / "model.pt2", extra_files=extra)
        found = extra["xzoo.json"]
    elif name == "safetensors":
        from safetensors import safe_open

        with safe_open(folder / "model.safetensors", "pt") as file:
            found = file.metadata()["xzoo"]
    elif name == "onnx":
        import onnx

        found = {one.key: one.value for one in onnx.load(folder / "model.onnx").metadata_props}["xzoo"]
    else:
        import openvino

        found = openvino.Core().read_model(folder / "model.xml").get_rt_info(["xzoo"]).astype(str)
    told: dict[str, Any] = json.loads(found)
    return told


@pytest.mark.parametrize("loss", ["cross-entropy", "bce"])
def test_every_format_answers_as_the_run_did_and_tells_where_it_comes_from(
    answer: Callable[..., Answer], one_object: Callable[[str], dict[str, Any]], room: Path, tmp_path: Path, loss: str
) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("openvino")
    goal, contender = tmp_path / "out", f"net@random finetune loss={loss}"
    names = ("pt2", "onnx", "openvino", "safetensors")
    words = ("--contender", contender, "--to", ",".join(names), "-o", str(goal), "--format", "json")
    code, out, err = answer("export", "last", *words)
    assert code == 0, out + err
    found = one_object(out)
    assert found == json.loads((goal / "model.json").read_text())
    assert [one["format"] for one in found["files"]] == list(names)
    digests = {name: digest for one in found["files"] for name, digest in one["files"].items()}
    assert digests == {
        path.name: durable.sha256(path) for path in goal.iterdir() if path.name not in {"model.json", "manifest.json"}
    }
    for one in found["files"]:
        assert (one["agreement"]["n"], one["agreement"]["same_class"]) == (16, 16)
        assert one["agreement"]["largest_difference"] < 1e-5
        assert record_in(goal, one["format"]) == {
            name: value for name, value in found.items() if name not in {"folder", "files", "checked_on"}
        }
    assert (found["classes"], found["positive"], found["architecture"]["licence"]) == (["bright", "dark"], "bright", "MIT")
    assert found["preprocess"]["mean"] == [0.5] * 3
    assert found["checked_on"]["split"] == "test"
    # Somebody else's reader, and the probabilities that the run itself keeps.
    expected = xzoo.predict("last", "data/test", contender=contender).images
    assert outside(goal / "model.onnx", [Path(one.path) for one in expected]) == pytest.approx(
        [one.probabilities["bright"] for one in expected], abs=1e-5
    )


def outside(file: Path, paths: list[Path]) -> list[float]:
    """Return the probabilities of the first class by ONNX Runtime and the steps of the record alone."""
    import onnxruntime

    images = [np.asarray(Image.open(path).convert("RGB").resize((8, 8), Image.Resampling.BILINEAR), np.float32) for path in paths]
    session = onnxruntime.InferenceSession(file)
    (logits,) = session.run(["logits"], {"images": np.stack(images).transpose(0, 3, 1, 2) / np.float32(255)})
    return [float(row) for row in np.exp(logits)[:, 0] / np.exp(logits).sum(1)]


class Altered(formats.Safetensors):
    """A format whose files are of a network that was trained a little longer."""

    name = "altered"

    def files(self, model: Deployed, images_BCHW: torch.Tensor, record: str) -> Mapping[str, bytes]:
        import copy

        other = copy.deepcopy(model)
        with torch.no_grad():
            next(iter(reversed(list(other.network.parameters())))).add_(torch.tensor([0.02, 0.0]))
        return super().files(other, images_BCHW, record)


class Broken(formats.Safetensors):
    name = "broken"

    def files(self, model: Deployed, images_BCHW: torch.Tensor, record: str) -> Mapping[str, bytes]:
        return {self.file: b"half a file"}


class Refusing(formats.Safetensors):
    name = "refusing"

    def files(self, model: Deployed, images_BCHW: torch.Tensor, record: str) -> Mapping[str, bytes]:
        raise UnavailableError("this network cannot be held", "leave it out")


@pytest.mark.parametrize(
    ("form", "code", "said"),
    [
        (Altered(), 1, "does not answer as PyTorch does, and was not kept"),
        (Broken(), 1, "what was written as broken cannot be loaded"),
        (Refusing(), 3, "this network cannot be held"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_disagrees_or_cannot_be_read_is_not_left_behind(
    answer: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: formats.Format, code: int, said: str
) -> None:
    monkeypatch.setattr(formats, "FORMATS", {**formats.FORMATS, form.name: form})
    words = (
        "--contender",
        "net@random finetune loss=cross-entropy",
        "--to",
        f"safetensors,{form.name}",
        "-o",
        str(tmp_path / "out"),
    )
    found, out, err = answer("export", "last", *words)
    assert (found, out) == (code, ""), err
    assert said in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_is_left_alone(answer: Callable[..., Answer], tmp_path: Path) -> None:
    words = ("export", "last", "--contender", "net@random finetune loss=bce", "--to", "safetensors", "-o", str(tmp_path / "out"))
    assert answer(*words)[0] == 0
    assert answer(*words)[0] == 0, "an export may be written anew"
    (tmp_path / "out" / "mine.txt").write_text("keep me")
    code, _, err = answer(*words)
    assert (code, "holds what is no export of xzoo's" in err) == (2, True)
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep me"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nosuchrun",), 2, "there is no run 'nosuchrun'"),
        (("last", "--to", "onxx"), 2, "did you mean onnx?"),
        (("last", "--to", ","), 2, "no format is named"),
        (("last", "-o", "."), 2, "holds what is no export"),
        (("last", "-o", "net.onnx"), 2, "say -o net --to onnx; the file in it is model.onnx"),
        (("last", "--data", "phantom:train=8,val=4,test=4"), 2, "is not the data of"),
        (("last", "--seed", "7"), 2, "there is no seed 7"),
    ],
)
def test_what_cannot_be_done_is_one_screen(answer: Callable[..., Answer], words: tuple[str, ...], code: int, said: str) -> None:
    chosen = ("--contender", "net@random finetune loss=bce")
    to = () if "--to" in words else ("--to", "safetensors")
    found, out, err = answer("export", *words, *chosen, *to)
    assert (found, out) == (code, ""), err
    assert said in err
    assert "Traceback" not in err


def test_a_missing_extra_is_named_with_its_remedy(answer: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "onnx" else find(name, *rest))
    code, _, err = answer("export", "last")
    assert (code, "the extra onnxruntime is not installed" in err) == (3, True)
    assert "pip install 'xzoo[onnxruntime]'" in err
