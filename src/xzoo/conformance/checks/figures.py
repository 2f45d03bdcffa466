"""Published figures, held against what is counted."""

from __future__ import annotations

from collections.abc import Iterator

from xzoo.conformance.check import check
from xzoo.conformance.subject import Subject
from xzoo.conformance.verdicts import Fault, InapplicableError
from xzoo.model import cost

_ROUNDED = 0.0006
_SHARE = 0.005


@check
def params(on: Subject) -> Iterator[Fault]:
    """Declared parameters are those of the network as it is deployed, with its published head and without auxiliary heads."""
    backbone = on.backbone
    if backbone.params is None:
        raise InapplicableError("no number of parameters is declared")
    counted = cost.count_params(on.built.skeleton, [one.path for one in backbone.auxiliary])
    if counted != backbone.params:
        yield Fault(f"the network has {counted:,} parameters, and {backbone.params:,} are declared", f"params={counted}")


@check
def gmacs(on: Subject) -> Iterator[Fault]:
    """Declared multiply-accumulates are those counted at the declared size, within half a percent or their last decimal."""
    declared = on.backbone.gmacs
    if declared is None:
        raise InapplicableError("no multiply-accumulates are declared")
    counted = on.gmacs(on.preprocess.shape)
    decimals = len(f"{declared!r}".partition(".")[2]) if "e" not in f"{declared!r}" else 9
    if abs(counted - declared) > max(_SHARE * counted, min(_ROUNDED, 0.6 * 10.0**-decimals)):
        size = " x ".join(map(str, on.preprocess.shape))
        yield Fault(
            f"{counted:.4f} GMACs are counted at {size}, and {declared} are declared",
            f"gmacs={counted:.3g}: 10^9 multiply-accumulates of convolutions and matrix products, of one image",
        )
