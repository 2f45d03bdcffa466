"""The head of a network, found by its own classifier API, and the few networks that go on behind it in a way of their own."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xzoo
from xzoo_timm.observe import Calls

if TYPE_CHECKING:
    from torch import Tensor, nn


def first_token(tokens_BNK: Tensor) -> Tensor:
    """Return what stands at the first place: attention pooling answers for every place and keeps this one."""
    return tokens_BNK[:, 0]


def by_stage(network: Any, outputs: Sequence[Tensor]) -> Tensor:
    """Return the answers of EfficientViM's heads, one per stage, weighed as the network has learnt.

    Distilled networks have twice as many, and answer with the mean of both halves.
    """
    answers: list[Tensor] = []
    for weights, at in ((network.weights, 0), (getattr(network, "weights_dist", None), len(network.heads))):
        if weights is not None:
            shares = weights.softmax(-1)
            total = shares[0] * outputs[at]
            for number in range(1, len(shares)):
                total = total + shares[number] * outputs[at + number]
            answers.append(total)
    return answers[0] if len(answers) == 1 else (answers[0] + answers[1]) / 2


@dataclass(frozen=True)
class Override:
    """What observing a family's networks does not show, and why.

    `late` are bare parameters of the last stage, `side` is the size in pixels at which the networks are observed.
    """

    reason: str
    arguments: tuple[tuple[str, Any], ...] = ()
    leave_out: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    side: int = 0
    join: Callable[[nn.Module, Sequence[Tensor]], Tensor] | None = None


OVERRIDES: Mapping[str, Override] = {
    "volo": Override(
        "Its second head answers for every token, for training with a label per token, and is optional in timm: with it the "
        "features of one image are all tokens, 75,000 numbers instead of 384.",
        arguments=(("use_aux_head", False),),
        leave_out=("aux_head",),
    ),
    "efficientvim": Override(
        "One head per stage; the network weighs their answers by parameters that stand behind all of them.",
        late=("weights", "weights_dist"),
        join=by_stage,
    ),
    "sequencer": Override(
        "Without memory an LSTM goes through its sequence step by step in Python: 16 seconds for images of 224 pixels.", side=64
    ),
}
"""By timm's module, which holds networks of one kind."""

NOTHING = Override("")


def observed_heads(module: Any) -> list[str]:
    """Return the layers whose outputs are the classes, in the order of their names: what `reset_classifier` takes away.

    It may take away more, such as a norm in front; that stays, as it does where timm itself loads weights for other classes. The
    module is not changed. Raises ValueError where there is no classifier.
    """
    from torch import nn

    if not hasattr(module, "reset_classifier"):
        raise ValueError(f"{type(module).__name__} has no classifier")
    before = dict(module.named_modules())
    after = copy.deepcopy(module)
    kept = {name: id(part) for name, part in after.named_modules()}
    after.reset_classifier(2)
    still = {name for name, part in after.named_modules() if kept.get(name) == id(part)}
    return [
        name
        for name, part in before.items()
        if name not in still and isinstance(part, (nn.Linear, nn.Conv2d)) and part.weight.shape[0] == module.num_classes
    ]


def after_head(heads: Sequence[str], calls: Calls) -> str:
    """Return what the network does behind its one head, told by shapes: "", "flatten" or "first token"."""
    given = calls.shapes[heads[0]]
    if len(heads) > 1 or len(given) == len(calls.output):
        return ""
    return "first token" if len(given) == 3 else "flatten"


def declared_head(row: Mapping[str, Any]) -> xzoo.ReplaceLinear | xzoo.ReplaceConv | xzoo.ReplaceSeveral:
    """Return the declaration of the heads of a row of the catalogue."""
    one = xzoo.ReplaceConv if row.get("conv") else xzoo.ReplaceLinear
    steps: Mapping[str, str | Callable[[Tensor], Tensor]] = {"flatten": "flatten", "first token": first_token}
    paths = row["heads"]
    if len(paths) == 1:
        return one(paths[0], (steps[row["after"]],) if row.get("after") else ())
    join = OVERRIDES.get(row["family"], NOTHING).join
    parts = tuple(one(path) for path in paths)
    return xzoo.ReplaceSeveral(parts) if join is None else xzoo.ReplaceSeveral(parts, join)
