"""The ceiling: one synthetic batch on the device, again and again, in torch alone; on CUDA recorded once and replayed.

It knows nothing of xzoo but the device's name and precision. bfloat16 under autocast in training, as weights in inference;
channels last; fused AdamW; the gradient's norm bounded by 1.
"""

# B = images in a batch, C = channels, H, W = pixels

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision import models

CLIP = 1.0
AUXILIARY = 0.3
"""The share of GoogLeNet's auxiliary losses (https://arxiv.org/abs/1409.4842, section 5)."""


class Where(Protocol):
    """A device: `kind` is torch's name of it, `precision` is `bf16` or `fp32`."""

    @property
    def kind(self) -> str:
        """The name."""
        ...

    @property
    def precision(self) -> str:
        """The precision."""
        ...


def training(name: str, batch: tuple[int, ...], where: Where, num_images: int) -> Callable[[], float]:
    """Return what makes as many steps as `num_images` need and returns the seconds of so many images."""
    network = made(name).to(device=where.kind, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    parameters = list(network.parameters())
    rate: Any = torch.full((), 1e-4, device=where.kind) if where.kind.startswith("cuda") else 1e-4
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.01, fused=True)
    images_BCHW, labels_B = synthetic(batch, where), torch.arange(batch[0], device=where.kind) % 2
    kind, is_bf16 = where.kind.partition(":")[0], where.precision == "bf16"

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=is_bf16, cache_enabled=False):
            loss = loss_of(network(images_BCHW), labels_B)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimizer.step()

    def capturable(value: bool) -> None:
        for group in optimizer.param_groups:
            group["capturable"] = value

    return timed(replayed(step, where, capturable), batch[0], where, num_images)


def inference(name: str, batch: tuple[int, ...], where: Where, num_images: int) -> Callable[[], float]:
    """Return what infers as many batches as `num_images` need and returns the seconds of so many images."""
    network = fused(made(name).eval())
    dtype = torch.bfloat16 if where.precision == "bf16" else torch.float32
    network.to(device=where.kind, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    images_BCHW = synthetic(batch, where).to(dtype)

    @torch.no_grad()
    def step() -> None:
        network(images_BCHW)

    return timed(replayed(step, where), batch[0], where, num_images)


def made(name: str) -> nn.Module:
    """Return torchvision's network for two classes, with random weights and whatever auxiliary heads it has."""
    torch.manual_seed(0)
    options: dict[str, Any] = {"init_weights": True} if name == "googlenet" else {}
    network: nn.Module = getattr(models, name)(weights=None, num_classes=2, **options)
    return network


def fused(network: nn.Module) -> nn.Module:
    """Return the network with batch norms folded into the convolutions that they alone read."""
    traced = fx.symbolic_trace(network)
    modules = dict(traced.named_modules())
    for node in list(traced.graph.nodes):
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or len(before.users) > 1:
            continue
        first, second = (modules.get(str(one.target)) if one.op == "call_module" else None for one in (before, node))
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            traced.set_submodule(str(before.target), fuse_conv_bn_eval(first, second))
            node.replace_all_uses_with(before)
            traced.graph.erase_node(node)
    traced.recompile()
    return traced


def loss_of(out: Any, labels_B: Tensor) -> Tensor:
    """Return the cross-entropy, with the shares of auxiliary logits."""
    if isinstance(out, Tensor):
        return F.cross_entropy(out.float(), labels_B)
    logits, *others = [one.float() for one in out if one is not None]
    losses = [AUXILIARY * F.cross_entropy(one, labels_B) for one in others]
    return torch.stack([F.cross_entropy(logits, labels_B), *losses]).sum()


def synthetic(batch: tuple[int, ...], where: Where) -> Tensor:
    """Return a batch of noise on the device."""
    images_BCHW = torch.randn(batch, generator=torch.Generator().manual_seed(0))
    return images_BCHW.to(where.kind, memory_format=torch.channels_last)


def replayed(
    step: Callable[[], None], where: Where, capturable: Callable[[bool], None] = lambda value: None
) -> Callable[[], None]:
    """Return the step recorded as a CUDA graph, after three eager ones; on a CPU the step itself."""
    if not where.kind.startswith("cuda"):
        return step
    with torch.cuda.device(where.kind):
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        capturable(True)
        with torch.cuda.graph(graph, stream=aside):
            step()
        capturable(False)

    def replay() -> None:
        # The step is kept with the graph, which holds addresses of its tensors alone.
        assert step is not None
        graph.replay()

    return replay


def timed(step: Callable[[], None], batch_size: int, where: Where, num_images: int) -> Callable[[], float]:
    """Return what makes enough steps for the images, waits for the device, and returns the seconds for exactly so many images."""
    count = -(-num_images // batch_size)

    def side() -> float:
        began = time.perf_counter()
        for _ in range(count):
            step()
        if where.kind.startswith("cuda"):
            torch.cuda.synchronize(where.kind)
        return (time.perf_counter() - began) * num_images / (count * batch_size)

    return side
