"""`xzoo.export`: a trained contender as files that other programs run, each loaded back and held against the network itself.

B = images in a batch, C = channels, H, W = pixels, N = images
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xzoo import durable
from xzoo.compare import origin
from xzoo.compare.bench import view_of
from xzoo.compare.exported import RECORD, Exported, ExportedFile, described
from xzoo.compare.saved import rebuild
from xzoo.compare.selection import RUNS, Saved, What, find
from xzoo.errors import CheckError, UsageError
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.formats import FORMATS, Format, formats, version
from xzoo.evaluate.graph import MOST_DIFFERENCE, Agreement, compared, logits_of
from xzoo.runs import store
from xzoo.runs.following import followed
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.spec import Backbone, Choice
from xzoo.zoo.wording import brief

FOLDER = "xzoo-export"
MOST_IMAGES = 200


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be exported, its words checked: a saved cell, to which formats and folder, and where the run's images lie."""

    saved: Saved
    formats: tuple[Format, ...]
    folder: Path
    data: object
    backbone: Backbone | Choice | None


def export(
    run: What,
    folder: str | os.PathLike[str] | None = None,
    *,
    to: str | Sequence[str] = "onnx",
    contender: str | None = None,
    seed: int | None = None,
    data: object = None,
    runs: str | Path = RUNS,
    backbone: Backbone | Choice | None = None,
) -> Exported:
    """Write a contender, chosen as `load` does it, into a folder, and return its record, which lies beside the files.

    `to` names formats: pt2, onnx, openvino, safetensors. `folder` is `xzoo-export/CELL` where none is named. Every file is loaded
    back and must answer up to 200 test images of the run as eager float32 does; else nothing is left behind. `data` says where
    the run's images lie now, if they were moved. Raises what `load` does, CheckError for a file that disagrees, UnavailableError
    for a missing extra or a network that a format cannot hold, and DataError.
    """
    asked = ask(run, folder, to=to, contender=contender, seed=seed, data=data, runs=runs, backbone=backbone)
    return followed(carry_out(asked))


def ask(
    run: What,
    folder: str | os.PathLike[str] | None,
    *,
    to: str | Sequence[str],
    backbone: Backbone | Choice | None,
    data: object,
    **which: Any,
) -> Asked:
    """Return what `export` is to do. Raises UsageError, UnavailableError for a missing extra."""
    chosen = formats([to] if isinstance(to, str) else list(to))
    saved = find(run, **which)
    goal = Path(FOLDER, saved.cell.id) if folder is None else Path(folder).expanduser()
    if named := [form for form in FORMATS.values() if Path(form.file).suffix == goal.suffix]:
        remedy = f"say -o {goal.with_suffix('')} --to {named[0].name}; the file in it is {named[0].file}"
        raise UsageError(f"{goal} is the name of a file, and an export is a folder", remedy)
    if not durable.may_replace(goal, like="model.*"):
        raise UsageError(f"{goal} holds what is no export of xzoo's", "name a folder that is empty or not there: -o FOLDER")
    return Asked(saved, chosen, goal, origin.place_of(saved.folder, data), backbone)


def carry_out(asked: Asked) -> Generator[str, None, Exported]:
    """Export what is asked for, yielding lines that say what is being done, and return the record. Raises what `export` does."""
    saved = asked.saved
    model = rebuild(saved, asked.backbone)
    yield "reading the images"
    images_NCHW, checked_on = _images(saved, model, asked.data)
    expected_NK = logits_of(model.logits, images_NCHW)
    record = replace(described(saved, model, asked.backbone), folder=str(asked.folder), checked_on=checked_on)
    files = []
    with durable.new_folder(asked.folder) as folder:
        for form in asked.formats:
            yield f"writing {form.name}"
            made = form.files(model, images_NCHW, record.inside())
            for name, content in made.items():
                durable.fill_bytes(folder / name, content)
            yield f"holding {form.name} against PyTorch on {len(images_NCHW)} images"
            found = compared(_answers(form, folder, model, images_NCHW), expected_NK)
            _check(form, found, saved)
            files.append(_written(form, folder, list(made), found))
        record = replace(record, files=files)
        durable.fill_bytes(folder / RECORD, store.encode(record))
    return record


def _images(saved: Saved, model: Deployed, place: object) -> tuple[Tensor, dict[str, Any]]:
    """Return test images of the run, evenly spaced in their order, as pixels in [0, 1] (N,C,H,W), and what they are."""
    _, pack = origin.opened(saved.folder, place)
    every_N = saved.folder.predictions(saved.cell.id)["test_index"]
    chosen_N = every_N[np.linspace(0, len(every_N) - 1, min(len(every_N), MOST_IMAGES)).astype(int)]
    pixels_NCHW = view_of(pack, model.preprocess, make_recipe(saved.cell.recipe)).pixels_NCHW[chosen_N]
    images_NCHW = torch.from_numpy(np.ascontiguousarray(pixels_NCHW)).float().div_(255)
    images_NCHW = images_NCHW.expand(-1, model.preprocess.num_channels, -1, -1).contiguous()
    return images_NCHW, {"split": "test", "images": len(chosen_N), "of": len(every_N), "data": pack.name, "pack": pack.key}


def _answers(form: Format, folder: Path, model: Deployed, images_NCHW: Tensor) -> Tensor:
    try:
        return logits_of(form.load(folder, model, images_NCHW[:16]), images_NCHW)
    except Exception as error:  # another library reads the file and raises whatever it meets
        raise CheckError(f"what was written as {form.name} cannot be loaded: {brief(str(error))}", _remedy(form)) from error


def _check(form: Format, found: Agreement, saved: Saved) -> None:
    if not found.holds:
        far = f"probabilities differ by up to {found.largest_difference:.1e} (allowed: {MOST_DIFFERENCE:g})"
        told = f"{found.same_class} of {found.n} images have the same class, and {far}"
        what = f"{form.name} of {saved.cell.contender} does not answer as PyTorch does, and was not kept"
        raise CheckError(f"{what}: {told}", _remedy(form))


def _remedy(form: Format) -> str:
    return f"leave {form.name} out of --to; a newer {form.package} may do it right"


def _written(form: Format, folder: Path, names: Sequence[str], found: Agreement) -> ExportedFile:
    return ExportedFile(
        format=form.name,
        files={name: durable.sha256(folder / name) for name in names},
        num_bytes=sum((folder / name).stat().st_size for name in names),
        takes=form.takes,
        loaded_with=version(form),
        agreement=found,
    )
