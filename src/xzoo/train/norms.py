"""Batch norm over the images of all ranks, where it learns.

B = images in a batch, C = channels, R = ranks
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from xzoo.train.ranks import Ranks

_signature = inspect.signature(F.batch_norm)


class Norms(TorchFunctionMode):
    """Inside of it every batch norm in train mode, whatever module it belongs to, sees the whole batch and not a rank's part.

    The function is taken over and not the module, so that names of tensors stay, subclasses keep what they do around it (timm's
    norms with an activation), and CPUs have it too, on which torch's SyncBatchNorm refuses to work. `num_calls` counts what the
    ranks did together: behind the first a pass cannot be tried again by one of them.
    """

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks
        self.num_calls = 0
        self.counts = True

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Take over `batch_norm` with statistics of the batch; everything else is itself."""
        if func is not F.batch_norm:
            return func(*args, **(kwargs or {}))
        asked = _signature.bind(*args, **(kwargs or {}))
        asked.apply_defaults()
        return self._normalised(**asked.arguments) if asked.arguments.pop("training") else func(*args, **(kwargs or {}))

    def _normalised(
        self,
        input: Tensor,  # noqa: A002 - torch's own name
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        momentum: float,
        eps: float,
    ) -> Tensor:
        self.num_calls += 1
        with torch.no_grad():
            mean_C, var_C, count = _statistics(input, self.ranks, counts=self.counts)
            if running_mean is not None and running_var is not None:
                running_mean.lerp_(mean_C.to(running_mean.dtype), momentum)
                running_var.lerp_((var_C * count / (count - 1)).to(running_var.dtype), momentum)
        return _Normalised.apply(input, weight, bias, (mean_C, var_C, count, eps), self.ranks, self.counts)  # type: ignore[no-any-return]


def _statistics(inputs: Tensor, ranks: Ranks, *, counts: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean (C,) and variance (C,) of all ranks' values, and how many there are of a channel.

    Means of parts and the spread around each are put together (Chan, Golub and LeVeque 1979, equation 2.1, for R parts): a mean
    of squares less the squared mean would lose the digits of channels far from 0.
    """
    var_C, mean_C = torch.var_mean(inputs.float(), _all_but_channels(inputs), correction=0)
    count = inputs.numel() // inputs.shape[1] if counts else 0
    own = torch.cat([mean_C, var_C, mean_C.new_full((1,), count)])
    all_RE = torch.stack(ranks.each(own)).double()
    channels = len(mean_C)
    means_RC, vars_RC, counts_R1 = all_RE[:, :channels], all_RE[:, channels : 2 * channels], all_RE[:, 2 * channels :]
    total = counts_R1.sum()
    mean = (counts_R1 * means_RC).sum(0) / total
    spread = (counts_R1 * (vars_RC + (means_RC - mean).square())).sum(0) / total
    return mean.float(), spread.float(), total.float()


class _Normalised(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight_C: Tensor | None,
        bias_C: Tensor | None,
        known: tuple[Tensor, Tensor, Tensor, float],
        ranks: Ranks,
        counts: bool,
    ) -> Tensor:
        mean_C, var_C, count, eps = known
        ctx.save_for_backward(inputs, weight_C, mean_C, (var_C + eps).rsqrt(), count)
        ctx.ranks, ctx.counts = ranks, counts
        return F.batch_norm(inputs, mean_C, var_C, weight_C, bias_C, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of what the whole batch was normalised by (https://arxiv.org/abs/1502.03167, section 3)."""
        inputs, weight_C, mean_C, scale_C, count = ctx.saved_tensors
        shape = [1, -1, *[1] * (inputs.dim() - 2)]
        grad, places = grad.float(), _all_but_channels(inputs)
        standard = (inputs.float() - mean_C.view(shape)) * scale_C.view(shape)
        own_2C = torch.stack([grad.sum(places), (grad * standard).sum(places)])
        all_2C = own_2C.clone()
        ctx.ranks.sum(all_2C)
        grad_inputs = None
        if ctx.needs_input_grad[0]:
            towards_C, along_C = (all_2C / count).unbind()
            grad_inputs = grad - towards_C.view(shape) - standard * along_C.view(shape)
            grad_inputs *= (scale_C if weight_C is None else scale_C * weight_C).view(shape)
            # A stand-in's own gradient is 0 and none of the batch's: what statistics owe to others ends here.
            grad_inputs = (grad_inputs if ctx.counts else grad_inputs.zero_()).to(inputs.dtype)
        grad_weight = own_2C[1] if ctx.needs_input_grad[1] else None
        return grad_inputs, grad_weight, own_2C[0] if ctx.needs_input_grad[2] else None, None, None, None


def _all_but_channels(inputs: Tensor) -> list[int]:
    return [0, *range(2, inputs.dim())]
