"""Who owns what: each tensor and module of a network belongs to one stage, the head, or an auxiliary head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from xzoo.errors import PluginError
from xzoo.model.modes import evaluating
from xzoo.zoo.spec import Auxiliary, Backbone, Stages

HEAD = "(head)"
AUXILIARY = "(auxiliary)"
UNUSED = "(unused)"


def own_tensors(network: nn.Module, backbone: Backbone, stages: Stages, in_use: Sequence[Auxiliary]) -> dict[str, str]:
    """Return the owner of every entry of the state dict. Raises PluginError where a parameter has none, or more than one."""
    claims = {**_claims(backbone, in_use), **{stage: (p,) if isinstance(p, str) else tuple(p) for stage, p in stages.items()}}
    owners: dict[str, str] = {}
    wrong: list[str] = []
    parameters = dict(network.named_parameters())
    for name in parameters:
        found = [owner for owner, prefixes in claims.items() if _claimed(name, prefixes)]
        if len(found) == 1:
            owners[name] = found[0]
        else:
            wrong.append(f"{name} ({' and '.join(found) or 'none'})")
    if wrong:
        raise PluginError(
            f"{backbone.name}: {len(wrong)} parameters are not in exactly one stage: {', '.join(wrong[:3])}",
            "correct `stages`: with the head and the auxiliaries they cover every parameter once",
        )
    empty = [stage for stage in stages if stage not in owners.values()]
    if empty:
        raise PluginError(f"{backbone.name}: stage {empty[0]!r} holds no parameter", f"correct its prefixes {claims[empty[0]]}")
    for name in network.state_dict():
        if name not in owners:
            found = [owner for owner, prefixes in claims.items() if _claimed(name, prefixes)]
            owners[name] = found[0] if found else _nearest(name, owners, tuple(stages))
    return owners


def own_modules(
    network: nn.Module, backbone: Backbone, stages: tuple[str, ...], tensor_owner: Mapping[str, str], size: tuple[int, int]
) -> dict[str, str]:
    """Return the owner of every module, by the order of a forward pass of one zero image (C,H,W) of height and width `size`.

    A module without tensors of its own, such as dropout, belongs to the stage before it in that order; a container belongs to the
    last stage inside it. The root of a network with auxiliary heads follows them, because its train mode is what calls them.
    """
    owners: dict[str, str] = {}
    current = stages[0]
    for name in _called(network, backbone, size):
        own = _own_tensor_owners(network, name, tensor_owner)
        if own:
            current = own[-1] if own[-1] in stages else current
            owners[name] = own[-1]
        else:
            # Called in several stages, it may only be in train mode once the first of them learns.
            owners.setdefault(name, current)
    for name, module in reversed(list(network.named_modules(remove_duplicate=False))):
        inside = [owners[f"{name}.{child}".lstrip(".")] for child, _ in module.named_children()]
        if inside or name not in owners:
            owners[name] = _container_owner(inside, _own_tensor_owners(network, name, tensor_owner), stages)
    owners.update(dict.fromkeys((n for n in owners if _claimed(n, backbone.head.paths)), HEAD))
    for auxiliary in backbone.auxiliary:
        owner = next(o for name, o in tensor_owner.items() if name.startswith(auxiliary.path + "."))
        owners.update(dict.fromkeys((n for n in owners if _claimed(n, (auxiliary.path,))), owner))
        owners[""] = owner
    return owners


def _claims(backbone: Backbone, in_use: Sequence[Auxiliary]) -> dict[str, tuple[str, ...]]:
    used = {auxiliary.path for auxiliary in in_use}
    return {
        HEAD: backbone.head.paths,
        AUXILIARY: tuple(used),
        UNUSED: tuple(auxiliary.path for auxiliary in backbone.auxiliary if auxiliary.path not in used),
    }


def _claimed(name: str, prefixes: Sequence[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def _nearest(buffer: str, owners: Mapping[str, str], stages: tuple[str, ...]) -> str:
    """Return the owner of the parameters in the closest module around a buffer, or the first stage."""
    around = buffer
    while "." in around:
        around = around.rpartition(".")[0]
        found = [owner for name, owner in owners.items() if name.startswith(around + ".")]
        if found:
            return found[0]
    return stages[0]


def _called(network: nn.Module, backbone: Backbone, size: tuple[int, int]) -> list[str]:
    """Return the names of modules in the order in which their forward passes begin."""
    order: list[str] = []
    handles = [
        module.register_forward_pre_hook(lambda _module, _inputs, name=name: order.append(name))
        for name, module in network.named_modules()
    ]
    parameter = next(network.parameters())
    try:
        with evaluating(network), torch.no_grad():
            network(torch.zeros(1, backbone.preprocess.num_channels, *size, device=parameter.device, dtype=parameter.dtype))
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        raise PluginError(
            f"{backbone.name} does not take one image of {backbone.preprocess.num_channels}x{size[0]}x{size[1]}: {error}",
            f"choose another size (its own is {backbone.preprocess.size}), or correct the declaration",
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    return order


def _own_tensor_owners(network: nn.Module, name: str, tensor_owner: Mapping[str, str]) -> list[str]:
    module = network.get_submodule(name)
    tensors = [*module._parameters, *(key for key in module._buffers if key not in module._non_persistent_buffers_set)]
    return [tensor_owner[f"{name}.{key}".lstrip(".")] for key in tensors if f"{name}.{key}".lstrip(".") in tensor_owner]


def _container_owner(inside: list[str], own: list[str], stages: tuple[str, ...]) -> str:
    """Return the last stage among what a container holds, else its head's or auxiliary's owner, else the first stage."""
    held = [*own, *inside]
    in_order = sorted((owner for owner in held if owner in stages), key=stages.index)
    if in_order:
        return in_order[-1]
    return held[-1] if held else stages[0]
