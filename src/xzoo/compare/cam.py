"""`xzoo.cam`: what a trained contender's answers rest on, as maps of its images.

B = images, C = channels, H, W = pixels
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xzoo.compare.saved import rebuild
from xzoo.compare.selection import RUNS, What, find
from xzoo.data.unlabelled import Fit, find_images, read_batches
from xzoo.evaluate.cam import Maps, class_maps
from xzoo.evaluate.deployed import Deployed
from xzoo.zoo.maps import MapLayer
from xzoo.zoo.spec import Backbone, Choice

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
_READ = 32


def cam(  # noqa: PLR0913 - the keywords are those of `load`
    model_or_run: Deployed | What,
    images: Tensor | NDArray[Any] | Paths,
    *,
    target: str | int | Sequence[int] | None = None,
    method: str = "grad-cam",
    layer: str | MapLayer | None = None,
    contender: str | None = None,
    seed: int | None = None,
    runs: str | Path = RUNS,
    backbone: Backbone | Choice | None = None,
) -> Maps:
    """Return a map for each image of what its answer, or the class `target`, rests on.

    `model_or_run` is what `load` returns or takes; `contender`, `seed`, `runs` and `backbone` are those of `load`. `images` are
    files, folders of them, or (B,1,H,W) or (B,3,H,W), uint8 or floats in [0, 1]. `method` is "grad-cam" or "hires-cam", and
    `layer` the one to look at where it is not the backbone's own. Raises what `load` does, DataError and UsageError.
    """
    if isinstance(model_or_run, Deployed):
        model, white = model_or_run, None
    else:
        saved = find(model_or_run, contender=contender, seed=seed, runs=runs)
        model, white = rebuild(saved, backbone), saved.white
    images_BCHW = images if isinstance(images, Tensor) else _read(model, images, white)
    return class_maps(model, images_BCHW, target, method=method, layer=layer)


def _read(model: Deployed, images: NDArray[Any] | Paths, white: int | None) -> Tensor:
    if isinstance(images, np.ndarray):
        return torch.from_numpy(images)
    files = find_images([images] if isinstance(images, str | os.PathLike) else images)
    preprocess = model.preprocess
    fit = Fit(preprocess.shape, preprocess.num_channels, preprocess.interpolation, model.resize, white)
    return torch.from_numpy(np.concatenate([pixels_BCHW for _, pixels_BCHW in read_batches(files, fit, _READ)]))
