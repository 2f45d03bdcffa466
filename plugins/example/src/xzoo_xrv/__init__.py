"""DenseNet-121 trained on chest X-rays, from torchxrayvision (https://arxiv.org/abs/2111.00595), for xzoo."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import xzoo

GRAY = xzoo.Preprocess(size=224, mean=(0.5,), std=(1 / 2048,))  # one channel, pixels from -1024 to 1024
SETS = {"all": "eight sets of chest X-rays", "nih": "NIH ChestX-ray14", "chex": "CheXpert", "mimic_ch": "MIMIC-CXR"}
BLOCKS = {f"denseblock{n}": (f"features.denseblock{n}", f"features.transition{n}") for n in (1, 2, 3)}


def build(weights: str | None = None) -> Any:
    """Return the network; without `weights`, random and offline."""
    from torchxrayvision.models import DenseNet

    return DenseNet(weights=weights)


def read(name: str) -> Mapping[str, Any]:
    """Return published weights by way of torchxrayvision: they are pickled modules, which run what they hold; xzoo opens none."""
    return {key: tensor for key, tensor in build(f"densenet121-res224-{name}").state_dict().items() if key != "op_threshs"}


@xzoo.hookimpl
def xzoo_backbones() -> Iterable[xzoo.Backbone]:
    """Yield the network with each of its published weights."""
    yield xzoo.Backbone(
        name="xrv-densenet121",
        build=build,
        head=xzoo.ReplaceLinear("classifier"),
        stages={
            "stem": ("features.conv0", "features.norm0"),
            **BLOCKS,
            "denseblock4": ("features.denseblock4", "features.norm5"),
        },
        weights=[
            xzoo.Weights(name, read=functools.partial(read, name), preprocess=GRAY, trained_on=images, licence="Apache-2.0")
            for name, images in SETS.items()
        ],
        preprocess=GRAY,
        min_size=29,
        summary="18 findings of the chest, from one channel",
        paper="https://arxiv.org/abs/2111.00595",
        licence="Apache-2.0",
        params=6_966_034,
        gmacs=2.754,
    )
