"""What an exported network's record says: what goes in, what comes out, where it comes from, and how its files were checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from xzoo import durable
from xzoo.compare.saved import choice_of
from xzoo.compare.selection import Saved
from xzoo.evaluate import formats
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.graph import Agreement
from xzoo.train.device import version_of
from xzoo.zoo.spec import Backbone, Choice

SCHEMA = "xzoo.export/1"
RECORD = "model.json"
PURPOSE = "for research and teaching, not for clinical use"
_INSIDE = ("folder", "checked_on", "files")
"""What is not known yet when a record is put into a file."""


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """One format: its files with their sha256, what goes in, and how what was loaded back agrees with eager float32."""

    format: str
    files: Mapping[str, str]
    num_bytes: int
    takes: str
    loaded_with: str
    agreement: Agreement


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The answer to `xzoo export`, and the record beside the files. Its fields are those of the machine output `xzoo.export/1`.

    `temperature` divides logits before the softmax, and `thresholds` are on the probability of a class; both were chosen on
    validation, and are empty where none could be. `learnt` is the sha256 of the tensors in the run, `weights` tells what they
    started from. `checked_on` are the images that files were held against.
    """

    schema: str = SCHEMA
    folder: str = ""
    run: str
    cell: str
    contender: str
    seed: int
    backbone: str
    classes: tuple[str, ...]
    positive: str | None
    temperature: float | None
    thresholds: Sequence[Mapping[str, Any]]
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    preprocess: Mapping[str, Any]
    weights: Mapping[str, Any]
    learnt: str
    architecture: Mapping[str, Any]
    versions: Mapping[str, str]
    purpose: str = PURPOSE
    checked_on: Mapping[str, Any]
    files: Sequence[ExportedFile]

    def inside(self) -> str:
        """Return what a file's own metadata holds: all that is known before it is checked, as JSON in ASCII."""
        told = {name: value for name, value in msgspec.to_builtins(self).items() if name not in _INSIDE}
        return json.dumps(told, ensure_ascii=True, allow_nan=False)


def described(saved: Saved, model: Deployed, backbone: Backbone | Choice | None) -> Exported:
    """Return the record of a saved cell before any file is there. Raises StorageError for a run that cannot be read."""
    result, facts = saved.folder.cell(saved.cell.id), saved.folder.facts(saved.label)
    start = dict(facts.weights) if facts else {"name": saved.cell.weights}
    declared = choice_of(saved, backbone).backbone
    told = (result.calibration if result else {}).get("temperature") or {}
    points = [one for one in (result.operating if result else ()) if one["threshold"] is not None]
    return Exported(
        run=str(saved.folder.path),
        cell=saved.cell.id,
        contender=saved.cell.contender,
        seed=saved.cell.seed,
        backbone=saved.cell.backbone,
        classes=saved.classes,
        positive=saved.folder.plan().get("positive"),
        temperature=told.get("value"),
        thresholds=[{"of": one["of"], "rule": one["rule"], "threshold": one["threshold"]} for one in points],
        input=_input(model),
        output={"name": formats.OUTPUT, "shape": ["B", len(saved.classes)], "then": "softmax over classes"},
        preprocess={
            **asdict(model.preprocess),
            "size": model.preprocess.shape,
            "resize": model.resize,
            "steps": _steps(model, saved),
        },
        weights={name: start.get(name, "") for name in ("name", "licence", "sha256", "source")},
        learnt=durable.sha256(saved.folder.learnt(saved.cell.id)),
        architecture={"licence": declared.licence, "paper": declared.paper},
        versions={name: version_of(name) for name in ("xzoo", "torch", "torchvision", "timm")},
        checked_on={},
        files=(),
    )


def _input(model: Deployed) -> dict[str, Any]:
    preprocess = model.preprocess
    shape = ["B", preprocess.num_channels, *preprocess.shape]
    return {"name": formats.INPUT, "shape": shape, "type": "float32", "values": "pixels from 0 (black) to 1 (white)"}


def _steps(model: Deployed, saved: Saved) -> list[str]:
    """Return in words what is done to a file before it goes in, in order."""
    (height, width), channels = model.preprocess.shape, model.preprocess.num_channels
    colour = "RGB; gray is repeated" if channels == 3 else "gray; colour becomes luminance (ITU-R BT.601)"
    how = f"{model.preprocess.interpolation}, antialiased"
    to_size = f"resize to {height}x{width} ({how})"
    if model.resize is not None:
        to_size = f"resize the shorter side to {model.resize} ({how}), and crop the centre to {height}x{width}"
    white = 255 if saved.white is None else f"255, or of 16 bits {saved.white}"
    normal = (
        f"the file does the rest; for safetensors subtract {list(model.preprocess.mean)}, divide by {list(model.preprocess.std)}"
    )
    return [f"decode to {colour}", to_size, f"divide by the value of white: {white}", normal]
