"""Deterministic work counters: how often the costly things happen; exits 1 where a count is not as designed."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import xzoo

IMAGES_SEEN = 0


def build() -> Any:
    """Return a small network that counts the images its body sees."""
    from torch import Tensor, nn

    class Counting(nn.Sequential):
        def forward(self, images_BCHW: Tensor) -> Tensor:
            global IMAGES_SEEN  # noqa: PLW0603
            IMAGES_SEEN += len(images_BCHW)
            return super().forward(images_BCHW)  # type: ignore[no-any-return, no-untyped-call]

    return Counting(
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    )


NET = xzoo.Backbone(
    name="counting",
    build=build,
    head=xzoo.ReplaceLinear("5"),
    stages={"conv": ("0", "1")},
    preprocess=xzoo.Preprocess(size=32),
)


def count(freeze: str, runs: Path, data: Any, seeds: int = 3, vary: tuple[str, ...] = ()) -> dict[str, int]:
    """Return what one comparison of two epochs costs: images through the body, cells computed."""
    from xzoo.compare import api
    from xzoo.compare.experiment import CellEnded
    from xzoo.train.device import choose

    global IMAGES_SEEN  # noqa: PLW0603
    IMAGES_SEEN = 0
    recipe = {"epochs": 2, "batch_size": 8, "precision": "fp32"}
    plan = api.make_plan([NET], data, freeze=[freeze], seeds=seeds, recipe=recipe, vary=vary, latency=False)
    events = list(api.carry_out(plan, runs, choose("cpu", "fp32")))
    computed = sum(isinstance(event, CellEnded) and not event.was_kept for event in events)
    return {"decodes": plan.pack.num_decoded, "images through the body": IMAGES_SEEN, "cells computed": computed}


def expected(num_images: int, num_train: int, num_val: int, num_steps_preflight: int) -> dict[str, dict[str, int]]:
    """Return the counts by design.

    One image per classifier built, to observe the order of its modules, and one for GMACs; a frozen body sees every image once,
    however many heads learn from it, but for one that an engine is chosen by and two that try it. Fine-tuning: per seed two
    epochs of train and val, every split once, the preflight.
    """
    tuned = 3 * (2 * (num_train + num_val) + num_images + num_steps_preflight)
    trial = 2
    nothing = {"decodes": 0, "images through the body": 0, "cells computed": 0}
    return {
        "frozen, first": {"decodes": num_images, "images through the body": num_images + 1 + 1 + 1 + trial, "cells computed": 3},
        "frozen, again": nothing,
        "frozen, 52 heads later": {**nothing, "images through the body": 1 + 1 + 1 + trial, "cells computed": 52},
        "finetune, first": {"decodes": 0, "images through the body": tuned + 3 + 1, "cells computed": 3},
        "finetune, again": nothing,
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
    wanted = expected(64, 32, 16, 2)
    print(json.dumps(found, indent=1))
    if found != wanted:
        print(f"by design:\n{json.dumps(wanted, indent=1)}", file=sys.stderr)
    return int(found != wanted)


if __name__ == "__main__":
    sys.exit(main())
