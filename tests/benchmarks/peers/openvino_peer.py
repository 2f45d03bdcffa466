"""OpenVINO, or plain torch in float32, used directly on torchvision's network: the latency of one batch in a fresh process.

Prints one JSON object: the median and the 90th percentile in milliseconds, and how many calls they rest on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torchvision import models


def main() -> None:
    """Time one network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--engine", choices=["openvino", "eager"], default="openvino")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--calls", type=int, default=200)
    asked = parser.parse_args()
    torch.manual_seed(0)
    options = {"aux_logits": False, "init_weights": True} if asked.backbone == "googlenet" else {}
    model: nn.Module = getattr(models, asked.backbone)(weights=None, **options).eval()
    images_BCHW = torch.randn(asked.batch, 3, 224, 224)
    call = compiled(model, images_BCHW) if asked.engine == "openvino" else plain(model, images_BCHW)
    for _ in range(10):
        call()
    seconds = []
    for _ in range(asked.calls):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    p50, p90 = (float(np.percentile(seconds, percent)) * 1e3 for percent in (50, 90))
    print(json.dumps({"p50_ms": p50, "p90_ms": p90, "n": len(seconds)}))


def compiled(model: nn.Module, images_BCHW: torch.Tensor) -> Callable[[], object]:
    """Return one inference by OpenVINO, tuned for latency, which picks its own precision."""
    import openvino

    core = openvino.Core()
    converted = openvino.convert_model(model, example_input=images_BCHW, input=[tuple(images_BCHW.shape)])
    request = core.compile_model(converted, "CPU", {"PERFORMANCE_HINT": "LATENCY"}).create_infer_request()
    array_BCHW = images_BCHW.numpy()
    return lambda: request.infer([array_BCHW], share_inputs=True, share_outputs=True)


def plain(model: nn.Module, images_BCHW: torch.Tensor) -> Callable[[], object]:
    """Return one inference by torch as a notebook writes it."""

    def call() -> object:
        with torch.no_grad():
            return model(images_BCHW)

    return call


if __name__ == "__main__":
    main()
