"""Images predicted with a contender of a finished run.

B = images in a batch, K = classes
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xzoo import durable
from xzoo.compare.bench import shorter_side
from xzoo.compare.layout import is_frozen
from xzoo.compare.overlays import Answered, pictured, shown
from xzoo.compare.saved import rebuild, restored
from xzoo.compare.selection import RUNS, Saved, What, find
from xzoo.data.items import counted
from xzoo.data.unlabelled import Fit, find_images, read_batches
from xzoo.errors import UsageError
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.engines.extractor import extractor
from xzoo.evaluate.engines.table import available
from xzoo.model.classifier import Classifier
from xzoo.runs import showing
from xzoo.train.device import Device, choose, suited
from xzoo.train.features import Extractor
from xzoo.train.objective import probabilities
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.spec import Backbone, Choice

SCHEMA = "xzoo.predict/1"
BATCH_SIZE = 32


@dataclass(frozen=True)
class PredictedImage:
    """One image's most probable class, and the probability of each.

    `label` is empty where the image `abstained`. `map` is the file that shows what the most probable class rests on.
    """

    path: str
    label: str
    probabilities: Mapping[str, float]
    abstained: bool = False
    map: str | None = None


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """The answer to `xzoo predict`. Its fields are those of the machine output `xzoo.predict/1`.

    `num_abstained` images have no class, because no probability reached `abstain_below`. `explained` is the folder of maps.
    """

    schema: str = SCHEMA
    run: str
    contender: str
    seed: int
    classes: tuple[str, ...]
    images: Sequence[PredictedImage]
    abstain_below: float | None = None
    num_abstained: int = 0
    explained: str | None = None

    def to_frame(self) -> Any:
        """Return a pandas frame: a row per image, `label`, and `p_CLASS` per class. Raises UnavailableError without pandas."""
        rows = [
            {"path": one.path, "label": one.label, **{f"p_{name}": share for name, share in one.probabilities.items()}}
            for one in self.images
        ]
        return showing.frame(rows, "path")

    def __repr__(self) -> str:
        return showing.brief(self, counted(len(self.images), "image"), f"{self.contender}, seed {self.seed}", self.run)

    def __str__(self) -> str:
        return showing.as_text(self)

    def _repr_html_(self) -> str:
        return showing.as_html(self)


def predict(  # noqa: PLR0913 - the keywords are those of `load`, and what to do with the answers
    run: What,
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    contender: str | None = None,
    seed: int | None = None,
    runs: str | Path = RUNS,
    device: str = "auto",
    backbone: Backbone | Choice | None = None,
    abstain: float | None = None,
    explain: str | os.PathLike[str] | None = None,
) -> Predicted:
    """Return the classes of image files, and of those in folders, at any depth, with a contender chosen as `load` does it.

    Files are decoded and resized as in training, so the images of a run get the probabilities that lie in its folder. An image
    whose greatest probability is below `abstain` gets no class. `explain` names a folder for a picture of each image under the
    class activation map of its most probable class, which is the network's in float32 whatever engine answered.
    Raises what `load` does, UnavailableError for a device, and DataError naming every file that cannot be read.
    """
    if explain is not None and not durable.may_replace(Path(explain).expanduser(), like="*.png"):
        raise UsageError(f"{explain} holds other things than maps of xzoo's", "name a folder that is empty or not there")
    files = find_images([paths] if isinstance(paths, str | os.PathLike) else paths)
    saved = find(run, contender=contender, seed=seed, runs=runs)
    _check_threshold(abstain, saved.classes)
    chosen = choose(device, saved.cell.recipe["precision"])
    model = _as_evaluated(saved, backbone, chosen)
    batches = _answers(model, saved, files, suited(chosen, model))
    if explain is None:
        found = [
            _named(model, path, row_K, abstain)
            for paths, _, rows_BK in batches
            for path, row_K in zip(paths, rows_BK, strict=True)
        ]
    else:
        looked_at = rebuild(saved, backbone, chosen.kind) if is_frozen(saved.cell) else model
        maps = pictured(looked_at, batches, Path(explain).expanduser())
        found = [_named(model, path, row_K, abstain, file) for path, row_K, file in maps]
    return Predicted(
        run=str(saved.folder.path),
        contender=saved.cell.contender,
        seed=saved.cell.seed,
        classes=saved.classes,
        images=found,
        abstain_below=abstain,
        num_abstained=sum(one.abstained for one in found),
        explained=None if explain is None else os.fspath(explain),
    )


def _check_threshold(abstain: float | None, classes: Sequence[str]) -> None:
    if abstain is not None and not 1 / len(classes) < abstain <= 1:
        raise UsageError(
            f"a threshold of {abstain:g} lets no image abstain, or every one",
            f"the greatest of {len(classes)} probabilities is {1 / len(classes):.3g} or more: give one above that and at most 1",
        )


class _HeadOnBody(nn.Module):
    """A frozen body as an engine runs it, and the head that learnt from its features."""

    def __init__(self, classifier: Classifier, extract: Extractor) -> None:
        super().__init__()
        self.classifier = classifier
        self.extract = extract

    def forward(self, images_BCHW: Tensor) -> Tensor:
        return self.classifier.logits_of(self.extract(images_BCHW))


def _as_evaluated(saved: Saved, backbone: Backbone | Choice | None, device: Device) -> Deployed:
    """Return the network as its cell was evaluated: a frozen body by the engine that gave its features, where that is here."""
    if not is_frozen(saved.cell):
        return rebuild(saved, backbone, device.kind)
    classifier, preprocess = restored(saved, backbone, device.kind)
    result = saved.folder.cell(saved.cell.id)
    name = result.engine if result else ""
    known = {one.name for one in available(device)}
    network = _HeadOnBody(classifier, extractor(classifier, name if name in known else "eager", device))
    classifier.network.eval()
    return Deployed(network, saved.classes, preprocess, shorter_side(preprocess, make_recipe(saved.cell.recipe)))


def _answers(model: Deployed, saved: Saved, files: Sequence[Path], device: Device) -> Iterator[Answered]:
    preprocess = model.preprocess
    fit = Fit(preprocess.shape, preprocess.num_channels, preprocess.interpolation, model.resize, saved.white)
    for paths, pixels_BCHW in read_batches(files, fit, BATCH_SIZE):
        with torch.no_grad(), device.arithmetic():
            images_BCHW = torch.from_numpy(pixels_BCHW).to(device.kind).float().div_(255)
            rows_BK = probabilities(model.logits(images_BCHW)).cpu().numpy()
        yield paths, pixels_BCHW, rows_BK


def _named(
    model: Deployed, path: Path, row_K: NDArray[np.float64], abstain: float | None, map_file: str | None = None
) -> PredictedImage:
    by_class = {name: float(share) for name, share in zip(model.classes, row_K, strict=True)}
    is_unsure = abstain is not None and float(row_K.max()) < abstain
    label = "" if is_unsure else model.classes[int(row_K.argmax())]
    return PredictedImage(shown(path), label, by_class, is_unsure, map_file)
