"""Batch norms folded into the convolutions before them, for networks that only infer."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

_LEAVES = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, _BatchNorm)
# timm's convolution pads its input by the input's size and then does what torch's does; its norm has an activation behind it.
_TIMM_CONVOLUTION, _TIMM_NORM = "Conv2dSame", "BatchNormAct2d"


class Fused(nn.Module):
    """A network in which `num_folded` batch norms are gone; it computes what the one it was made from does, up to rounding."""

    def __init__(self, network: nn.Module, num_folded: int) -> None:
        super().__init__()
        self.network = network
        self.num_folded = num_folded

    def forward(self, *inputs: Any) -> Any:
        """Return the network's output."""
        return self.network(*inputs)


class _Tracer(fx.Tracer):
    """Stops at layers that may be folded, subclasses included, and at heads that keep to float32."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, _LEAVES) or getattr(m, "in_float32", False) or super().is_leaf_module(m, module_qualified_name)


def fused(module: nn.Module) -> Fused:
    """Return a copy in eval mode with each batch norm folded that is the only reader of a convolution.

    What reads what is taken from torch.fx; a network that it cannot follow comes back as it was, with nothing folded.
    """
    module = copy.deepcopy(module).eval().requires_grad_(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = fx.GraphModule(module, _Tracer().trace(module))
    except Exception:  # whatever a stranger's forward raises when it meets a proxy in place of a tensor
        return Fused(module, 0).eval()
    num_folded = sum([_fold(traced, node) for node in list(traced.graph.nodes)])
    traced.graph.eliminate_dead_code()
    traced.delete_all_unused_submodules()
    traced.recompile()
    return Fused(traced, num_folded).eval()


@torch.no_grad()
def _fold(traced: fx.GraphModule, node: fx.Node) -> bool:
    """Fold the batch norm that `node` calls into the convolution before it, and say whether that was possible."""
    norm, before = _called(traced, node), node.args[0] if node.args else None
    if not isinstance(before, fx.Node) or list(before.users) != [node] or not isinstance(norm, _BatchNorm):
        return False
    convolution = _called(traced, before)
    if not isinstance(convolution, nn.Conv2d) or not _is_plain(convolution, norm):
        return False
    folded = fuse_conv_bn_eval(convolution, norm).requires_grad_(False)
    # Under a name of its own: a convolution that is called elsewhere too, or whose weight is read, stays there as it was.
    before.target = f"folded_{node.name}"
    traced.add_submodule(before.target, nn.Sequential(folded, *_behind(norm)))
    node.replace_all_uses_with(before)
    traced.graph.erase_node(node)
    return True


def _called(traced: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return traced.get_submodule(str(node.target)) if node.op == "call_module" else None


def _is_plain(convolution: nn.Conv2d, norm: _BatchNorm) -> bool:
    """Say whether both compute what their names say, from weights and statistics that are fixed."""
    is_known = type(convolution) is nn.Conv2d or _is_timm(convolution, _TIMM_CONVOLUTION)
    is_known &= type(norm) is nn.BatchNorm2d or _is_timm(norm, _TIMM_NORM)
    has_statistics = norm.running_mean is not None and norm.running_var is not None
    hooks = [one for part in (convolution, norm) for one in (part._forward_pre_hooks, part._forward_hooks) if one]
    return is_known and has_statistics and not hooks


def _is_timm(module: nn.Module, name: str) -> bool:
    return type(module).__name__ == name and type(module).__module__.startswith("timm.layers.")


def _behind(norm: nn.Module) -> list[nn.Module]:
    """Return what a norm of timm does after it has normalised."""
    return [part for name in ("drop", "act") if (part := getattr(norm, name, None)) is not None]
