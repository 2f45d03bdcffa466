"""A network cut in two at the freeze boundary: the part that stays as it is, and the part that learns.

torch.fx records the way from images to logits. Modules that lie whole on one side are steps of it, so that they keep their own
code, modes and random draws; only modules that hold something of both sides are looked into.

B = images in a batch, K = outputs
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from xzoo.model.classifier import Classifier
from xzoo.model.cut_check import Arithmetic, difference, left_as_it_was, without_new_attributes
from xzoo.model.ownership import HEAD


@dataclass(frozen=True, eq=False)
class Cut:
    """`lower` turns images (B,C,H,W) into the boundary tensor (B,...), without gradients; `upper` turns that into logits (B,K).

    Both work on the classifier's own modules: what trains `upper` trains the classifier, and modes are the classifier's. `place`
    names the step whose output the boundary tensor is.
    """

    place: str
    lower: Callable[[Tensor], Tensor]
    upper: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class NoCut:
    """Why a network cannot be cut, for a person to read."""

    reason: str


class _NoCutError(Exception):
    """Carries a reason out of a step; never leaves this module."""


def cut(
    classifier: Classifier, learning: Collection[str], images_BCHW: Tensor, arithmetic: Arithmetic = contextlib.nullcontext
) -> Cut | NoCut:
    """Cut a classifier below the owners that are `learning`, stages and the head, and leave it as it was.

    The halves are tried on the images, at least two, under `arithmetic`, and must give what the whole network gives (`difference`
    says what that means).
    """
    if set(classifier.stages) <= set(learning):
        return NoCut("every stage learns")
    with left_as_it_was(classifier):
        try:
            found = _at_the_head(classifier) if set(learning) == {HEAD} else _below(classifier, learning, images_BCHW, arithmetic)
            differing = difference(classifier, learning, found.lower, found.upper, images_BCHW, arithmetic)
        except torch.OutOfMemoryError:
            raise
        except _NoCutError as refusal:
            return NoCut(str(refusal))
        except Exception as error:  # any network may come here, and one that cannot be cut is trained whole
            return NoCut(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")
    return NoCut(f"{differing}: not what the whole network gives") if differing else found


def _at_the_head(classifier: Classifier) -> Cut:
    """Return the cut that every backbone declares: its head and what stands behind it."""

    def features(images_BCHW: Tensor) -> Tensor:
        with torch.no_grad():
            return classifier.features(images_BCHW)

    return Cut(f"the input of {classifier.backbone.head.path}", features, classifier.logits_of)


def _below(classifier: Classifier, learning: Collection[str], images_BCHW: Tensor, arithmetic: Arithmetic) -> Cut:
    network, sides = classifier.network, _sides(classifier, learning)
    graph = _recorded(classifier, learning, sides)
    with torch.no_grad(), arithmetic():
        rows = _steps_with_rows(network, graph, images_BCHW)
    boundary = _boundary(graph, _upper(graph, classifier, learning, sides), rows)
    below, above = fx.GraphModule(network, _up_to(boundary)), fx.GraphModule(network, _behind(boundary))

    def lower(images_BCHW: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = below(images_BCHW)
        return found

    return Cut(str(boundary.target) if boundary.op == "call_module" else boundary.name, lower, above)


class _Tracer(fx.Tracer):
    """Looks only into modules that hold something of both sides."""

    proxy_buffer_attributes = True

    def __init__(self, one_sided: Collection[nn.Module]) -> None:
        super().__init__()
        self.one_sided = one_sided

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether the module lies whole on one side."""
        del module_qualified_name
        return m in self.one_sided


def _sides(classifier: Classifier, learning: Collection[str]) -> Mapping[str, set[bool]]:
    """Return, per module, whether what it holds learns: both answers for one with something of both sides."""
    sides: dict[str, set[bool]] = {}
    for owner_of in (classifier.tensor_owner, classifier.module_owner):
        for name, owner in owner_of.items():
            parts = name.split(".")
            for length in range(len(parts) + 1):
                sides.setdefault(".".join(parts[:length]), set()).add(owner in learning)
    return sides


def _recorded(classifier: Classifier, learning: Collection[str], sides: Mapping[str, set[bool]]) -> fx.Graph:
    """Return the way from images to logits, which has to be the same in train and in eval mode."""
    modules = dict(classifier.network.named_modules())
    tracer = _Tracer({module for name, module in modules.items() if name and len(sides[name]) == 1})
    for name, module in modules.items():
        module.training = classifier.module_owner[name] in learning
    # Without gradients, so that what is worked out from a parameter while recording lacks one, and is found out by the trial.
    with torch.no_grad():
        with without_new_attributes(classifier.network):
            in_train_mode = str(tracer.trace(classifier.network))
        classifier.network.eval()
        graph = tracer.trace(classifier.network)
    if str(graph) != in_train_mode:
        raise _NoCutError("a module with frozen and learning parts does something else in train mode")
    return graph


def _steps_with_rows(network: nn.Module, graph: fx.Graph, images_BCHW: Tensor) -> set[fx.Node]:
    """Return the steps that give one floating-point tensor with a row per image."""
    interpreter = fx.Interpreter(network, garbage_collect_values=False, graph=graph)
    interpreter.run(images_BCHW)
    return {
        node
        for node, value in interpreter.env.items()
        if isinstance(value, Tensor) and value.is_floating_point() and value.dim() and len(value) == len(images_BCHW)
    }


def _upper(graph: fx.Graph, classifier: Classifier, learning: Collection[str], sides: Mapping[str, set[bool]]) -> set[fx.Node]:
    """Return the steps that learn or rest on one that does."""
    found: set[fx.Node] = set()
    for node in graph.nodes:
        target = str(node.target)
        learns = (node.op == "call_module" and True in sides[target]) or (
            node.op == "get_attr" and classifier.tensor_owner.get(target) in learning
        )
        if learns or found.intersection(node.all_input_nodes):
            found.add(node)
    return found


def _boundary(graph: fx.Graph, upper: Collection[fx.Node], rows: Collection[fx.Node]) -> fx.Node:
    """Return the last step below that every way from the images to what learns goes through."""
    nodes: list[fx.Node] = list(graph.nodes)
    images = next(node for node in nodes if node.op == "placeholder")
    for node in reversed(nodes):
        if node in rows and node not in upper and node is not images and not _reached(images, node).intersection(upper):
            return node
    raise _NoCutError("no single tensor stands between what is frozen and what learns")


def _reached(start: fx.Node, closed: fx.Node) -> set[fx.Node]:
    """Return the steps that rest on `start` when `closed` gives nothing on."""
    found, waiting = set(), [start]
    while waiting:
        node = waiting.pop()
        if node not in found and node is not closed:
            found.add(node)
            waiting += node.users
    return found


def _up_to(boundary: fx.Node) -> fx.Graph:
    """Return the steps that the boundary rests on."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    needed = _needed(boundary)
    for node in boundary.graph.nodes:
        if node in needed or node.op == "placeholder":
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[boundary])
    return graph


def _behind(boundary: fx.Node) -> fx.Graph:
    """Return the steps from the boundary on, in their order; tensors of the network itself are fetched where they are needed."""
    graph = fx.Graph()
    copies = {boundary: graph.placeholder("boundary")}
    below = _needed(boundary)
    for node in boundary.graph.nodes:
        is_below = node.op == "placeholder" or (node in below and node.op != "get_attr")
        if not is_below and all(one in copies for one in node.all_input_nodes):
            copies[node] = graph.node_copy(node, copies.__getitem__)
    if not any(node.op == "output" for node in graph.nodes):
        raise _NoCutError("what learns rests on more than the boundary")
    graph.eliminate_dead_code(lambda node: node.op != "get_attr")
    return graph


def _needed(node: fx.Node) -> set[fx.Node]:
    """Return a step and all that it rests on."""
    found, waiting = set(), [node]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += one.all_input_nodes
    return found
