"""The promise of a freeze strategy, held against the whole state dict, both ways."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import torch
from torch import Tensor, nn

from xzoo.errors import ProofError
from xzoo.runs.result import Proof

_MOVES_WITH_ITS_STAGE = ("running_mean", "running_var", "num_batches_tracked")


def snapshot(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of every tensor of the state dict, on its device."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def moved(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> set[str]:
    """Return the names of tensors that are not bit for bit what they were."""
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def prove(
    before: Mapping[str, Tensor],
    network: nn.Module,
    owner_of: Mapping[str, str],
    learning: Iterable[str],
    resting: Collection[str] = (),
) -> Proof:
    """Compare a network with what it was, given who owns each tensor and which owners were to learn.

    A learning owner's parameters and running statistics must have moved; its other buffers are free. The rest must not have.
    Parameters in `resting` are excused from moving.
    """
    learning = set(learning)
    changed = moved(before, network.state_dict())
    parameters = {name for name, _ in network.named_parameters()}
    must_move = {
        name
        for name in before
        if owner_of[name] in learning
        and (name in parameters or name.rpartition(".")[2] in _MOVES_WITH_ITS_STAGE)
        and before[name].numel()
    }
    return Proof(
        should_stay_moved=tuple(sorted(name for name in changed if owner_of[name] not in learning)),
        should_learn_did_not=tuple(sorted(must_move - changed - set(resting))),
    )


def below_resolution(before: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, network: nn.Module) -> set[str]:
    """Return the parameters that the optimiser holds with a gradient, and whose step is too small to change any of their values.

    A step of at most 2^-24 of a float32 is half the distance to its neighbour, or less, and is rounded away. Adam's first step is
    lr * g / (|g| + eps), SGD's lr * g.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    found = set()
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            gradient = parameter.grad
            if group["lr"] > 0 and gradient is not None and bool(gradient.any()):
                size = gradient.abs() / (gradient.abs() + group["eps"]) if "betas" in group else gradient.abs()
                name = names[id(parameter)]
                if bool((group["lr"] * size <= before[name].abs() * 2**-24).all()):
                    found.add(name)
    return found


def not_reached_yet(optimizer: torch.optim.Optimizer, network: nn.Module) -> set[str]:
    """Return the parameters that the optimiser holds with a gradient of 0 everywhere.

    A residual branch that ends in a scale of 0 at its start (https://arxiv.org/abs/1706.02677, section 5.1) gets none in the
    first step; from the second on it does.
    """
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"] if group["lr"] > 0}
    return {
        name
        for name, parameter in network.named_parameters()
        if id(parameter) in held and parameter.grad is not None and not bool(parameter.grad.any())
    }


def demand(proof: Proof, when: str) -> Proof:
    """Return the proof where it holds, else raise ProofError."""
    if proof.holds:
        return proof
    stay, learn = proof.should_stay_moved, proof.should_learn_did_not
    parts = [
        f"{len(stay)} frozen tensors moved ({', '.join(stay[:3])})" if stay else "",
        f"{len(learn)} tensors that should learn did not ({', '.join(learn[:3])})" if learn else "",
    ]
    raise ProofError(
        f"{when}: {' and '.join(part for part in parts if part)}",
        "check the plugin's stages and build(): what no gradient reaches belongs to no stage that learns; "
        "or raise lr, which may be too small to change anything",
    )
