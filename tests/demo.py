"""What the demo must show, read from the JSON answer of `xzoo compare alexnet googlenet`: python tests/demo.py ANSWER SECONDS."""

import json
import sys
from pathlib import Path
from typing import Any

MOST_SECONDS = 120
FROZEN_AT_LEAST, TUNED_ABOVE = 0.85, 0.5


def faults(answer: dict[str, Any], seconds: float) -> list[str]:
    """Return what is not as the demo promises."""
    found = [] if seconds <= MOST_SECONDS else [f"it took {seconds:.0f} s, more than {MOST_SECONDS}"]
    rows = {(row["backbone"], row["freeze"]): row["test"]["accuracy"] for row in answer["contenders"]}
    wanted = {(name, freeze) for name in ("alexnet", "googlenet") for freeze in ("frozen", "finetune")}
    found += [f"contenders are {sorted(rows)}"] if set(rows) != wanted else []
    for (name, freeze), accuracy in rows.items():
        good = accuracy["value"] >= FROZEN_AT_LEAST if freeze == "frozen" else accuracy["low"] > TUNED_ABOVE
        found += [] if good else [f"{name} {freeze}: test accuracy {accuracy}"]
    is_random = all(row["weights"] == "random" for row in answer["contenders"])
    told = "random-weights" in {finding["id"] for finding in answer["findings"]}
    return found if is_random == told else [*found, "weights are random, and no finding says so"]


if __name__ == "__main__":
    wrong = faults(json.loads(Path(sys.argv[1]).read_text()), float(sys.argv[2]))
    print("\n".join(wrong) or f"the demo shows what it must, in {float(sys.argv[2]):.0f} s")
    sys.exit(bool(wrong))
