"""Print `weights.json`: what the installed torchvision publishes of its classification weights.

Run `python -m xzoo_torchvision.generate > weights.json` after raising torchvision's version.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

# The trunk alone is published, its linear layers are NaN: nothing that can be evaluated or fine-tuned as it stands.
UNUSABLE = {("vgg16", "IMAGENET1K_FEATURES")}


def published_table() -> dict[str, dict[str, Any]]:
    """Return name -> figures and weights, of every classification network, IMAGENET1K_V1 first.

    Vision transformers at another resolution have other parameters, so they stand under a name of their own: `vit_b_16-384`.
    """
    from torchvision import models

    table: dict[str, dict[str, Any]] = {}
    for network in models.list_models(module=models):
        entries = [entry for entry in models.get_model_weights(network) if (network, entry.name) not in UNUSABLE]
        for entry in sorted(entries, key=lambda entry: entry.name != "IMAGENET1K_V1"):
            row = table.setdefault(_name(network, entry), _figures(entry))
            row["weights"].append(_weights(entry))
    return dict(sorted(table.items()))


def lines(table: dict[str, dict[str, Any]]) -> Iterable[str]:
    """Yield the table as JSON, one network per line, so that a change is seen where it is."""
    rows = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in table.items()]
    return "{", ",\n".join(rows), "}"


def _name(network: str, entry: Any) -> str:
    size = entry.transforms().crop_size[0]
    return f"{network}-{size}" if network.startswith("vit_") and size != 224 else network


def _figures(entry: Any) -> dict[str, Any]:
    return {"params": entry.meta["num_params"], "gmacs": entry.meta["_ops"], "weights": []}


def _weights(entry: Any) -> dict[str, Any]:
    metrics, transforms = entry.meta["_metrics"]["ImageNet-1K"], entry.transforms()
    return {
        "name": entry.name,
        "url": entry.url,
        # torchvision's README: SWAG models are released under CC-BY-NC 4.0.
        "licence": "CC-BY-NC-4.0" if "SWAG" in entry.meta.get("license", "") else "BSD-3-Clause",
        "top1": metrics["acc@1"],
        "top5": metrics["acc@5"],
        "size": transforms.crop_size[0],
        "resize": transforms.resize_size[0],
        "mean": transforms.mean,
        "std": transforms.std,
        "interpolation": transforms.interpolation.value,
    }


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines(published_table())) + "\n")
