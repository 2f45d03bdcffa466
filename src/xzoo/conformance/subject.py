"""One backbone under examination, and what its checks share: each thing made once, when a check first asks for it.

B = images in a batch, C = channels, H, W = pixels, K = outputs
"""

from __future__ import annotations

import contextlib
import functools
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from xzoo.conformance import anatomy, passes, surroundings
from xzoo.conformance.images import draw, enliven
from xzoo.conformance.sharing import Kept, shared
from xzoo.conformance.verdicts import BlockedError, InapplicableError
from xzoo.conformance.watching import Heard, watched
from xzoo.errors import PluginError
from xzoo.model import classifier as classifiers
from xzoo.model import cost
from xzoo.model.classifier import Classifier
from xzoo.model.heads import seeded
from xzoo.zoo import isolation
from xzoo.zoo.patches import patches
from xzoo.zoo.registry import Registry
from xzoo.zoo.spec import Backbone, Choice, Preprocess, Stages

NUM_IMAGES, NUM_OUTPUTS = 3, 5
PATIENT = isolation.Limits(seconds=90.0)
"""For a fresh interpreter on a machine that has much else to do; how long declaring takes is judged by another check."""

SMALL = 64
"""Pixels of the images where a network takes any size: its last stage still sees more than one place."""

GROUNDS = ("builds", "head-exists", "stages-cover")
"""The checks without which nothing can be said of what a classifier does."""


@dataclass(frozen=True, eq=False)
class Built:
    """What is kept of a network as `build()` returns it: its structure without memory, and what can be told of its tensors."""

    skeleton: nn.Module
    fingerprints: Mapping[str, str]
    hidden: tuple[str, ...]
    dtypes: Mapping[str, torch.dtype]
    stuck: tuple[str, ...]


class Subject:
    """A backbone, named or as a value, and whatever checks have made of it. `failed` are checks that say no."""

    def __init__(self, wanted: str | Backbone, failed: Collection[str] = ()) -> None:
        self.wanted = wanted
        self.failed = set(failed)
        self.heard: list[Heard] = []
        self.kept = Kept()
        self.hollow: dict[tuple[str, tuple[int, int]], tuple[FakeTensorMode, nn.Module]] = {}
        self._spare: nn.Module | None = None

    @contextlib.contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Notice what is done inside beside the work, for the checks that judge it."""
        with watched(what) as heard, surroundings.kept() as changed:
            self.heard.append(heard)
            heard.changed = changed
            yield

    @shared
    def choice(self) -> Choice:
        """What the registry makes of the name."""
        if isinstance(self.wanted, str):
            # What hangs, or ends the interpreter, has ended a fresh one first, and is not tried on this.
            _ = self.declared
        return Registry.installed().get(self.wanted)

    @property
    def backbone(self) -> Backbone:
        """The declaration."""
        return self.choice.backbone

    @property
    def preprocess(self) -> Preprocess:
        """The input of the weights that the backbone starts from where nothing else is said."""
        return self.backbone.weights[0].preprocess if self.backbone.weights else self.backbone.preprocess

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that checks use: small where the network takes them."""
        declared = self.preprocess.shape
        if self.backbone.fixed_size:
            return declared
        side = max(self.backbone.min_size, min(SMALL, *declared))
        return side, side

    @shared
    def images_BCHW(self) -> Tensor:  # noqa: N802
        """Images of the size that checks use."""
        return draw(NUM_IMAGES, self.preprocess.num_channels, self.size)

    @shared
    def training_images_BCHW(self) -> Tensor:  # noqa: N802
        """Images to train on: others, since statistics that follow the same images again do not move."""
        return draw(NUM_IMAGES, self.preprocess.num_channels, self.size, seed=1)

    @shared
    def declared(self) -> Mapping[str, Any]:
        """What a fresh interpreter tells of the declaration. Raises InapplicableError for one that was made in Python."""
        if not isinstance(self.wanted, str):
            raise InapplicableError("it was made in Python, so that nothing has to be found or imported")
        ending = isolation.run("xzoo.conformance.declaring:declare", {"wanted": self.wanted}, PATIENT)
        if ending.fault:
            raise PluginError(f"asked for its declaration, {self.wanted} {ending.fault}", "declare values, and do nothing else")
        answer: dict[str, Any] = {}
        for one in ending.answers:
            answer |= one
        return answer

    def build(self, number: int = 0) -> nn.Module:
        """Return a new network, drawn as `@random:number`."""
        if "builds" in self.failed and self.kept.current != "builds":
            raise BlockedError("builds")
        with self.during("build()"), seeded(number, "start"):
            network = self.backbone.build()
        if not isinstance(network, nn.Module):
            raise PluginError(
                f"build() returns {type(network).__name__}, not a torch.nn.Module", "return the network from build()"
            )
        return network

    def _first(self) -> nn.Module:
        """Return a network from a build() that imports nothing: what others' modules do on import is no doing of this one's."""
        before = set(sys.modules)
        network = self.build()
        own = _home(self.backbone.build)
        if all(name.partition(".")[0] == own for name in set(sys.modules) - before):
            return network
        heard = self.heard[-1]
        heard.touched[:] = [what for what in heard.touched if "network" in what]
        with warnings.catch_warnings():
            # Looking at a name of torch's may be answered with its deprecation.
            warnings.simplefilter("ignore")
            heard.changed = [f"replaces {name}" for name in patches(own, before)] if own else []
        heard.warned.clear()
        return self.build()

    @shared
    def built(self) -> Built:
        """The network of `@random`, as it comes from `build()`."""
        network = self._first()
        stuck = [f"{name} in train mode after eval()" for name, one in network.eval().named_modules() if one.training]
        stuck += [f"{name} in eval mode after train()" for name, one in network.train().named_modules() if not one.training]
        self._spare = network
        return Built(
            skeleton=anatomy.copied(network, lambda tensor: torch.empty_like(tensor, device="meta")),
            fingerprints=anatomy.fingerprints(network),
            hidden=tuple(name for name, _ in anatomy.hidden(network)),
            dtypes={name: tensor.dtype for name, tensor in network.named_parameters()},
            stuck=tuple(stuck),
        )

    def gmacs(self, size: tuple[int, int]) -> float:
        """Return the multiply-accumulates, in 10^9, of one image of this size."""
        try:
            return cost.gmacs(self.built.skeleton, size, self.preprocess.num_channels)
        except Exception:  # a forward that looks at values cannot run without them
            return cost.gmacs(self.build(), size, self.preprocess.num_channels)

    @shared
    def stages(self) -> Stages:
        """The declared stages: names to prefixes."""
        declared = self.backbone.stages
        if not callable(declared):
            return declared
        with self.during("stages()"):
            try:
                return declared(self.built.skeleton)
            except Exception:  # a function that looks at values cannot do without them
                return declared(self.build())

    def classifier(self, number: int = 0, num_outputs: int = NUM_OUTPUTS) -> Classifier:
        """Return a new classifier as it starts from `@random:number`."""
        self.rest_on_grounds()
        network = self.build(number)
        with self.during("replacing the head"):
            return classifiers.build(network, self.backbone, num_outputs, seed=number, size=self.size)

    def rest_on_grounds(self) -> None:
        """Raise BlockedError where a check has failed without which there is no classifier."""
        for ground in GROUNDS:
            if ground in self.failed and ground != self.kept.current:
                raise BlockedError(ground)

    @shared
    def alive(self) -> Classifier:
        """A classifier in whose network nothing is 0 by its start, in eval mode."""
        self.rest_on_grounds()
        _ = self.built
        network, self._spare = self._spare or self.build(), None
        with self.during("replacing the head"):
            classifier = classifiers.build(network, self.backbone, NUM_OUTPUTS, seed=0, size=self.size)
        with self.during("a pass in train mode"):
            enliven(classifier, self.images_BCHW)
        return classifier

    @shared
    def seen(self) -> passes.Seen:
        """A pass of all images in eval mode."""
        alive = self.alive
        with self.during("a pass in eval mode"):
            return passes.look(alive, self.images_BCHW)

    @shared
    def alone(self) -> passes.Seen:
        """A pass of the first image alone in eval mode."""
        alive = self.alive
        with self.during("a pass of one image in eval mode"):
            return passes.look(alive, self.images_BCHW[:1])

    @shared
    def uses(self) -> anatomy.Uses:
        """What a pass of one image in eval mode computes with, and in which order."""
        network = self.alive.network
        uses = anatomy.Uses(network)
        with torch.no_grad(), uses:
            network(self.images_BCHW[:1])
        return uses

    @shared
    def trained(self) -> passes.Trained:
        """A pass in train mode and back."""
        alive = self.alive
        with self.during("a pass in train mode"):
            return passes.step_back(alive, self.images_BCHW)


def _home(build: Callable[[], nn.Module]) -> str:
    """Return the package in which build() is written."""
    written = build.func if isinstance(build, functools.partial) else build
    return str(getattr(written, "__module__", "")).partition(".")[0]
