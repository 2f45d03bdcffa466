"""Whether the halves of a cut network do what the whole does.

B = images in a batch, K = outputs
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from xzoo.model.classifier import Classifier
from xzoo.model.heads import seeded

Arithmetic = Callable[[], AbstractContextManager[None]]
Half = Callable[[Tensor], Tensor]

ROW_TOLERANCE = 2**-6
"""How far a row of the boundary may depend on its batch, as a share of the largest value: rounding, bfloat16's included."""

DEVICE_TOLERANCE = 2**-6
"""How far the halves may differ from the whole where gradients are summed in no fixed order: everywhere but on a CPU."""


def difference(
    classifier: Classifier, learning: Collection[str], lower: Half, upper: Half, images_BCHW: Tensor, arithmetic: Arithmetic
) -> str:
    """Return what first tells the halves from the whole network, or nothing.

    Compared are, in train mode, logits, gradients and running statistics; in eval mode logits of one image more. On a CPU they
    must be equal bit for bit, elsewhere within DEVICE_TOLERANCE. A row of the boundary must be what its image
    gives alone.
    """
    more_BCHW = torch.cat([images_BCHW, images_BCHW[:1]])
    classifier.network.eval()
    with torch.no_grad(), arithmetic():
        whole_BK, halves_BK = classifier(more_BCHW), upper(lower(more_BCHW))
        boundary, alone = lower(images_BCHW), lower(images_BCHW[:1])
    if not _near(halves_BK, whole_BK):
        return "logits in eval mode"
    if not _near(alone, boundary[:1], ROW_TOLERANCE):
        return "an image's activations beside others"
    classifier.learn({stage: 1.0 for stage in classifier.stages if stage in learning})
    with arithmetic():
        boundary = lower(images_BCHW)
    halves = _step(classifier, lambda: upper(boundary), arithmetic)
    whole = _step(classifier, lambda: classifier(images_BCHW), arithmetic)
    for name in {**whole, **halves}:
        if name not in whole or name not in halves or not _near(halves[name], whole[name]):
            return name
    return ""


@contextlib.contextmanager
def left_as_it_was(classifier: Classifier) -> Iterator[None]:
    """Put back what a trial changes: tensors, gradients, modes, what learns, and the network's attributes."""
    network = classifier.network
    tensors = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    learns = {parameter: parameter.requires_grad for parameter in network.parameters()}
    modes = {module: module.training for module in network.modules()}
    try:
        with without_new_attributes(network):
            yield
    finally:
        classifier.restore(tensors)
        for parameter, is_learning in learns.items():
            parameter.grad = None
            parameter.requires_grad_(is_learning)
        for module, is_training in modes.items():
            module.training = is_training


@contextlib.contextmanager
def without_new_attributes(network: nn.Module) -> Iterator[None]:
    """Take away what recording a network adds to it: the constants it came across."""
    attributes = set(vars(network))
    try:
        yield
    finally:
        for name in set(vars(network)) - attributes:
            delattr(network, name)


def _step(classifier: Classifier, forward: Callable[[], Tensor], arithmetic: Arithmetic) -> Mapping[str, Tensor]:
    """Return logits, gradients and buffers of one pass in train mode, and put the buffers back."""
    network = classifier.network
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    network.zero_grad(set_to_none=True)
    with seeded("cut"), arithmetic():
        logits_BK = forward()
        # Every logit has a weight of its own, so that no gradient cancels by symmetry.
        weight_BK = torch.linspace(1, 2, logits_BK.numel(), device=logits_BK.device).view(logits_BK.shape)
        loss = (logits_BK.float() * weight_BK).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    found = {"logits in train mode": logits_BK.detach()}
    found |= {f"the gradient of {name}": p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}
    found |= {f"the buffer {name}": buffer.clone() for name, buffer in network.named_buffers()}
    with torch.no_grad():
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
    return found


def _near(one: Tensor, other: Tensor, tolerance: float | None = None) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if tolerance is None and one.device.type == "cpu":
        return torch.equal(one, other)
    bound = (DEVICE_TOLERANCE if tolerance is None else tolerance) * other.detach().float().abs().max()
    return bool(((one.float() - other.float()).abs() <= bound).all())
