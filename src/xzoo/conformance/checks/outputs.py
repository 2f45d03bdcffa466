"""Features, head and logits."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from xzoo.conformance import anatomy
from xzoo.conformance.check import check
from xzoo.conformance.numerics import ROUNDING, deviation
from xzoo.conformance.subject import NUM_OUTPUTS, Subject
from xzoo.conformance.trials import Trial, attempt, heads_kept
from xzoo.conformance.verdicts import Fault
from xzoo.zoo.spec import ReplaceHead
from xzoo.zoo.wording import told

CLASSES = (1, 2, 3, 14, 1000)
_CASES = ((2, True), (1, False), (2, False))
FACTOR = 8.0
"""A power of two, so that scaling a head by it rounds nothing."""


@check
def logits_for_any_classes(on: Subject) -> Iterator[Fault]:
    """With a head for 1, 2, 3, 14 or 1000 classes the network gives (B,K) in train and in eval mode, for one image too."""
    size, num_channels = on.size, on.preprocess.num_channels
    for num_outputs in CLASSES:
        for batch, training in _CASES[: 3 if num_outputs == 1 else 2]:
            trial = Trial(size=size, num_channels=num_channels, num_outputs=num_outputs, batch=batch, training=training)
            try:
                answer = attempt(on, trial)
            except Exception as error:
                given = told(error)
            else:
                answer = answer[0] if training and on.backbone.auxiliary and isinstance(answer, tuple | list) else answer
                given = f"({', '.join(map(str, answer.shape))})" if isinstance(answer, Tensor) else type(answer).__name__
            if given != f"({batch}, {num_outputs})":
                mode = "train" if training else "eval"
                yield Fault(
                    f"{batch} images and {num_outputs} classes give {given} in {mode} mode, not ({batch}, {num_outputs})",
                    f"head={_shown(on)}: name the module that gives the logits, and after=(...) what follows it",
                )
                break


@check
def logits_plain(on: Subject) -> Iterator[Fault]:
    """Logits are float32 numbers of any size: nothing squashes or normalises them behind the head."""
    answer = on.seen.answer
    if not isinstance(answer, Tensor):
        yield Fault(f"in eval mode the network returns {type(answer).__name__}", "wrap the network so that it returns its logits")
        return
    if answer.dtype != torch.float32:
        yield Fault(f"logits are {answer.dtype}", "compute the head in float32")
    logits_BK = answer.double()
    sums_B, logsums_B = logits_BK.sum(1), logits_BK.logsumexp(1)
    line = "take the last activation out of forward(), or out of after=(...): losses and probabilities are xzoo's own work"
    if bool((logits_BK >= 0).all()) and bool((sums_B - 1).abs().max() < 1e-4):
        yield Fault("the rows of the output sum to 1, as probabilities do", line)
    elif bool(logsums_B.abs().max() < 1e-4):
        yield Fault("the output is the logarithm of probabilities", line)
    declared = on.backbone.head
    if any(isinstance(part, ReplaceHead) for part in getattr(declared, "parts", (declared,))):
        return
    head, features = on.alive.head, on.seen.features
    with torch.no_grad():
        before = on.alive.logits_of(features)
        for parameter in head.parameters():
            parameter.mul_(FACTOR)
        after = on.alive.logits_of(features)
        for parameter in head.parameters():
            parameter.div_(FACTOR)
    off = deviation(after, before * FACTOR)
    if off > ROUNDING:
        yield Fault(
            f"a head {FACTOR:g} times as strong gives logits that are off by {off:.1e} from {FACTOR:g} times as large", line
        )


@check
def head_of_features(on: Subject) -> Iterator[Fault]:
    """Features are the head's input, one row per image, and the head of them, with what is declared after it, is the output."""
    seen, alive = on.seen, on.alive
    for path, count in seen.head_calls.items():
        if count != 1:
            yield Fault(f"a forward pass calls {path} {count} times", f"head={_shown(on)}: name a module that is called once")
            return
    with torch.no_grad():
        features = alive.features(on.images_BCHW)
        if len(features) != len(on.images_BCHW):
            yield Fault(f"features have {len(features)} rows for {len(on.images_BCHW)} images", "keep one row per image")
        if deviation(features, seen.features) > ROUNDING:
            yield Fault("features are others when the pass ends at the head", "catch no exceptions in forward()")
        try:
            logits = alive.logits_of(seen.features)
        except Exception as error:
            yield Fault(f"what is declared after the head fails: {told(error)}", f"head={_shown(on)}, after=(...)")
            return
    off = deviation(logits, seen.answer)
    if off > ROUNDING:
        given = (
            f"gives {tuple(logits.shape)}"
            if isinstance(seen.answer, Tensor) and logits.shape != seen.answer.shape
            else f"is off by {off:.1e}"
        )
        yield Fault(
            f"the head of the features {given}, where the network gives {tuple(getattr(seen.answer, 'shape', ()))}",
            f"head={_shown(on)}, after=(...): all that stands between features and logits, and nothing beside it",
        )


@check
def finite(on: Subject) -> Iterator[Fault]:
    """Features and logits are finite, also those of a black and of a white image."""
    num_channels = on.preprocess.num_channels
    flat_BCHW = torch.tensor([-2.0, 2.0]).view(2, 1, 1, 1).expand(2, num_channels, *on.size).contiguous()
    with torch.no_grad():
        flat_BK = on.alive.network(flat_BCHW)
    found = {"features": on.seen.features, "logits": on.seen.answer, "logits of a black and a white image": flat_BK}
    for what, tensor in found.items():
        if isinstance(tensor, Tensor) and not bool(torch.isfinite(tensor).all()):
            yield Fault(f"{what} are not finite", "divide by nothing that can be 0: add an epsilon in forward()")


@check
def looks_at_images(on: Subject) -> Iterator[Fault]:
    """Features differ from image to image, and every channel has a part in them."""
    seen, images_BCHW = on.seen, on.images_BCHW
    for place in range(1, len(seen.features)):
        if torch.equal(seen.features[0], seen.features[place]):
            yield Fault("two unlike images have the same features", "let forward() use the images that it is given")
            break
    num_channels = images_BCHW.shape[1]
    changed_BCHW = images_BCHW[:1].repeat(num_channels, 1, 1, 1)
    for channel in range(num_channels):
        changed_BCHW[channel, channel] = images_BCHW[1, channel]
    with torch.no_grad():
        features = on.alive.features(changed_BCHW)
    blind = [channel for channel in range(num_channels) if deviation(features[channel], on.alone.features[0]) <= ROUNDING]
    if blind:
        yield Fault(
            f"features do not depend on channel {', '.join(map(str, blind))} of {num_channels}",
            "declare as many means and stds in Preprocess as the network looks at channels",
        )


@check
def head_by_seed(on: Subject) -> Iterator[Fault]:
    """A new head follows the seed: the same seed draws the same, another seed another."""
    drawn = []
    with heads_kept(on, on.alive.network):
        for seed in (0, 0, 1):
            with on.during("replacing the head"):
                on.alive.redraw_head(seed)
            drawn.append(anatomy.fingerprints(on.alive.head))
        constant = all(bool((one == one.flatten()[0]).all()) for one in on.alive.head.parameters() if one.numel())
    line = f"head={_shown(on)}: make a new layer, whose weights torch draws"
    if drawn[0] != drawn[1]:
        yield Fault("with the same seed a new head starts otherwise", line)
    if drawn[0] == drawn[2] and not constant:
        yield Fault("with another seed a new head starts the same", line)


def _shown(on: Subject) -> str:
    head = on.backbone.head
    return f"xzoo.{type(head).__name__}({head.path!r}{', ...' if isinstance(head, ReplaceHead) else ''})"


assert NUM_OUTPUTS not in CLASSES
