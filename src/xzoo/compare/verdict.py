"""Contenders held against each other on the images they both answered: what can be said of each pair, and on what it rests.

N = images
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from xzoo.compare.evidence import Answered, Evidence, weigh
from xzoo.compare.plan import MARGIN
from xzoo.compare.settling import settle
from xzoo.runs.result import CellResult, Comparison
from xzoo.runs.store import RunFolder
from xzoo.statistics.paired import holm

LEVEL = 0.05
AHEAD, EQUIVALENT, CANNOT_TELL = "ahead", "equivalent", "cannot tell"
GUESSING = "not distinguishable from guessing"
TEST = (
    "exact McNemar, by patient where groups are known; of several seeds the larger of twice the median p and the p over seeds "
    "and images together; Holm over all pairs"
)

Answers = Mapping[str, NDArray[np.generic]]


def compare(
    results: Sequence[CellResult],
    folder: RunFolder,
    split: str,
    *,
    groups_N: Sequence[str | None] = (),
    guessing: Collection[str] = (),
    margin: float = MARGIN,
    foresee: bool = True,
) -> tuple[Comparison, ...]:
    """Compare the accuracy of every two contenders on a split, seed by seed, where both answered the same images.

    `groups_N` are the patients of all images of the data, `guessing` the contenders that may be guessing, `foresee` asks what
    would settle a pair. Contenders without a seed of the same images are left out: their figures rest on different images.
    """
    done = [result for result in results if result.status == "done"]
    if len({result.contender for result in done}) < 2:
        return ()
    answers: dict[str, dict[int, Answered]] = {}
    images: dict[int, NDArray[np.int64]] = {}
    for result in done:
        found = answered(folder.predictions(result.id), split, groups_N)
        if np.array_equal(images.setdefault(result.seed, found.images_N), found.images_N):
            found = replace(found, images_N=images[result.seed])
        answers.setdefault(result.contender, {})[result.seed] = found
    return conclude(answers, split, guessing=guessing, margin=margin, foresee=foresee)


def conclude(
    answers: Mapping[str, Mapping[int, Answered]],
    split: str,
    *,
    guessing: Collection[str] = (),
    margin: float = MARGIN,
    foresee: bool = True,
) -> tuple[Comparison, ...]:
    """Return the verdict on every two of these contenders, by name and seed; tests and equivalences are adjusted by Holm."""
    pairs = list(itertools.combinations(answers, 2))
    found = {(a, b): one for a, b in pairs if (one := weigh(answers[a], answers[b], margin))}
    ps = holm([one.p for one in found.values()])
    ps_equivalent = holm([one.p_equivalent for one in found.values()])
    ranked = holm([one.ranking.p for one in found.values() if one.ranking and one.ranking.p is not None])
    left = iter(ranked)
    comparisons = []
    for ((a, b), one), p, p_equivalent in zip(found.items(), ps, ps_equivalent, strict=True):
        p_auroc = next(left) if one.ranking and one.ranking.p is not None else None
        words = _words(p, p_equivalent, {a, b} <= set(guessing))
        row = _comparison(a, b, split, one, (p, p_equivalent, p_auroc), margin)
        row = replace(row, verdict=words)
        if foresee and words == CANNOT_TELL:
            row = replace(row, **settle(one, margin, LEVEL / len(found)))
        comparisons.append(replace(row, rests_on=grounds(row, len(found))))
    return tuple(comparisons)


def answered(answers: Answers, split: str, groups_N: Sequence[str | None] = ()) -> Answered:
    """Return what a cell's predictions say of a split; an image without a patient is one of its own."""
    images_N = answers[f"{split}_index"].astype(np.int64)
    names = [groups_N[place] or f"\0{place}" for place in images_N] if any(groups_N) else None
    return Answered.of(
        images_N,
        answers[f"{split}_probabilities"].astype(np.float64),
        answers[f"{split}_labels"].astype(np.int64),
        None if names is None else np.array(names, dtype=np.str_),
    )


def is_ahead(comparisons: Sequence[Comparison], a: str, b: str) -> bool:
    """Whether a comparison says that contender `a` is ahead of `b`."""
    return (a, b) in leads(comparisons)


def leads(comparisons: Sequence[Comparison]) -> set[tuple[str, str]]:
    """Return the pairs (a, b) of contenders of which `a` is ahead of `b`."""
    told = [one for one in comparisons if one.verdict == AHEAD and abs(one.difference.value) > 0]
    return {(one.a, one.b) if one.difference.value > 0 else (one.b, one.a) for one in told}


def equivalence(comparisons: Sequence[Comparison], a: str, b: str) -> Comparison | None:
    """Return the comparison that shows two contenders to be equivalent, whether or not one of them is ahead by a little."""
    return next((one for one in comparisons if {one.a, one.b} == {a, b} and one.equivalent), None)


def grounds(one: Comparison, num_pairs: int) -> str:
    """Return the figures that a verdict rests on, in words."""
    told = f"difference {one.difference.value:+.3f}"
    if one.difference.low is not None and one.difference.high is not None:
        told += f" ({one.difference.low:+.3f} to {one.difference.high:+.3f})"
    after = f" after Holm over {num_pairs} pairs" if num_pairs > 1 else ""
    if one.verdict == GUESSING:
        return f"neither is above what guessing reaches; {told}"
    if one.verdict == EQUIVALENT and one.p_equivalent is not None:
        return f"{told}, p {one.p_equivalent:.3g}{after} of a difference of {one.margin:g} or more"
    told += "" if one.p_holm is None else f", p {one.p_holm:.3g}{after}"
    if one.verdict == AHEAD:
        within = f", yet within {one.margin:g} (p {one.p_equivalent:.3g})" if one.equivalent else ""
        return told + within
    return "; ".join([told, *_outlook(one)])


def _outlook(one: Comparison) -> list[str]:
    if one.detectable is None:
        return []
    least = f"differences from {one.detectable:.3f} on" if one.detectable < 1 else "no difference at all with these seeds"
    lines = [f"{one.difference.n} images find {least}, four times in five"]
    if one.more_images is not None:
        or_seeds = "" if one.more_seeds is None else f", or about {one.more_seeds} more seeds"
        lines.append(f"about {_rounded(one.more_images)} more images would settle it{or_seeds}")
    elif one.more_seeds is not None:
        lines.append(f"more images would not settle it, about {one.more_seeds} more seeds would")
    else:
        lines.append("no number of images in reach would settle it")
    return lines


def _words(p: float, p_equivalent: float, guess: bool) -> str:
    if guess:
        return GUESSING
    return AHEAD if p < LEVEL else EQUIVALENT if p_equivalent < LEVEL else CANNOT_TELL


def _comparison(
    a: str, b: str, split: str, one: Evidence, adjusted: tuple[float, float, float | None], margin: float
) -> Comparison:
    p, p_equivalent, p_auroc = adjusted
    return Comparison(
        a=a,
        b=b,
        split=split,
        metric="accuracy",
        difference=one.difference,
        test=TEST,
        p=one.p,
        p_holm=p,
        verdict="",
        seeds=one.seeds,
        deviation_of_images=one.combined.images_deviation,
        deviation_between_seeds=one.combined.between,
        margin=margin,
        p_equivalent=p_equivalent,
        equivalent=p_equivalent < LEVEL,
        auroc={"difference": one.ranking.difference, "p": one.ranking.p, "p_holm": p_auroc} if one.ranking else None,
    )


def _rounded(count: int) -> str:
    """Return a count to two figures, for it is a forecast."""
    places = 1 - math.floor(math.log10(max(1, count)))
    return f"{round(count, min(0, places)):,}"
