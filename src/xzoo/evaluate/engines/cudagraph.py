"""A CUDA graph: the kernels of one batch recorded once and replayed, without a launch for each.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xzoo.evaluate.engines.eager import infer, prepared
from xzoo.evaluate.engines.engine import Loaded, in_batches
from xzoo.train.device import Device

_WARM_UP = 3


class CudaGraph:
    """Records the eager engine's work on memory that stays where it is."""

    name = "cudagraph"
    package = "torch"

    def missing(self, device: Device) -> tuple[str, str] | None:
        """Return that the device is not a CUDA one."""
        return None if device.kind.startswith("cuda") else ("it needs a CUDA device", "use the engine eager")

    def load(self, module: nn.Module, images_BCHW: Tensor, device: Device) -> Loaded:
        """Return the module recorded. Its warm-up runs on a stream of its own, as torch's notes on CUDA graphs ask."""
        ready, precision, detail = prepared(module, images_BCHW, device)
        with torch.cuda.device(images_BCHW.device):
            held_BCHW = images_BCHW.clone(memory_format=torch.channels_last)
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_WARM_UP):
                    infer(ready, held_BCHW, precision)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # Another thread may be bringing images meanwhile.
            with torch.cuda.graph(graph, stream=aside, capture_error_mode="thread_local"):
                found = infer(ready, held_BCHW, precision)

        def run(images_BCHW: Tensor) -> Tensor:
            # `ready` is read too: the graph holds addresses of its weights, and does not keep them.
            assert ready is not None
            held_BCHW.copy_(images_BCHW)
            graph.replay()
            return found.clone()

        return Loaded(in_batches(run, len(images_BCHW)), precision, f"{detail}, one CUDA graph")
