"""Which backbones can be cut below their last stage, and why others cannot: `python tests/cuts.py [NAME ...]`."""

import importlib
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import torch

import xzoo
from xzoo.model.classifier import build
from xzoo.model.cut import Cut, NoCut, cut
from xzoo.model.ownership import HEAD

COUNT = 1
"""How many stages learn: `last:1`."""


def declared() -> Iterator[xzoo.Backbone]:
    """Yield every first-party backbone."""
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    for module in dict.fromkeys(project["entry-points"]["xzoo.backbones"].values()):
        if module.startswith(("xzoo_torchvision.", "xzoo_classic.")):
            yield from importlib.import_module(module).xzoo_backbones()


def tried(backbone: xzoo.Backbone) -> Cut | NoCut:
    """Cut one backbone below its last stage, its weights random, on two images of noise."""
    size = backbone.preprocess.shape if backbone.fixed_size else (max(32, backbone.min_size),) * 2
    torch.manual_seed(0)
    classifier = build(backbone.build(), backbone, 2, seed=0, size=size)
    images_BCHW = torch.randn(2, backbone.preprocess.num_channels, *size).contiguous(memory_format=torch.channels_last)
    classifier.network.to(memory_format=torch.channels_last)
    return cut(classifier, {HEAD, *classifier.stages[-COUNT:]}, images_BCHW)


def main(names: list[str]) -> int:
    """Try them, print one line each and the count; exit with 1 where none could be cut."""
    torch.set_num_threads(1)
    found: dict[str, Cut | NoCut] = {}
    for backbone in declared():
        if not names or backbone.name in names:
            began = time.perf_counter()
            found[backbone.name] = one = tried(backbone)
            words = one.place if isinstance(one, Cut) else f"CANNOT: {one.reason}"
            print(f"{backbone.name:20} {time.perf_counter() - began:6.1f} s  {words}", flush=True)
    num_cut = sum(isinstance(one, Cut) for one in found.values())
    print(f"{num_cut} of {len(found)} can be cut below their last stage")
    return 0 if num_cut else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
