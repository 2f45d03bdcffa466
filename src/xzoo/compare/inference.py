"""Images predicted with a contender of a finished run.

B = images in a batch, K = classes
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xzoo.compare.bench import shorter_side
from xzoo.compare.layout import is_frozen
from xzoo.compare.saved import RUNS, Saved, What, find, rebuild, restored
from xzoo.data.unlabelled import Fit, find_images, read_batches
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.engines.extractor import extractor
from xzoo.evaluate.engines.table import available
from xzoo.model.classifier import Classifier
from xzoo.train.device import Device, choose, suited
from xzoo.train.features import Extractor
from xzoo.train.objective import probabilities
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.spec import Backbone, Choice

SCHEMA = "xzoo.predict/1"
BATCH_SIZE = 32


@dataclass(frozen=True)
class PredictedImage:
    """One image's most probable class, and the probability of each."""

    path: str
    label: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """The answer to `xzoo predict`. Its fields are those of the machine output `xzoo.predict/1`."""

    schema: str = SCHEMA
    run: str
    contender: str
    seed: int
    classes: tuple[str, ...]
    images: Sequence[PredictedImage]


def predict(
    run: What,
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    contender: str | None = None,
    seed: int | None = None,
    runs: str | Path = RUNS,
    device: str = "auto",
    backbone: Backbone | Choice | None = None,
) -> Predicted:
    """Return the classes of image files, and of those in folders, at any depth, with a contender chosen as `load` does it.

    Files are decoded and resized as in training, so the images of a run get the probabilities that lie in its folder.
    Raises what `load` does, UnavailableError for a device, and DataError naming every file that cannot be read.
    """
    files = find_images([paths] if isinstance(paths, str | os.PathLike) else paths)
    saved = find(run, contender=contender, seed=seed, runs=runs)
    chosen = choose(device, saved.cell.recipe["precision"])
    model = _as_evaluated(saved, backbone, chosen)
    chosen = suited(chosen, model)
    return Predicted(
        run=str(saved.folder.path),
        contender=saved.cell.contender,
        seed=saved.cell.seed,
        classes=saved.classes,
        images=[_named(model, path, row_K) for path, row_K in _rows(model, saved, files, chosen)],
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


def _rows(model: Deployed, saved: Saved, files: Sequence[Path], device: Device) -> Iterator[tuple[Path, NDArray[np.float64]]]:
    preprocess = model.preprocess
    fit = Fit(preprocess.shape, preprocess.num_channels, preprocess.interpolation, model.resize, saved.white)
    for paths, pixels_BCHW in read_batches(files, fit, BATCH_SIZE):
        with torch.no_grad(), device.arithmetic():
            images_BCHW = torch.from_numpy(pixels_BCHW).to(device.kind).float().div_(255)
            rows_BK = probabilities(model.logits(images_BCHW)).cpu().numpy()
        yield from zip(paths, rows_BK, strict=True)


def _named(model: Deployed, path: Path, row_K: NDArray[np.float64]) -> PredictedImage:
    by_class = {name: float(share) for name, share in zip(model.classes, row_K, strict=True)}
    # A file's name may hold bytes that are no text, and JSON cannot.
    shown = os.fspath(path).encode(errors="backslashreplace").decode()
    return PredictedImage(shown, model.classes[int(row_K.argmax())], by_class)
