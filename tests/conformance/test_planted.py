"""Planted defects, each written from a sentence of the contract, and the check that has to say no."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from xzoo.conformance.verdicts import FAILED, Verdict

Ask = Callable[[str, str], Verdict]

PLANTS = {
    # A declaration imports no torch, touches neither disk nor network, and is the same in every process.
    "planted-heavy": "declares-without-torch",
    "planted-nosy": "declares-offline",
    "planted-loud": "declares-quietly",
    "planted-slow": "declares-soon",
    "planted-restless": "declares-the-same",
    # The entry point's name is the backbone's name, or the family before the slash.
    "planted-lying": "declared",
    "planted-greedy/one": "declared",
    # Weights name their licence, their source with a hash, and what they were trained on.
    "planted-no-licence": "licence",
    "planted-no-hash": "source",
    "planted-no-dataset": "dataset",
    "planted-shares": "dataset",
    "planted-strategy": "words",
    "planted-excuse": "words",
    # build() returns the module with random weights and its published head, offline.
    "planted-still": "builds",
    "planted-in-double": "builds",
    "planted-from-disk": "builds-offline",
    "planted-once": "builds-anew",
    "planted-seeded": "start-by-seed",
    "planted-rolling": "start-by-seed",
    "planted-patched": "leaves-process",
    "planted-chatty": "quiet",
    "planted-deprecated": "quiet",
    # A head is everything from features to logits; a new one takes its place for any number of classes.
    "planted-head-path": "head-exists",
    "planted-head-kind": "head-exists",
    "planted-head-left": "logits-for-any-classes",
    "planted-head-short": "logits-for-any-classes",
    "planted-squeezed": "logits-for-any-classes",
    "planted-undeclared": "logits-for-any-classes",
    "planted-head-old": "head-by-seed",
    "planted-after": "head-of-features",
    "planted-faint": "head-of-features",
    "planted-softmax": "logits-plain",
    # Stages, in forward order, cover with the head every parameter exactly once, bare parameters included.
    "planted-bias": "stages-cover",
    "planted-twice": "stages-cover",
    "planted-typing-error": "stages-cover",
    "planted-order": "stages-in-order",
    "planted-late-norm": "stages-in-order",
    "planted-late-token": "stages-in-order",
    "planted-hoarding": "registered",
    "planted-bound": "registered",
    # One float image tensor in, of the declared channels and sizes.
    "planted-one-channel": "channels",
    "planted-one-eyed": "looks-at-images",
    "planted-bytes": "inputs-agree",
    "planted-halved": "preprocessing",
    "planted-too-small": "inputs-agree",
    "planted-any-size": "sizes",
    "planted-min-size": "sizes",
    "planted-fixed": "fixed-size",
    # Frozen means frozen, buffers included; a fixed extractor is a fixed function; what learns is what was said.
    "planted-drifting": "frozen",
    "planted-led-by-the-head": "frozen",
    "planted-led-from-behind": "last",
    "planted-decaying": "frozen",
    "planted-remembering": "frozen",
    "planted-counting": "eval-changes-nothing",
    "planted-dropping": "eval-repeats",
    "planted-of-the-batch": "alone-as-in-batch",
    "planted-centred": "alone-as-in-batch",
    "planted-scaling": "leaves-images",
    "planted-reusing": "leaves-images",
    "planted-dividing": "finite",
    "planted-stubborn": "modes",
    "planted-detached": "gradients",
    "planted-unused": "gradients",
    "planted-silenced": "gradients",
    "planted-path": "training-by-seed",
    "planted-backwards": "overfits",
    # Auxiliary heads stand where they are declared, and are no part of what is deployed.
    "planted-aux-swapped": "auxiliary-in-training",
    "planted-aux-in-eval": "auxiliary-out-of-use",
    "planted-aux-counted": "params",
    "planted-params": "params",
    "planted-flops": "gmacs",
    # State-dict keys stay the source's own; what was saved is what is loaded, on any device, in any engine.
    "planted-projecting": "round-trip",
    "planted-caching": "round-trip",
    "planted-tensors": "weights-fit",
    "planted-leave-out": "weights-fit",
    "planted-at-home": "devices",
    "planted-striding": "channels-last",
    "planted-mixing": "bfloat16",
    "planted-batch-of-two": "exports",
    "planted-sharing": "copyable",
    "planted-renaming": "keeps-keys",
    # Computing needs nothing but the images.
    "planted-reading": "computes-offline",
}


@pytest.mark.parametrize(("name", "check"), PLANTS.items(), ids=PLANTS.keys())
def test_a_planted_defect_is_caught_by_the_check_of_its_kind(name: str, check: str, ask: Ask) -> None:
    verdict = ask(name, check)
    assert verdict.status == FAILED
    assert all(fault.text and fault.change for fault in verdict.faults)
