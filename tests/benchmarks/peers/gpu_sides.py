"""What gpu.py holds against each other: an epoch of training, a pass over all images; by xzoo, at the ceiling, in the notebook.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from peers import ceiling, notebook
from xzoo.compare.bench import Place
from xzoo.evaluate.engines.extractor import extractor
from xzoo.runs.result import Cell
from xzoo.train.device import Device
from xzoo.train.learner import WholeNetwork
from xzoo.train.loop import train
from xzoo.train.objective import objective
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.strategies import parse as parse_strategy

AT_ONCE = 64
"""Images in a batch where a body sees all of them, as in xzoo's own pass."""

Side = Callable[[], float]
"""Works through as many images as there are, once, and returns the seconds it took."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A backbone in its place, and the folder of the same images as JPEG files."""

    name: str
    place: Place
    cell: Cell
    folder: Path
    asked: argparse.Namespace

    @property
    def device(self) -> Device:
        """The device as the backbone can use it."""
        return self.place.device

    @property
    def training_images(self) -> NDArray[np.int64]:
        """The places of the training images."""
        return np.flatnonzero(np.array(self.place.pack.splits_N) == "train")


def training(subject: Subject) -> dict[str, Side]:
    """Return the sides of an epoch of training."""
    place, device, asked = subject.place, subject.device, subject.asked
    recipe, labels_N = make_recipe(subject.cell.recipe), place.pack.labels_N
    compute = objective(recipe, labels_N[subject.training_images], 2, device.kind)
    images, finetune = place.images(subject.cell, subject.training_images), parse_strategy("finetune")
    epochs = train(WholeNetwork(place.classifier), images, compute, finetune, recipe, device, dict)
    batch = (asked.batch, 3, *place.view.size)
    return {
        "xzoo": lambda: next(epochs).seconds,
        "ceiling": ceiling.training(subject.name, batch, device, asked.images),
        "notebook": notebook_side(subject, is_training=True),
    }


def inference(subject: Subject) -> dict[str, Side]:
    """Return the sides of a pass over all images, by the engines that a frozen body may run through."""
    place, device, asked = subject.place, subject.device, subject.asked
    images = place.images(subject.cell, subject.training_images, batch_size=AT_ONCE)
    next(images.epoch(0))  # brings the images to the device

    def passed(engine: str) -> Side:
        run = extractor(place.classifier, engine, device)

        def side() -> float:
            began = time.perf_counter()
            for images_BCHW, _ in images.ordered():
                run(images_BCHW)
            device.synchronise()
            return time.perf_counter() - began

        return side

    engines = ("eager", "cudagraph") if device.kind.startswith("cuda") else ("eager",)
    batch = (AT_ONCE, 3, *place.view.size)
    return {
        **{f"xzoo {engine}": passed(engine) for engine in engines},
        "ceiling": ceiling.inference(subject.name, batch, device, asked.images),
        "notebook": notebook_side(subject, is_training=False),
    }


def notebook_side(subject: Subject, *, is_training: bool) -> Side:
    """Return the notebook's epoch, or its pass, over the JPEG files: float32, and the host reads the loss of every batch."""
    asked, device = subject.asked, subject.device.kind
    wanted = {"backbone": subject.name, "start": None, "freeze": "finetune", "data": subject.folder, "size": asked.size}
    job = argparse.Namespace(**wanted, batch_size=asked.batch if is_training else AT_ONCE, workers=asked.workers)
    loader, model = notebook.load(job)["train"], notebook.make(job)[0].to(device).train(is_training)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)

    def side() -> float:
        began, total = time.perf_counter(), 0.0
        for images_BCHW, labels_B in loader:
            with torch.set_grad_enabled(is_training):
                loss = torch.nn.functional.cross_entropy(model(images_BCHW.to(device)), labels_B.to(device))
            if is_training:
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            total += loss.item()
        assert math.isfinite(total)
        return time.perf_counter() - began

    return side
