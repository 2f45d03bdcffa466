"""Which engine `auto` means: the one with the least predicted time, conversion and compilation included.

The prediction rests on counts alone, never on a clock, since engines differ in the last bits and a result must repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from xzoo.evaluate.engines.table import available
from xzoo.model import cost
from xzoo.train.device import Device


@dataclass(frozen=True)
class Work:
    """What one image costs a network by its counts: multiply-accumulates in 10^9, and values that its layers give in 10^6.

    Values are what Radosavovic et al. 2020 (https://arxiv.org/abs/2003.13678) call activations, here of every layer: where memory
    is the limit they tell the time better than arithmetic does. `num_layers` counts modules that hold no others.
    """

    gmacs: float
    mega_values: float
    num_layers: int
    mega_params: float


@dataclass(frozen=True)
class Cost:
    """Seconds of one core: once for the engine, per layer and per 10^6 parameters, then per image by its counts."""

    once: float
    per_layer: float
    per_mega_param: float
    per_gmac: float
    per_mega_value: float
    per_layer_and_image: float

    def seconds(self, work: Work, num_images: int, threads: int) -> float:
        """Return the predicted time: getting ready takes one core, images take all."""
        ready = self.once + self.per_layer * work.num_layers + self.per_mega_param * work.mega_params
        image = self.per_gmac * work.gmacs + self.per_mega_value * work.mega_values + self.per_layer_and_image * work.num_layers
        return ready + num_images * image / threads


COSTS: Mapping[tuple[str, str], Cost] = {
    ("eager", "bf16"): Cost(0.011, 0.00077, 0.0034, per_gmac=0.0023, per_mega_value=0.0008, per_layer_and_image=6.1e-06),
    ("eager", "fp32"): Cost(0.0023, 0.00065, 0.0019, per_gmac=0.014, per_mega_value=0.0011, per_layer_and_image=3.9e-06),
    ("openvino", "bf16"): Cost(0.068, 0.0045, 0.011, per_gmac=0.0019, per_mega_value=0.00021, per_layer_and_image=3.5e-06),
    ("openvino", "fp32"): Cost(0.027, 0.006, 0.0079, per_gmac=0.014, per_mega_value=0.00019, per_layer_and_image=5.6e-06),
    ("onnxruntime", "fp32"): Cost(0.056, 0.0016, 0.031, per_gmac=0.012, per_mega_value=0.00034, per_layer_and_image=1.3e-05),
    ("inductor", "bf16"): Cost(0.41, 0.22, 0.023, per_gmac=0.0016, per_mega_value=0.00054, per_layer_and_image=7.5e-06),
    ("inductor", "fp32"): Cost(0.68, 0.18, 0.025, per_gmac=0.012, per_mega_value=0.0012, per_layer_and_image=3.1e-06),
}
"""By engine and precision, on a CPU; docs/benchmarks.md says where they come from."""


@dataclass(frozen=True)
class Chosen:
    """The engine with the least of the predicted seconds, which are given for every engine that was considered."""

    engine: str
    seconds: Mapping[str, float]
    reason: str


def choose_engine(work: Work, num_images: int, device: Device) -> Chosen:
    """Return the engine for a pass of `num_images` through a network: of those installed that compute in the device's precision.

    On CUDA it is eager, since the costs of no other have been measured there.
    """
    costs = {one.name: COSTS.get((one.name, device.precision)) for one in available(device)} if device.kind == "cpu" else {}
    seconds = {name: cost.seconds(work, num_images, device.threads) for name, cost in costs.items() if cost is not None}
    if not seconds:
        return Chosen("eager", {}, f"no costs are known on {device.kind}")
    engine = min(seconds, key=lambda name: (seconds[name], name != "eager"))
    listed = ", ".join(f"{name} {value:.1f} s" for name, value in sorted(seconds.items(), key=lambda item: item[1]))
    return Chosen(engine, seconds, f"predicted for {num_images} images: {listed}")


def work_of(module: nn.Module, size: tuple[int, int], num_channels: int) -> Work:
    """Return the counts of a network for images of `size` (height, width); it computes nothing where it can run without."""
    layers = [part for part in module.modules() if not any(True for _ in part.children())]
    counted: list[int] = []

    def count(_module: nn.Module, _inputs: object, output: object) -> None:
        counted.append(output.numel() if isinstance(output, Tensor) else 0)

    handles = [layer.register_forward_hook(count) for layer in layers]
    # Counting begins anew where the first forward pass, without memory, breaks off.
    handles.append(module.register_forward_pre_hook(lambda _module, _inputs: counted.clear()))
    try:
        gmacs = cost.gmacs(module, size, num_channels)
    finally:
        for handle in handles:
            handle.remove()
    return Work(gmacs, sum(counted) / 1e6, len(layers), cost.count_params(module) / 1e6)
