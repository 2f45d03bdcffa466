"""MobileNetV1 0.25, a pretrained backbone small enough to carry, from the folder that XZOO_REAL names."""

import os
from pathlib import Path
from typing import Any

import xzoo


def build() -> Any:
    """Return the network that timm builds for MobileNetV1 with a quarter of the channels, TensorFlow's padding and epsilon."""
    from timm.models.efficientnet import _gen_mobilenet_v1

    make: Any = _gen_mobilenet_v1
    return make("mobilenetv1_100", channel_multiplier=0.25, pad_type="same", bn_eps=1e-3)


def read() -> dict[str, Any]:
    """Return the published tensors."""
    from safetensors.torch import load_file

    return load_file(Path(os.environ["XZOO_REAL"]) / "weights" / "mobilenetv1_025_imagenet.safetensors")


net = xzoo.Backbone(
    name="mobilenetv1-025",
    build=build,
    head=xzoo.ReplaceLinear("classifier"),
    stages={
        "stem": ("conv_stem", "bn1"),
        **{f"blocks{i}": f"blocks.{i}" for i in range(5)},
    },
    weights=[
        xzoo.Weights(
            "IMAGENET1K",
            read=read,
            preprocess=xzoo.Preprocess(size=224, mean=(0.5,) * 3, std=(0.5,) * 3),
            trained_on="ImageNet-1k",
            licence="Apache-2.0",
            top1=49.8,
        )
    ],
    paper="https://arxiv.org/abs/1704.04861",
)
