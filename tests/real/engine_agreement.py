"""How far engines and precisions agree with eager float32 on chest X-rays and phantoms; prints a table.

    XZOO_REAL=FOLDER python tests/real/engine_agreement.py [SIZE [NUM_IMAGES [NAME ...]]]

A head is fitted on the float32 features of every second image, and classes are compared on all of them: those that this head
gives, and those of one fitted on the engine's own features, as training does it. Backbones start at random, but for the one
whose published weights the folder holds. pytest does not collect this file.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from xzoo.data.batches import Batches
from xzoo.data.pack import Pack, make_pack, make_view
from xzoo.data.source import open_source
from xzoo.evaluate.engines.agreement import compared
from xzoo.evaluate.engines.eager import Eager
from xzoo.evaluate.engines.engine import Engine
from xzoo.evaluate.engines.table import available
from xzoo.model import classifier as classifiers
from xzoo.model import weights
from xzoo.model.body import body_of
from xzoo.model.heads import seeded
from xzoo.train.device import Device
from xzoo.zoo.registry import Registry
from xzoo.zoo.spec import Choice

REAL = Path(os.environ.get("XZOO_REAL", ""))
NAMES = ("alexnet", "googlenet", "resnet18", "resnet34", "resnet50", "densenet121", "vgg16", "mlp", "cnn", "convgap")
PUBLISHED = f"{Path(__file__).with_name('mobilenet.py')}:net"
ENGINES = ("eager", "openvino")
BATCH = 32


def main(size: int, num_images: int, names: Sequence[str]) -> None:
    """Print a line per data set, backbone and engine."""
    packs = {
        "cxr": make_pack(open_source(REAL / "data" / "cxr")),
        "phantom": make_pack(open_source(f"phantom:train={num_images}")),
    }
    print("| data | backbone | engine | precision | same head | own head | noise | largest error | n | rule |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for data, pack in packs.items():
        for name in names:
            choice = Registry.installed().get(name)
            body, batches, labels_N = laid_out(choice, pack, size, num_images)
            for line in lines_of(body, batches, labels_N):
                print(f"| {data} | {choice.label} | {line}", flush=True)


def laid_out(choice: Choice, pack: Pack, size: int, num_images: int) -> tuple[nn.Module, list[Tensor], Tensor]:
    """Return the body, batches of evenly spaced training images, and their labels (N,)."""
    side = max(size, choice.backbone.min_size)
    preprocess = choice.preprocess if choice.backbone.fixed_size else replace(choice.preprocess, size=side, resize=None)
    view = make_view(
        pack, size=preprocess.shape, num_channels=preprocess.num_channels, interpolation=preprocess.interpolation, resize=None
    )
    training = np.array([place for place, split in enumerate(pack.splits_N) if split == "train"])
    indices = training[np.linspace(0, len(training) - 1, min(num_images, len(training))).astype(int)]
    with seeded(0, "start"):
        network = choice.backbone.build()
    weights.load(network, choice)
    classifier = classifiers.build(network, choice.backbone, 2, seed=0, size=preprocess.shape)
    batches = [images for images, _ in Batches(view, pack.labels_N, indices, preprocess, BATCH).ordered()]
    return body_of(classifier), batches, torch.from_numpy(pack.labels_N[indices])


def lines_of(body: nn.Module, batches: Sequence[Tensor], labels_N: Tensor) -> Iterator[str]:
    """Yield the rest of a line per engine."""
    threads = torch.get_num_threads()
    device = Device("cpu", "bf16", threads)
    exact = features(Eager(), body, batches, replace(device, precision="fp32"))[0]
    logits_of = fitted(exact, labels_N)
    for engine in available(device):
        if engine.name in ENGINES:
            found, precision = features(engine, body, batches, device)
            same = compared(found, exact, logits_of, precision)
            own = (fitted(found, labels_N)(found).argmax(1) == logits_of(exact).argmax(1)).double().mean()
            figures = f"{same.share:.4f} | {own:.4f} | {same.noise:.3f} | {same.largest_error:.4f} | {same.n}"
            yield f"{engine.name} | {precision} | {figures} | {'kept' if same.holds else 'broken'} |"


def features(engine: Engine, body: nn.Module, batches: Sequence[Tensor], device: Device) -> tuple[Tensor, str]:
    """Return the features (N,D) that an engine gives, and the precision it has."""
    loaded = engine.load(body, batches[0], device)
    return torch.cat([loaded(images_BCHW) for images_BCHW in batches]).flatten(1), loaded.precision


def fitted(features_ND: Tensor, labels_N: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the logits (N,K) of a head fitted on every second image."""
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
    head.fit(features_ND[::2].numpy(), labels_N[::2].numpy())

    def logits_of(features_ND: Tensor) -> Tensor:
        scores_N = torch.from_numpy(head.decision_function(features_ND.numpy()))
        return torch.stack([-scores_N, scores_N], 1)

    return logits_of


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    asked = sys.argv[1:]
    wanted = asked[2:] or [f"{name}@random" for name in NAMES] + [PUBLISHED]
    main(int(asked[0]) if asked else 224, int(asked[1]) if asked[1:] else 800, wanted)
