"""fastai's own loop on the same images: `vision_learner`, frozen or fine-tuned, from random weights. Needs `pip install fastai`.

Prints one JSON object, as notebook.py does.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import torch


def main() -> None:
    """Train with fastai and print the accuracy of the best epoch on validation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a folder with train/CLASS/ and val/CLASS/")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--start", help="a state dict to begin from")
    parser.add_argument("--freeze", choices=["frozen", "finetune"], default="frozen")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    print(json.dumps(trained(parser.parse_args())))


def trained(asked: argparse.Namespace) -> dict[str, Any]:
    """Return what fastai reaches, and the images it trains per second, its validation left out."""
    from fastai.callback.core import Callback
    from fastai.metrics import accuracy
    from fastai.vision.all import ImageDataLoaders, Resize, set_seed, vision_learner
    from torchvision import models

    set_seed(asked.seed)
    spent: list[float] = []

    class Timed(Callback):  # type: ignore[misc]
        def before_train(self) -> None:
            self.began = time.perf_counter()

        def after_train(self) -> None:
            spent.append(time.perf_counter() - self.began)

    loaders = ImageDataLoaders.from_folder(
        asked.data, train="train", valid="val", item_tfms=Resize(asked.size), bs=32, num_workers=0
    )
    learner = vision_learner(loaders, getattr(models, asked.backbone), pretrained=False, metrics=accuracy, cbs=[Timed()])
    if asked.start:
        network = getattr(models, asked.backbone)(weights=None)
        network.load_state_dict(torch.load(asked.start, weights_only=True))
        body = list(network.children())[: len(list(learner.model[0].children()))]
        learner.model[0].load_state_dict(torch.nn.Sequential(*body).state_dict())
    began = time.perf_counter()
    if asked.freeze == "frozen":
        learner.freeze()
    else:
        learner.unfreeze()
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(asked.epochs, asked.lr)
    curve = [float(row[2]) for row in learner.recorder.values]
    seen = asked.epochs * (len(loaders.train_ds) // 32) * 32
    return {
        "val_accuracy": max(curve),
        "curve": curve,
        "train_seconds": sum(spent),
        "images_per_second": seen / sum(spent),
        "seconds": time.perf_counter() - began,
    }


if __name__ == "__main__":
    main()
