"""Whose work the network and its weights are, and whether the words of the declaration mean something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from xzoo.conformance import check as kit
from xzoo.conformance.check import check
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault
from xzoo.errors import UsageError
from xzoo.zoo.spec import Weights
from xzoo.zoo.strategies import parse

_EMPTY = {"", "todo", "tbd", "fixme", "unknown", "none", "n/a", "na", "...", "…", "?", "xxx", "licence", "license", "dataset"}
_LICENCE = re.compile(r"[A-Za-z0-9][\w.+\-]*( (AND|OR|WITH) [A-Za-z0-9][\w.+\-]*)*")
_HASH = re.compile(r"[0-9a-fA-F]{8,64}")


@check
def licence(on: Subject) -> Iterator[Fault]:
    """Published weights name their licence, and a network without any names its own."""
    named = {f"the weights {one.name}": one.licence for one in on.backbone.weights} or {"the backbone": on.backbone.licence}
    if on.backbone.licence:
        named["the backbone"] = on.backbone.licence
    for what, word in named.items():
        if _is_empty(word) or not _LICENCE.fullmatch(word.strip()):
            yield Fault(
                f"{what} has the licence {word!r}", 'licence="Apache-2.0", or another identifier of https://spdx.org/licenses'
            )


@check
def source(on: Subject) -> Iterator[Fault]:
    """Published weights say where they come from and what they hash to, and a network without any what it is."""
    for weights in on.backbone.weights:
        yield from _source_of(weights)
    if not on.backbone.weights and not (on.backbone.paper or on.backbone.summary):
        yield Fault("nothing says what this network is", 'summary="...", or paper="https://..."')
    if on.backbone.paper and not re.match(r"https?://\S+$", on.backbone.paper):
        yield Fault(f"paper is {on.backbone.paper!r}, which is no address", 'paper="https://..."')


def _source_of(weights: Weights) -> Iterator[Fault]:
    what = f"the weights {weights.name}"
    if weights.url and not re.match(r"https?://[^/\s]+/\S+$", weights.url):
        yield Fault(f"{what} come from {weights.url!r}, which is no address", f'Weights("{weights.name}", url="https://...")')
    if weights.hf and not re.fullmatch(r"[\w.\-]+/[\w.\-]+(@[\w.\-/]+)?(/\S+)?", weights.hf):
        yield Fault(f"{what} come from {weights.hf!r}, which is no file on the hub", 'hf="owner/repository/file"')
    if weights.url and not weights.sha256:
        yield Fault(
            f"nothing tells whether the file of {what} is the published one", 'sha256="..." of the file, or its first 8 letters'
        )
    if weights.sha256 and not _HASH.fullmatch(weights.sha256):
        yield Fault(f"{what} have the sha256 {weights.sha256!r}", "8 to 64 hexadecimal letters")


@check
def dataset(on: Subject) -> Iterator[Fault]:
    """Published weights say what they were trained on, and their accuracies are percentages of it."""
    for weights in on.backbone.weights:
        if _is_empty(weights.trained_on):
            yield Fault(f"the weights {weights.name} do not say what they were trained on", 'trained_on="ImageNet-1k"')
        scores = [score for score in (weights.top1, weights.top5) if score is not None]
        if scores != sorted(scores) or any(not 0 < score <= 100 or score <= 1 for score in scores):
            yield Fault(
                f"the weights {weights.name} have top1={weights.top1} and top5={weights.top5}",
                "percentages of what was right: top1=69.758, top5=89.078",
            )


@check
def words(on: Subject) -> Iterator[Fault]:
    """Strategy, renaming patterns, names of stages and expected failures are words that xzoo understands."""
    backbone = on.backbone
    try:
        parse(backbone.freeze)
    except UsageError as error:
        yield Fault(error.text, f'freeze="frozen"; {error.remedy}')
    for pattern, replacement in backbone.rename:
        try:
            re.sub(pattern, replacement, "")
        except (re.error, IndexError) as error:
            yield Fault(f"rename: {pattern!r} to {replacement!r} is no substitution: {error}", 'rename=[(r"^old\\.", "new.")]')
    known = {one.name for one in kit.checks()}
    for failure in backbone.expected_failures:
        if failure.check not in known:
            yield Fault(f"expected_failures names {failure.check!r}, which is no check", "the names stand in docs/conformance.md")
        if _is_empty(failure.reason) or not re.match(r"https?://\S+$", failure.link):
            yield Fault(
                f"the expected failure of {failure.check!r} has the reason {failure.reason!r} and the link {failure.link!r}",
                'ExpectedFailure("check", "one sentence", "https://... where the network\'s project discusses it")',
            )


@check
def inputs_agree(on: Subject) -> Iterator[Fault]:
    """Declared inputs agree: sizes with min_size and fixed_size, channels with each other, means with pixels from 0 to 1."""
    backbone = on.backbone
    inputs = {"the backbone": backbone.preprocess, **{f"the weights {one.name}": one.preprocess for one in backbone.weights}}
    for what, preprocess in inputs.items():
        if any(not 0 <= mean <= 1 for mean in preprocess.mean) or max(preprocess.std) > 1:
            yield Fault(
                f"{what} declare the means {preprocess.mean} and deviations {preprocess.std}, of pixels that run from 0 to 1",
                "mean=(0.485, 0.456, 0.406), not 123.7 and the like",
            )
        if min(preprocess.shape) < backbone.min_size:
            yield Fault(
                f"{what} take images of {preprocess.shape[0]} x {preprocess.shape[1]}, and min_size is {backbone.min_size}",
                f"min_size={min(preprocess.shape)}, or another size in Preprocess",
            )
    shapes = {preprocess.shape for preprocess in inputs.values()}
    if backbone.fixed_size and len(shapes) > 1:
        yield Fault(
            f"fixed_size says that one size works, and {len(shapes)} are declared: {', '.join(map(str, sorted(shapes)))}",
            "declare the backbone once per size, each under a name of its own, or fixed_size=False",
        )
    channels = set(chain.from_iterable([one.num_channels] for one in inputs.values()))
    if len(channels) > 1:
        yield Fault(f"weights take images of {sorted(channels)} channels", "declare a backbone per number of channels")


def _is_empty(word: str) -> bool:
    return word.strip().lower() in _EMPTY
