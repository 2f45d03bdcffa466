"""`xzoo compare --accuracies`: what can be said of accuracies alone, without predictions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xzoo.compare import verdict
from xzoo.compare.evidence import Answered
from xzoo.compare.plan import MARGIN, check_margin
from xzoo.compare.verdict import AHEAD, CANNOT_TELL, GUESSING, LEVEL
from xzoo.errors import UsageError
from xzoo.runs.result import Comparison, Measure
from xzoo.statistics.disagreement import extremes
from xzoo.statistics.intervals import wilson
from xzoo.statistics.paired import holm, mcnemar_exact

SCHEMA = "xzoo.accuracies/1"
ASK = "give the predictions of both (xzoo compare --predictions a.csv b.csv), or --disagreements ONLY_A,ONLY_B"
_FORM = "write RIGHT/IMAGES or PERCENT%/IMAGES, such as 290/400 or 72.5%/400, and NAME= before it if you like"
_WORD = re.compile(r"(?:(?P<name>[^=]+)=)?(?P<share>\d+(?:\.\d+)?)(?P<percent>%?)/(?P<n>\d+)")


@dataclass(frozen=True)
class Possible:
    """One table of disagreements that the accuracies allow: images that A alone and B alone got right, and the exact p."""

    only_a: int
    only_b: int
    p: float
    p_holm: float


@dataclass(frozen=True, kw_only=True)
class MarginalModel:
    """An accuracy with its interval, and whether it can be told from guessing."""

    id: str
    right: int
    accuracy: Measure
    guessing: bool


@dataclass(frozen=True, kw_only=True)
class MarginalPair:
    """Two accuracies on the same images: the fewest and the most disagreements they allow, and what follows from both."""

    a: str
    b: str
    difference: float
    fewest: Possible
    most: Possible
    verdict: str
    rests_on: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class AccuraciesOutcome:
    """The answer to `xzoo compare --accuracies`. `comparisons` holds tests, where disagreements were given."""

    schema: str = SCHEMA
    images: int
    guess: float
    contenders: Sequence[MarginalModel]
    pairs: Sequence[MarginalPair]
    comparisons: Sequence[Comparison]


def compare_accuracies(
    accuracies: Sequence[str], *, disagreements: tuple[int, int] | None = None, guess: float = 0.5, margin: float = MARGIN
) -> AccuraciesOutcome:
    """Return what accuracies on the same images say of each other; each is `[NAME=]RIGHT/IMAGES` or `[NAME=]PERCENT%/IMAGES`.

    `disagreements` are the images that the first alone and the second alone of two got right; without them the answer is a range
    over all that the accuracies allow. `guess` is the share that answering without looking reaches: that of the largest class.
    Raises UsageError.
    """
    check_margin(margin)
    if not 0 < guess < 1:
        raise UsageError(
            f"guessing {guess:g} of the images right is no share", "give the share of the largest class, such as 0.5"
        )
    right, n = _read(accuracies)
    models = [_model(name, count, n, guess) for name, count in right.items()]
    guessing = [one.id for one in models if one.guessing]
    if disagreements is None:
        return AccuraciesOutcome(images=n, guess=guess, contenders=models, pairs=_pairs(right, n, guessing), comparisons=())
    answers = _answers(right, n, disagreements)
    comparisons = verdict.conclude(answers, "given", guessing=guessing, margin=margin)
    return AccuraciesOutcome(images=n, guess=guess, contenders=models, pairs=(), comparisons=comparisons)


def _read(accuracies: Sequence[str]) -> tuple[dict[str, int], int]:
    found = [_parsed(word) for word in accuracies]
    sizes = {n for _, _, n in found}
    if len(sizes) > 1:
        raise UsageError(
            f"the accuracies are of {' and '.join(map(str, sorted(sizes)))} images", "compare accuracies on the same images"
        )
    if len({name for name, _, _ in found}) < len(found):
        raise UsageError("two accuracies have one name", "write NAME= before each")
    if not found:
        raise UsageError("no accuracy is given", _FORM)
    return {name: right for name, right, _ in found}, sizes.pop()


def _parsed(word: str) -> tuple[str, int, int]:
    match = _WORD.fullmatch(word.strip())
    if match is None:
        raise UsageError(f"{word!r} is no accuracy", _FORM)
    n, share = int(match["n"]), float(match["share"])
    exact = share * n / 100 if match["percent"] else share
    right = round(exact)
    # A percentage is as exact as it is written: 54.5% of 400 may stand for any count that rounds to it.
    slack = 0.5 * 10 ** -len(match["share"].partition(".")[2]) * n / 100 if match["percent"] else 0.0
    if not 0 <= right <= n or n < 1 or abs(exact - right) > slack + 1e-9:
        raise UsageError(f"{word!r} is no whole number of right answers among {n} images", _FORM)
    return match["name"] or f"{word.strip()}", right, n


def _model(name: str, right: int, n: int, guess: float) -> MarginalModel:
    low, high = wilson(right, n)
    return MarginalModel(id=name, right=right, accuracy=Measure(right / n, low, high, n), guessing=low <= guess)


def _pairs(right: Mapping[str, int], n: int, guessing: Sequence[str]) -> list[MarginalPair]:
    names = list(itertools.combinations(right, 2))
    tables = [extremes(right[a], right[b], n) for a, b in names]
    found = []
    ps = [[mcnemar_exact(*pair[end]) for pair in tables] for end in (0, 1)]
    adjusted = [holm(one) for one in ps]
    for place, (a, b) in enumerate(names):
        few, many = (Possible(*tables[place][end], ps[end][place], adjusted[end][place]) for end in (0, 1))
        found.append(_pair((a, b), (right[a] - right[b]) / n, few, many, {a, b} <= set(guessing)))
    return found


def _pair(names: tuple[str, str], difference: float, few: Possible, many: Possible, guess: bool) -> MarginalPair:
    disagree = f"{few.only_a + few.only_b} to {many.only_a + many.only_b} images"
    told = f"difference {difference:+.4f}; they may disagree on {disagree}, which gives p {few.p_holm:.3g} to {many.p_holm:.3g}"
    if guess:
        word, told, remedy = (
            GUESSING,
            f"neither is above what guessing reaches; {told}",
            "train longer, or look for what went wrong",
        )
    elif many.p_holm < LEVEL:
        word, remedy = AHEAD, ""
    else:
        word, remedy = (
            CANNOT_TELL,
            ASK if few.p_holm < LEVEL else "test on more images: no predictions on these would tell them apart",
        )
    return MarginalPair(
        a=names[0], b=names[1], difference=difference, fewest=few, most=many, verdict=word, rests_on=told, remedy=remedy
    )


def _answers(right: Mapping[str, int], n: int, disagreements: tuple[int, int]) -> dict[str, dict[int, Answered]]:
    """Return answers with these counts: two classes, all images of the first."""
    if len(right) != 2:
        raise UsageError(f"--disagreements speaks of two accuracies, not of {len(right)}", "compare two at a time")
    (name_a, right_a), (name_b, right_b) = right.items()
    only_a, only_b = disagreements
    both, (fewest, most) = right_a - only_a, extremes(right_a, right_b, n)
    if only_a - only_b != right_a - right_b or not fewest[0] <= only_a <= most[0]:
        raise UsageError(
            f"{only_a} and {only_b} disagreements do not fit {right_a} and {right_b} right answers among {n} images",
            f"their difference is {right_a - right_b}, and there are {sum(fewest)} to {sum(most)} of them",
        )
    counts = (both, only_a, only_b, n - both - only_a - only_b)
    outcomes = ([True, True, False, False], [True, False, True, False])
    return {
        name: {0: Answered.of(np.arange(n), np.eye(2)[np.where(np.repeat(one, counts), 0, 1)], np.zeros(n, np.int64))}
        for name, one in zip((name_a, name_b), outcomes, strict=True)
    }
