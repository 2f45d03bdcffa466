"""What a network costs before it runs: parameters, and multiply-accumulates of one image."""

# B = images in a batch, C = channels, H, W = pixels

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from xzoo.model.modes import evaluating

Watch = Callable[[Callable[[], float]], AbstractContextManager[None]]
"""What is entered while a pass is counted; it is given a function that returns the floating-point operations so far."""


def count_params(module: nn.Module, exclude: Sequence[str] = ()) -> int:
    """Count the numbers in a module's parameters, shared ones once, those under the prefixes `exclude` not at all.

    `aux1` and `aux1.` both name everything inside the module `aux1`.
    """
    prefixes = tuple(f"{prefix.rstrip('.')}." for prefix in exclude)
    return sum(parameter.numel() for name, parameter in module.named_parameters() if not f"{name}.".startswith(prefixes))


def gmacs(module: nn.Module, size: tuple[int, int], num_channels: int, watch: Watch | None = None) -> float:
    """Count the multiply-accumulates, in 10^9, of one image of `size` (height, width) in eval mode.

    Convolutions and matrix products are counted, attention among them; biases, norms and activations are not. That is how
    torchvision and the papers count. The module is not changed, and computes nothing where it can run on torch's meta device.
    `watch` follows the count; it is entered anew where the pass has to be made a second time, with values.
    """
    with evaluating(module):
        try:
            return _count(_on_meta(module), torch.empty(1, num_channels, *size, device="meta"), watch or _unwatched)
        except (NotImplementedError, RuntimeError):  # a forward that looks at values cannot run without them
            return _count(module, torch.zeros(1, num_channels, *size, device=_device(module)), watch or _unwatched)


def _count(forward: Callable[[Tensor], object], images_BCHW: Tensor, watch: Watch) -> float:
    # Attention takes its plain path: nothing inside nn.MultiheadAttention's fast path is counted, and older torch counts
    # nothing in fused kernels on the CPU (pytorch #195460) nor under inference_mode (#126268); 2.15 does.
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with (
            torch.inference_mode(False),
            torch.no_grad(),
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
            watch(lambda: float(counter.get_total_flops())),
        ):
            forward(images_BCHW)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
    return float(counter.get_total_flops()) / 2e9


@contextmanager
def _unwatched(total: Callable[[], float]) -> Iterator[None]:
    del total
    yield


def _on_meta(module: nn.Module) -> Callable[[Tensor], object]:
    tensors = itertools.chain(module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False))
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}
    # Every name of a tied tensor has its own shape here, which torch takes for a contradiction unless it is told not to tie them.
    return lambda images_BCHW: torch.func.functional_call(module, shapes, (images_BCHW,), tie_weights=False)


def _device(module: nn.Module) -> torch.device:
    return next((tensor.device for tensor in itertools.chain(module.parameters(), module.buffers())), torch.device("cpu"))
