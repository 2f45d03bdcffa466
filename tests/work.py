"""Deterministic work counters: how often the costly things happen; exits 1 where a count is not as designed."""

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xzoo

IMAGES_SEEN = 0


def build() -> Any:
    """Return a small network that counts the images its body sees."""
    from torch import Tensor, nn

    class Counting(nn.Conv2d):
        def forward(self, images_BCHW: Tensor) -> Tensor:
            global IMAGES_SEEN  # noqa: PLW0603
            IMAGES_SEEN += len(images_BCHW)
            return super().forward(images_BCHW)

    first = (Counting(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
    return nn.Sequential(*first, nn.Conv2d(8, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


def net(name: str) -> xzoo.Backbone:
    """Return the counting network under a name."""
    stages = {"conv": ("0", "1"), "last": "3"}
    return xzoo.Backbone(name=name, build=build, head=xzoo.ReplaceLinear("6"), stages=stages, preprocess=xzoo.Preprocess(size=32))


NETS = tuple(net(name) for name in ("counting", "second", "third", "fourth"))


def count(
    freeze: str | Sequence[str],
    runs: Path,
    data: Any,
    seeds: int = 3,
    vary: tuple[str, ...] = (),
    nets: Sequence[xzoo.Backbone] = NETS[:1],
) -> dict[str, int]:
    """Return what one comparison of two epochs costs: images through the body's first layers, cells computed."""
    from xzoo.compare import api
    from xzoo.compare.experiment import CellEnded
    from xzoo.train.device import choose

    global IMAGES_SEEN  # noqa: PLW0603
    IMAGES_SEEN = 0
    recipe = {"epochs": 2, "batch_size": 8, "precision": "fp32"}
    strategies = [freeze] if isinstance(freeze, str) else list(freeze)
    plan = api.make_plan(list(nets), data, freeze=strategies, seeds=seeds, recipe=recipe, vary=vary, latency=False)
    events = list(api.carry_out(plan, runs, choose("cpu", "fp32")))
    computed = sum(isinstance(event, CellEnded) and not event.was_kept for event in events)
    return {
        "decodes": plan.pack.num_decoded,
        "images through the body": IMAGES_SEEN,
        "cells computed": computed,
        "compilations": compilations(),
    }


def compilations() -> int:
    """Return how many graphs torch has compiled in this process."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return int(dynamo.counters["stats"]["unique_graphs"]) if dynamo else 0


def waits(num_epochs: int = 3) -> dict[str, int]:
    """Return how often the host reads a tensor's value in epochs behind a phase's first, on a device that works ahead of it.

    Each would be a wait. The device is a CPU that is treated as CUDA is: a CPU by itself looks at every loss at once.
    """
    import numpy as np
    from torch.utils._python_dispatch import TorchDispatchMode

    from xzoo.data.batches import Batches
    from xzoo.data.pack import View
    from xzoo.model.classifier import build as classifier_of
    from xzoo.train.device import Device
    from xzoo.train.learner import WholeNetwork
    from xzoo.train.loop import train
    from xzoo.train.objective import objective
    from xzoo.train.recipe import make
    from xzoo.zoo.strategies import parse

    class Reads(TorchDispatchMode):  # type: ignore[no-untyped-call]
        count = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.count += func.name() in {"aten::_local_scalar_dense", "aten::equal", "aten::nonzero", "aten::is_nonzero"}
            return func(*args, **(kwargs or {}))

    class Ahead(Device):
        runs_ahead = True

    class Watched(Batches):
        def epoch(self, epoch: int, start: int = 0) -> Any:
            with Reads() as reads:  # type: ignore[no-untyped-call]
                yield from super().epoch(epoch, start)
            found.append(reads.count)

    found: list[int] = []
    pixels, labels = np.random.default_rng(0).integers(0, 256, (32, 1, 32, 32), np.uint8), np.arange(32) % 2
    batches = Watched(View("noise", pixels, 3, (32, 32)), labels, np.arange(32), NETS[0].preprocess, 5, augment="chest-xray")
    recipe, device = make({"epochs": num_epochs, "batch_size": 5}), Ahead("cpu", "fp32", 1)
    learner = WholeNetwork(classifier_of(NETS[0].build(), NETS[0], 2, seed=0, size=(32, 32)))
    list(train(learner, batches, objective(recipe, labels, 2, "cpu"), parse("finetune"), recipe, device, dict))
    return {"epochs": len(found), "reads by a proof": int(found[0] > 0), "reads behind it": sum(found[1:])}


def expected(num_images: int, num_train: int, num_val: int, num_steps_preflight: int) -> dict[str, dict[str, int]]:
    """Return the counts by design.

    One image per classifier built, to observe the order of its modules, and one for GMACs; a frozen body sees every image once,
    however many heads learn from it, but for one that an engine is chosen by and two that try it. Fine-tuning: per seed two
    epochs of train and val, every split once, the preflight. `last:1`: what lies below the last stage sees every image once for
    all seeds. Nothing is compiled.
    """
    epochs, built, operations, choice, trial = 2, 1, 1, 1, 2
    tuned = epochs * (num_train + num_val) + num_images + num_steps_preflight + built
    frozen = num_images + built + operations + choice + trial
    # A cut is tried in eval mode on 3 images whole and in halves, 2 beside each other and 1 alone, in train mode on 2 whole and
    # in halves; 2 tell which tensors have a row per image, and 2 how large a row is.
    cut = 3 + 3 + 2 + 1 + 2 + 2 + 2 + 2
    nothing = {"decodes": 0, "images through the body": 0, "cells computed": 0, "compilations": 0}
    return {
        "frozen, first": {**nothing, "decodes": num_images, "images through the body": frozen, "cells computed": 3},
        "frozen, again": nothing,
        "frozen, 52 heads later": {
            **nothing,
            "images through the body": built + operations + choice + trial,
            "cells computed": 52,
        },
        "finetune, first": {**nothing, "images through the body": 3 * tuned + operations, "cells computed": 3},
        "finetune, again": nothing,
        "last:1": {
            **nothing,
            "images through the body": num_images + operations + 3 * (built + cut + num_steps_preflight),
            "cells computed": 3,
        },
        "4 backbones, frozen and finetune": {
            **nothing,
            "decodes": num_images,
            "images through the body": 4 * (frozen + 3 * tuned),
            "cells computed": 24,
        },
        "waits for the device": {"epochs": 3, "reads by a proof": 1, "reads behind it": 0},
    }


def main() -> int:
    """Count, print the counts as JSON, and compare them with the design."""
    rates = "lr=" + ",".join(f"{0.001 * 1.1**place:.6f}" for place in range(13))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XZOO_CACHE"] = f"{folder}/cache"
        data, runs = "phantom:train=32,val=16,test=16,size=32", Path(folder) / "runs"
        found = {f"frozen, {when}": count("frozen", runs, data) for when in ("first", "again")}
        found["frozen, 52 heads later"] = count("frozen", runs, data, seeds=4, vary=(rates,))
        found |= {f"finetune, {when}": count("finetune", runs, data) for when in ("first", "again")}
        found["last:1"] = count("last:1", runs, data)
        os.environ["XZOO_CACHE"] = f"{folder}/another"
        found["4 backbones, frozen and finetune"] = count(["frozen", "finetune"], Path(folder) / "others", data, nets=NETS)
        found["waits for the device"] = waits()
    wanted = expected(64, 32, 16, 2)
    print(json.dumps(found, indent=1))
    if found != wanted:
        print(f"by design:\n{json.dumps(wanted, indent=1)}", file=sys.stderr)
    return int(found != wanted)


if __name__ == "__main__":
    sys.exit(main())
