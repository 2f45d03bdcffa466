"""A look at one batch before the first step: will something learn, and only what was promised?"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from xzoo.errors import PluginError, PreflightError
from xzoo.model.classifier import Classifier
from xzoo.model.heads import seeded
from xzoo.model.ownership import HEAD
from xzoo.train.deterministic import refusal
from xzoo.train.device import Device
from xzoo.train.learner import Learner
from xzoo.train.objective import Objective, total_loss
from xzoo.train.proof import snapshot
from xzoo.train.shortage import is_out_of_memory


def preflight(
    learner: Learner, inputs: Tensor, labels_B: Tensor, compute: Objective, rates: Mapping[str, float], device: Device
) -> None:
    """Run one batch forwards and backwards and leave the classifier as it was. Raises PreflightError with what to change."""
    classifier = learner.classifier
    name = classifier.backbone.name
    before = snapshot(classifier.network)
    classifier.learn(rates)
    _check_modes(classifier, rates, name)
    try:
        with seeded(0, "preflight"), device.arithmetic():
            logits_BO, auxiliary = _forward(learner, inputs, name)
            _check_logits(logits_BO, labels_B, classifier, name)
            loss = total_loss(compute, logits_BO, auxiliary, labels_B)
        _check_gradients(loss, classifier, rates, name)
    finally:
        classifier.network.zero_grad(set_to_none=True)
        classifier.restore(before)


def _forward(learner: Learner, inputs: Tensor, name: str) -> tuple[Tensor, list[tuple[float, Tensor]]]:
    try:
        return learner.outputs(inputs)
    except PluginError as error:
        raise PreflightError(error.text, error.remedy) from error
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        if is_out_of_memory(error):
            raise
        raise refusal(error, name) or PreflightError(
            f"{name} cannot take a batch of {'x'.join(map(str, inputs.shape))}: {error}",
            "choose another size (--set size=...), more images per batch, or correct the declaration",
        ) from error


def _check_modes(classifier: Classifier, rates: Mapping[str, float], name: str) -> None:
    learning = classifier.learning_owners(rates)
    wrong = [
        module_name
        for module_name, module in classifier.network.named_modules()
        if module.training
        and classifier.module_owner[module_name] not in learning
        and next(module.buffers(recurse=False), None) is not None
    ]
    if wrong:
        raise PreflightError(
            f"{name}: {len(wrong)} frozen modules with running statistics are left in train mode ({', '.join(wrong[:3])})",
            "put frozen modules in eval mode; requires_grad=False alone does not hold batch norm still",
        )


def _check_logits(logits_BO: Tensor, labels_B: Tensor, classifier: Classifier, name: str) -> None:
    if not isinstance(logits_BO, Tensor) or logits_BO.dim() != 2:
        shape = "x".join(map(str, logits_BO.shape)) if isinstance(logits_BO, Tensor) else type(logits_BO).__name__
        raise PreflightError(
            f"{name} gives {shape} in train mode, not plain logits (B,K)",
            "declare auxiliary heads, or what follows the head (after=...)",
        )
    expected = (len(labels_B), classifier.num_outputs)
    if tuple(logits_BO.shape) != expected:
        raise PreflightError(
            f"{name} gives {tuple(logits_BO.shape)} logits where {expected} are expected",
            "declare the head's path so that the layer which gives the class scores is replaced",
        )
    num_classes = max(2, classifier.num_outputs)
    if int(labels_B.min()) < 0 or int(labels_B.max()) >= num_classes:
        low, high = int(labels_B.min()), int(labels_B.max())
        raise PreflightError(
            f"labels run from {low} to {high}, and the head knows {num_classes} classes (0 to {num_classes - 1})",
            "build the classifier for as many classes as the data has",
        )


def _check_gradients(loss: Tensor, classifier: Classifier, rates: Mapping[str, float], name: str) -> None:
    try:
        loss.backward()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise refusal(error, name) or PreflightError(
            f"{name}: nothing learns: {error}",
            "let the head learn: its parameters need requires_grad=True, and build() must not switch gradients off",
        ) from error
    if not _has_gradient(classifier, HEAD):
        raise PreflightError(
            f"{name}: the head gets no gradient",
            f"check that {classifier.backbone.head.path!r} is on the way to the loss and is not frozen",
        )
    for stage in sorted(classifier.learning_owners(rates) - {HEAD}):
        if not _has_gradient(classifier, stage):
            raise PreflightError(
                f"{name}: stage {stage!r} should learn and gets no gradient",
                "check its prefixes, and that the forward pass uses it",
            )
    if not torch.isfinite(loss):
        raise PreflightError(
            f"{name}: the loss of the first batch is {float(loss.detach())}",
            "check the weights and the preprocessing; precision=fp32 tells whether bf16 is the cause",
        )


def _has_gradient(classifier: Classifier, owner: str) -> bool:
    return any(parameter.grad is not None for parameter in classifier.parameters_of(owner))
