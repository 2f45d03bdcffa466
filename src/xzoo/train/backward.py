"""Layers whose gradients cost less than PyTorch's own on a CPU in bfloat16, and are the same but for rounding.

Measured with torch 2.15 and AMX (docs/benchmarks.md): for the weights of a large convolution on few positions oneDNN takes twice
as long as one matrix product over unfolded images, and pooling adds up what overlapping windows send back 1.4 times as fast in
float32.

B = images in a batch, C = channels, O = channels of the output, H, W = pixels, h, w = pixels of the output, P = B h w
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from xzoo.train.device import Device

_LARGE = 2**15
"""Weights per tap of the kernel from which a convolution counts as large."""
_FEW = 64
"""Output pixels of an image up to which kernels larger than 1 are unfolded: above that, writing what they see costs more."""
_aten = torch.ops.aten


class CheaperBackward:
    """A network's layers as a step of training uses them; outside of a step they are what they were."""

    def __init__(self, network: nn.Module, device: Device) -> None:
        is_meant = device.kind == "cpu" and device.precision == "bf16"
        found = [(layer, kind) for layer in network.modules() if (kind := _cheaper(layer))] if is_meant else []
        self._layers: Sequence[tuple[nn.Module, type[nn.Module]]] = found

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Let the forward pass inside leave cheaper backward passes behind."""
        own = [type(layer) for layer, _ in self._layers]
        try:
            for layer, kind in self._layers:
                layer.__class__ = kind
            yield
        finally:
            for (layer, _), kind in zip(self._layers, own, strict=True):
                layer.__class__ = kind


def _cheaper(layer: nn.Module) -> type[nn.Module] | None:
    """Return what stands in for a layer of exactly PyTorch's class, or None: a subclass may mean something else."""
    if type(layer) is nn.Conv2d:
        is_plain = layer.groups == 1 and layer.bias is None and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
        is_large = layer.in_channels * layer.out_channels >= _LARGE
        return _Conv2d if is_plain and is_large and not isinstance(layer.padding, str) else None
    if type(layer) is nn.MaxPool2d:
        sizes = [layer.kernel_size, layer.stride, layer.dilation]
        overlaps = sizes[0] not in {1, (1, 1)} and sizes[1] in {1, (1, 1)} and sizes[2] in {1, (1, 1)}
        return _MaxPool2d if overlaps and not layer.return_indices else None
    return None


class _Conv2d(nn.Conv2d):
    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the convolution (B,O,h,w) of images (B,C,H,W)."""
        assert not isinstance(self.padding, str)
        size = zip(images_BCHW.shape[2:], self.kernel_size, self.stride, self.padding, strict=True)
        h, w = ((side + 2 * pad - kernel) // stride + 1 for side, kernel, stride, pad in size)
        if not self.weight.requires_grad or (self.kernel_size != (1, 1) and h * w > _FEW):
            return super().forward(images_BCHW)
        images_BCHW, weight_OCKK = images_BCHW.to(torch.bfloat16), self.weight.to(torch.bfloat16)
        return _Convolution.apply(images_BCHW, weight_OCKK, self.stride, self.padding)  # type: ignore[no-any-return]


class _MaxPool2d(nn.MaxPool2d):
    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Return the largest value of each window (B,C,h,w)."""
        if images_BCHW.dtype != torch.bfloat16 or not images_BCHW.requires_grad:
            return super().forward(images_BCHW)  # type: ignore[no-any-return]
        return _Pooling.apply(images_BCHW, self)  # type: ignore[no-any-return]


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images_BCHW: Tensor, weight_OCKK: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(images_BCHW, weight_OCKK)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(images_BCHW, weight_OCKK, None, stride, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BOhw: Tensor) -> tuple[Tensor | None, ...]:
        images_BCHW, weight_OCKK = ctx.saved_tensors
        grad_BCHW = None
        if ctx.needs_input_grad[0]:
            how = (None, ctx.stride, ctx.padding, (1, 1), False, (0, 0), 1, (True, False, False))
            grad_BCHW = _aten.convolution_backward(grad_BOhw, images_BCHW, weight_OCKK, *how)[0]
        unfolded_PE = _unfolded(images_BCHW, weight_OCKK.shape[2:], ctx.stride, ctx.padding, grad_BOhw.shape[2:])
        num_outputs, num_inputs, *kernel = weight_OCKK.shape
        grad_PO = grad_BOhw.permute(0, 2, 3, 1).reshape(-1, num_outputs)
        grad_OE = grad_PO.t() @ unfolded_PE
        return grad_BCHW, grad_OE.view(num_outputs, *kernel, num_inputs).permute(0, 3, 1, 2), None, None


def _unfolded(
    images_BCHW: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], output: Sequence[int]
) -> Tensor:
    """Return for each output pixel what the kernel sees there (P, kernel height x kernel width x C)."""
    images_BHWC = images_BCHW.permute(0, 2, 3, 1)
    if any(padding):
        images_BHWC = F.pad(images_BHWC, (0, 0, padding[1], padding[1], padding[0], padding[0]))
    count, _, _, channels = images_BHWC.shape
    b, y, x, c = images_BHWC.stride()
    steps = (b, y * stride[0], x * stride[1], y, x, c)
    return images_BHWC.as_strided((count, *output, *kernel, channels), steps, images_BHWC.storage_offset()).reshape(
        count * output[0] * output[1], -1
    )


class _Pooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images_BCHW: Tensor, layer: nn.MaxPool2d) -> Tensor:
        how = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode)
        pairs = tuple([one, one] if isinstance(one, int) else list(one) for one in how[:4])
        largest_BChw, indices_BChw = _aten.max_pool2d_with_indices(images_BCHW, *pairs, layer.ceil_mode)
        ctx.save_for_backward(images_BCHW, indices_BChw)
        ctx.how = (*pairs, layer.ceil_mode)
        ctx.mark_non_differentiable(indices_BChw)
        return largest_BChw  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_BChw: Tensor) -> tuple[Tensor | None, ...]:
        images_BCHW, indices_BChw = ctx.saved_tensors
        like_BCHW = torch.empty_like(images_BCHW, dtype=torch.float32)
        grad_BCHW = _aten.max_pool2d_with_indices_backward(grad_BChw.float(), like_BCHW, *ctx.how, indices_BChw)
        return grad_BCHW.to(images_BCHW.dtype), None
