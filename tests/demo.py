"""What the demo must show, from the JSON answer of `xzoo compare alexnet googlenet`: python tests/demo.py ANSWER SECONDS.

Its seconds are held against those of a bare loop of PyTorch on the same machine, which in float32 fine-tunes both networks on as
many random images and does nothing else: machines differ by more than three times.
"""

# B = images in a batch, C = channels, H, W = pixels

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torchvision import models

from xzoo.compare.plan import DEMO_RECIPE
from xzoo.data.phantom import CLASSES, Dials

MOST = 1.5
"""Times the bare loop; measured: docs/benchmarks.md, "The demo"."""
FROZEN_AT_LEAST, TUNED_ABOVE = 0.85, 0.5
_TIMED = 3


def faults(answer: dict[str, Any], seconds: float, bare_seconds: float) -> list[str]:
    """Return what is not as the demo promises."""
    found = []
    if seconds > MOST * bare_seconds:
        found.append(f"it took {seconds:.0f} s, more than {MOST:g} times the {bare_seconds:.0f} s of a bare loop")
    rows = {(row["backbone"], row["freeze"]): row["test"]["accuracy"] for row in answer["contenders"]}
    wanted = {(name, freeze) for name in ("alexnet", "googlenet") for freeze in ("frozen", "finetune")}
    found += [f"contenders are {sorted(rows)}"] if set(rows) != wanted else []
    for (name, freeze), accuracy in rows.items():
        good = accuracy["value"] >= FROZEN_AT_LEAST if freeze == "frozen" else accuracy["low"] > TUNED_ABOVE
        found += [] if good else [f"{name} {freeze}: test accuracy {accuracy}"]
    is_random = all(row["weights"] == "random" for row in answer["contenders"])
    told = "random-weights" in {finding["id"] for finding in answer["findings"]}
    return found if is_random == told else [*found, "weights are random, and no finding says so"]


def bare() -> float:
    """Return the seconds in which a bare loop makes the demo's steps of fine-tuning, from some that are timed after a first."""
    size, batch = Dials().size, DEMO_RECIPE["batch_size"]
    num_steps = DEMO_RECIPE["epochs"] * -(-Dials().train // batch)
    images_BCHW, labels_B = torch.randn(batch, 3, size, size), torch.randint(0, len(CLASSES), (batch,))
    found = 0.0
    for network in (
        models.alexnet(num_classes=len(CLASSES)),
        models.googlenet(num_classes=len(CLASSES), aux_logits=True, init_weights=False),
    ):
        optimizer = torch.optim.Adam(network.parameters(), lr=DEMO_RECIPE["lr"])
        seconds = []
        for _ in range(1 + _TIMED):
            began = time.perf_counter()
            optimizer.zero_grad()
            answers = network(images_BCHW)
            logits = answers if isinstance(answers, tuple) else (answers,)
            torch.stack([F.cross_entropy(one_BK, labels_B) for one_BK in logits]).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            seconds.append(time.perf_counter() - began)
        found += num_steps * statistics.median(seconds[1:])
    return found


if __name__ == "__main__":
    taken, of_bare = float(sys.argv[2]), bare()
    print(f"the demo took {taken:.0f} s, {taken / of_bare:.2f} times the {of_bare:.0f} s in which a bare loop fine-tunes")
    wrong = faults(json.loads(Path(sys.argv[1]).read_text()), taken, of_bare)
    print("\n".join(wrong) or "the demo shows what it must")
    sys.exit(bool(wrong))
