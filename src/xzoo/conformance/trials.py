"""Whether a network takes images of a size, found out without computing anything where it allows that.

B = images in a batch, C = channels, H, W = pixels
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from xzoo.conformance import anatomy
from xzoo.conformance.images import draw
from xzoo.conformance.subject import Subject
from xzoo.model.heads import replace_head


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Images to try a network with. `num_outputs` 0 leaves the published head."""

    size: tuple[int, int]
    num_channels: int
    num_outputs: int = 0
    batch: int = 2
    training: bool = False
    device: str = "cpu"


def attempt(on: Subject, trial: Trial) -> Any:
    """Return what the network gives, tensors without values. Raises what the network raises."""
    try:
        return without_values(on, trial)
    except Exception as error:  # a forward that looks at values cannot run without them, and may raise anything
        return _with_values(on, trial, error)


def without_values(on: Subject, trial: Trial) -> Any:
    """Return what the network gives for tensors without values, on a device that need not be here."""
    mode, network = _hollow(on, trial)
    with mode, torch.no_grad(), _unlogged(), heads_kept(on, network):
        if trial.num_outputs:
            with torch.device(trial.device):
                replace_heads(on, network, trial.num_outputs)
        return network.train(trial.training)(torch.empty(trial.batch, trial.num_channels, *trial.size, device=trial.device))


def _hollow(on: Subject, trial: Trial) -> tuple[FakeTensorMode, nn.Module]:
    """Return the network as it is built, without values; the same for trials of one device and size, one after the other."""
    skeleton, key = on.built.skeleton, (trial.device, trial.size)
    if key not in on.hollow:
        mode = FakeTensorMode(allow_non_fake_inputs=True)

        def empty(tensor: Tensor) -> Tensor:
            return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=trial.device)

        with mode:
            network = anatomy.copied(skeleton, empty)
        on.hollow.clear()
        on.hollow[key] = (mode, network)
    return on.hollow[key]


@contextlib.contextmanager
def _unlogged() -> Iterator[None]:
    """Keep torch from logging, with a traceback, what is raised anyway."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    was, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = was


def replace_heads(on: Subject, network: nn.Module, num_outputs: int) -> None:
    """Put new heads in, as a classifier does."""
    replace_head(network, on.backbone.head, num_outputs, on.backbone.name)
    for auxiliary in on.backbone.auxiliary:
        replace_head(network, auxiliary.head, num_outputs, on.backbone.name)


def _with_values(on: Subject, trial: Trial, cause: Exception) -> Any:
    """Return what the network gives for drawn images, put back as it was. Raises `cause` where there is no classifier to try."""
    try:
        network = on.alive.network
    except Exception:
        raise cause from None
    images_BCHW = draw(trial.batch, trial.num_channels, trial.size)
    with torch.no_grad(), _as_it_is(on, network, trial):
        return network(images_BCHW)


@contextlib.contextmanager
def _as_it_is(on: Subject, network: nn.Module, trial: Trial) -> Iterator[None]:
    """Put the heads and modes of a trial in, and take them out again with all that the trial has changed."""
    tensors = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    try:
        with heads_kept(on, network):
            if trial.num_outputs:
                replace_heads(on, network, trial.num_outputs)
            network.train(trial.training)
            yield
    finally:
        network.load_state_dict(tensors)
        network.eval()


@contextlib.contextmanager
def heads_kept(on: Subject, network: nn.Module) -> Iterator[None]:
    """Put the network's heads back that the block replaces."""
    paths = (*on.backbone.head.paths, *(auxiliary.head.path for auxiliary in on.backbone.auxiliary))
    heads = {path: network.get_submodule(path) for path in paths}
    try:
        yield
    finally:
        for path, head in heads.items():
            parent, _, last = path.rpartition(".")
            setattr(network.get_submodule(parent), last, head)
