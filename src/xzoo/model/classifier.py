"""A backbone with a new head, and the only place that decides what learns.

B = images in a batch, C = channels, H, W = pixels, K = outputs
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from xzoo.errors import PluginError
from xzoo.model.heads import SeveralHeads, replace_head, run_after, seeded
from xzoo.model.modes import evaluating, refresh
from xzoo.model.ownership import AUXILIARY, HEAD, own_modules, own_tensors
from xzoo.zoo.spec import Auxiliary, Backbone, ReplaceSeveral


class _ReachedHeadError(Exception):
    """Ends a forward pass at the head; never leaves this module."""


@dataclass(eq=False)
class Classifier:
    """A network whose head has `num_outputs` outputs, with an owner (a stage, the head, an auxiliary) for each tensor and module.

    `auxiliary` lists the auxiliary heads that have a meaning: those that the weights did not leave out. `resting` names the
    parameters whose steps training found too small to change a float32. `shapes` are those of the inputs of several heads.
    """

    network: nn.Module
    backbone: Backbone
    num_outputs: int
    stages: tuple[str, ...]
    tensor_owner: Mapping[str, str]
    module_owner: Mapping[str, str]
    auxiliary: tuple[Auxiliary, ...] = ()
    resting: set[str] = field(default_factory=set)
    shapes: tuple[tuple[int, ...], ...] = ()

    def learn(self, rates: Mapping[str, float]) -> None:
        """Let the stages with a rate above 0, and the head, learn; freeze everything else, parameters and buffers."""
        learning = self.learning_owners(rates)
        refresh(self.network)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(self.tensor_owner[name] in learning)
        for name, module in self.network.named_modules():
            module.training = self.module_owner[name] in learning

    def learning_owners(self, rates: Mapping[str, float]) -> set[str]:
        """Return the owners that learn at these rates; auxiliary heads, there for the early stages, once all stages do."""
        owners = {HEAD, *(stage for stage in self.stages if rates.get(stage, 0.0) > 0)}
        return {*owners, AUXILIARY} if owners.issuperset(self.stages) and self.auxiliary else owners

    def redraw_head(self, seed: int) -> None:
        """Put a new head in the head's place, the one that a classifier built from `seed` has, on the same device."""
        device = next(self.head.parameters()).device
        with seeded(seed, "head"):
            replace_head(self.network, self.backbone.head, self.num_outputs, self.backbone.name)
        self.head.to(device)

    def parameters_of(self, owner: str) -> list[nn.Parameter]:
        """Return an owner's parameters in their registered order."""
        return [parameter for name, parameter in self.network.named_parameters() if self.tensor_owner[name] == owner]

    def outputs(self, images_BCHW: Tensor) -> tuple[Tensor, list[tuple[float, Tensor]]]:
        """Return logits (B,K) and, while auxiliary heads learn, each one's loss weight and logits."""
        out = self.network(images_BCHW)
        if isinstance(out, Tensor):
            return out, []
        if not self.backbone.auxiliary:
            raise PluginError(
                f"{self.backbone.name} returns {type(out).__name__}, not logits",
                "declare its auxiliary heads (auxiliary=...), or wrap the network so that it returns one tensor",
            )
        return out[0], [(used.weight, out[used.output]) for used in self.auxiliary]

    def __call__(self, images_BCHW: Tensor) -> Tensor:
        """Return logits (B,K)."""
        return self.outputs(images_BCHW)[0]

    def features(self, images_BCHW: Tensor) -> Tensor:
        """Return the head's input, as the network itself computes it; of several heads all inputs, flattened, side by side."""
        caught = _inputs_of_heads(self.network, self.backbone, images_BCHW)
        return torch.cat([each.flatten(1) for each in caught], 1) if self.shapes else caught[0]

    def logits_of(self, features: Tensor) -> Tensor:
        """Return logits (B,K) from features: the head and what the network does behind it."""
        return run_after(self.network, self.backbone.head.after, self.head(features))

    @property
    def head(self) -> nn.Module:
        """The module that was put in the head's place; one that holds all of several heads."""
        if isinstance(self.backbone.head, ReplaceSeveral):
            return SeveralHeads(self.network, self.backbone.head, self.shapes)
        return self.network.get_submodule(self.backbone.head.path)

    def num_learning(self, rates: Mapping[str, float]) -> int:
        """Count the parameters that learn at these rates."""
        learning = self.learning_owners(rates)
        return sum(p.numel() for name, p in self.network.named_parameters() if self.tensor_owner[name] in learning)

    def learnt(self, owners: set[str]) -> dict[str, Tensor]:
        """Return copies, on the CPU, of the tensors that these owners hold."""
        return {
            name: tensor.detach().to("cpu", copy=True).contiguous()
            for name, tensor in self.network.state_dict().items()
            if self.tensor_owner[name] in owners
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put tensors from `learnt` back."""
        state = self.network.state_dict()
        with torch.no_grad():
            for name, tensor in tensors.items():
                state[name].copy_(tensor)
        refresh(self.network)

    def batch_norms(self) -> Iterator[nn.Module]:
        """Yield the modules that keep running statistics."""
        return (module for module in self.network.modules() if isinstance(module, nn.modules.batchnorm._NormBase))


def build(
    network: nn.Module,
    backbone: Backbone,
    num_outputs: int,
    *,
    seed: int,
    size: tuple[int, int],
    left_out: Sequence[str] = (),
) -> Classifier:
    """Return a classifier on a copy of `network`, its heads drawn from `seed`. `size` is the input's height and width in pixels.

    `left_out` lists checkpoint keys that were not loaded: an auxiliary head among them is out of use. Raises PluginError where
    stages, head and auxiliaries do not cover every parameter exactly once.
    """
    network = copy.deepcopy(network)
    declared = backbone.stages(network) if callable(backbone.stages) else backbone.stages
    with seeded(seed, "head"):
        replace_head(network, backbone.head, num_outputs, backbone.name)
        for auxiliary in backbone.auxiliary:
            replace_head(network, auxiliary.head, num_outputs, backbone.name)
    in_use = tuple(a for a in backbone.auxiliary if not any(key.startswith(a.path + ".") for key in left_out))
    tensors = own_tensors(network, backbone, declared, in_use)
    return Classifier(
        network=network,
        backbone=backbone,
        num_outputs=num_outputs,
        stages=tuple(declared),
        tensor_owner=tensors,
        module_owner=own_modules(network, backbone, tuple(declared), tensors, size),
        auxiliary=in_use,
        shapes=_shapes_of_heads(network, backbone, size),
    )


def _inputs_of_heads(network: nn.Module, backbone: Backbone, images_BCHW: Tensor) -> list[Tensor]:
    """Return what each head is given, in the declared order; the forward pass ends when all have theirs."""
    caught: dict[str, Tensor] = {}

    def catch(_: nn.Module, inputs: tuple[Tensor, ...], path: str) -> None:
        caught[path] = inputs[0]
        if len(caught) == len(backbone.head.paths):
            raise _ReachedHeadError

    handles = [
        network.get_submodule(path).register_forward_pre_hook(functools.partial(catch, path=path)) for path in backbone.head.paths
    ]
    try:
        network(images_BCHW)
    except _ReachedHeadError:
        return [caught[path] for path in backbone.head.paths]
    finally:
        for handle in handles:
            handle.remove()
    missed = next(path for path in backbone.head.paths if path not in caught)
    raise PluginError(
        f"{backbone.name}: the forward pass never reaches its head {missed!r}", "name the module that gives the logits"
    )


def _shapes_of_heads(network: nn.Module, backbone: Backbone, size: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
    """Return the shapes of several heads' inputs, without the batch; nothing where there is one head."""
    if not isinstance(backbone.head, ReplaceSeveral):
        return ()
    parameter = next(network.parameters())
    image_BCHW = torch.zeros(1, backbone.preprocess.num_channels, *size, device=parameter.device, dtype=parameter.dtype)
    with evaluating(network), torch.no_grad():
        return tuple(tuple(each.shape[1:]) for each in _inputs_of_heads(network, backbone, image_BCHW))
