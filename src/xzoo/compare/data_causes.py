"""Causes that lie in the data: what crosses splits, wrong labels, few images, images that look otherwise.

N = images
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xzoo.audit.balance import NAMES as OF_SPLIT
from xzoo.audit.balance import half_width
from xzoo.audit.given import LEARNT
from xzoo.audit.noise import WORTH_TELLING, Noise
from xzoo.audit.outcome import ShiftRow
from xzoo.compare.cause import ALPHA, NO, UNCLEAR, YES, Cause, Known, ends
from xzoo.compare.crossing import Judged, Term, less, nothing, over
from xzoo.data.items import counted
from xzoo.runs.result import Measure

LEAST_LEAKED = 0.005
"""Leaked images below this share cannot move accuracy by more than half a point."""

WIDE = 0.10
"""A split whose accuracy is known to this or worse says little."""

HARDLY = 0.6
"""An AUROC between splits below this, for sure, is no shift to look for."""


def leakage(known: Known) -> Cause:
    """Images of validation or test that share a picture or a patient with what was learnt from; the drop hides behind them."""
    reading, told, figures = known.reading, [], {}
    for split in ("val", "test"):
        num, n = len(reading.leaked[split]), len(reading.parts.get(split, ()))
        figures[split] = {"leaked": num, "images": n}
        if num:
            told.append(f"{num} of {n} {OF_SPLIT[split]} images ({num / n:.1%}) show a picture or a patient of an earlier split")
    most = max((one["leaked"] / one["images"] for one in figures.values() if one["images"]), default=0.0)
    if not told:
        of_patients = "and no known patient lies" if known.reading.has_patients else "lies"
        unknown = "" if known.reading.has_patients else "; which images are of one patient is not known (--group)"
        return Cause("leakage", NO, f"no picture {of_patients} on two sides{unknown}", None, figures)
    effect = _without(known) if len(reading.leaked["test"]) else None
    text = "; ".join(told) + (f"; without them test accuracy would be {effect.value:.3f} lower" if effect else "")
    return Cause("leakage", YES if most >= LEAST_LEAKED else NO, text, effect and _turned(effect), figures)


def label_noise(known: Known) -> Cause:
    """Labels that the images' own features contradict where they are surest."""
    found = {side: one for side, one in known.reading.noise.items() if one.wrong or one.reason}
    figures = {
        side: {"wrong": one.wrong, "contradicted": one.contradicted, "ranking": one.ranking} for side, one in found.items()
    }
    noisy = [side for side, one in found.items() if one.is_there]
    if noisy:
        text = "; ".join(_noisy(side, found[side], known.ids) for side in noisy)
        return Cause("label-noise", YES, text, None, figures)
    learnt = found.get(LEARNT)
    if learnt is None or learnt.wrong is None:
        why = learnt.reason if learnt else "no image"
        return Cause("label-noise", UNCLEAR, f"labels of {LEARNT} cannot be judged: {why}", None, figures)
    is_clear = (learnt.wrong.high or 1.0) <= 2 * WORTH_TELLING or (
        learnt.contradicted and learnt.contradicted.value < WORTH_TELLING
    )
    text = f"wrong labels among {LEARNT}: {_share(learnt.wrong)}"
    return Cause("label-noise", NO if is_clear else UNCLEAR, text, None, figures)


def small_sample(known: Known) -> Cause:
    """A split of so few images that its accuracy may lie anywhere near."""
    sizes = {split: len(known.reading.parts.get(split, ())) for split in ("val", "test")}
    within = {split: half_width(n) for split, n in sizes.items() if n}
    told = [
        f"{counted(sizes[split], f'{OF_SPLIT[split]} image')}: an accuracy near 75% is known to ±{100 * reach:.0f} points"
        for split, reach in within.items()
        if reach > WIDE
    ]
    figures = {split: {"images": sizes[split], "accuracy_within": reach} for split, reach in within.items()}
    if told:
        return Cause("small-sample", YES, "; ".join(told), None, figures)
    told = [f"{OF_SPLIT[split]} accuracy is known to ±{100 * reach:.1f} points" for split, reach in within.items()]
    return Cause("small-sample", NO, ", ".join(told), None, figures)


def appearance_shift(known: Known) -> Cause:
    """Images of a class that look otherwise on test than on the splits that were learnt from and chosen on."""
    rows = [row for row in known.reading.shifts if row.second == "test"]
    figures = {row.first: {"auroc": row.appearance.auroc, "p": row.appearance_p_holm} for row in rows}
    halves = {one.split: one.auroc.value for one in known.reading.controls}
    there = [row for row in rows if row.appearance_p_holm < ALPHA]
    if there:
        text = "; ".join(_seen(row, known.reading.features, halves) for row in there)
        return Cause("appearance-shift", YES, text, None, figures)
    if not rows:
        return Cause("appearance-shift", UNCLEAR, "too few images to tell splits apart", None, figures)
    text = f"{known.reading.features} does not tell test images from others of their class: " + ", ".join(
        f"AUROC {ends(row.appearance.auroc)} against {OF_SPLIT[row.first]}" for row in rows
    )
    is_clear = any((row.appearance.auroc.high or 1.0) < HARDLY for row in rows)
    return Cause("appearance-shift", NO if is_clear else UNCLEAR, text, None, figures)


def _without(known: Known) -> Measure:
    """Return test accuracy less that of the images that did not leak."""

    def figure(one: Judged) -> Term:
        right_N = one.test.chances_NK.argmax(1) == one.test.labels_N
        kept_N = ~np.isin(one.test_places_N, known.reading.leaked["test"])
        everywhere = float(right_N.mean()), (right_N - right_N.mean()) / len(right_N)
        num = max(1, int(kept_N.sum()))
        share = float(right_N[kept_N].mean()) if kept_N.any() else everywhere[0]
        return less(everywhere, (share, kept_N * (right_N - share) / num))

    return over(known.seeds, nothing, figure)


def _turned(one: Measure) -> Measure:
    low, high = (None if end is None else -end for end in (one.low, one.high))
    return Measure(-one.value, high, low, one.n)


def _noisy(side: str, one: Noise, ids: Sequence[str]) -> str:
    assert one.wrong is not None
    assert one.contradicted is not None
    first = ", ".join(ids[place] for place in one.images[:3])
    told = f"about {_share(one.wrong)} of the labels of {side} are wrong: of the half that features are surest of "
    return f"{told}{one.contradicted.value:.1%} bear another label, {first} first"


def _seen(row: ShiftRow, features: str, halves: Mapping[str, float]) -> str:
    told = f"{features} tells test from {OF_SPLIT[row.first]} images of the same class: AUROC {ends(row.appearance.auroc)}"
    control = f", where halves of {OF_SPLIT[row.first]} give {halves[row.first]:.2f}" if row.first in halves else ""
    return f"{told}, p {row.appearance_p_holm:.2g}{control}"


def _share(one: Measure) -> str:
    assert one.low is not None
    assert one.high is not None
    return f"{one.value:.1%} ({one.low:.1%} to {one.high:.1%})"
