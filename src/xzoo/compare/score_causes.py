"""Causes that lie in training and in scores: overfitting, a moved threshold, other shares of classes, ranking that was lost."""

from __future__ import annotations

from xzoo.compare.cause import ALPHA, NO, UNCLEAR, YES, Cause, Known, ends, points
from xzoo.compare.fit import LEARNING, OVERFITTING, SETTLED
from xzoo.compare.plan import MARGIN
from xzoo.runs.result import Measure


def overfitting(known: Known) -> Cause:
    """Training that went on after validation stopped gaining by it."""
    fit, gap = known.fit, known.fit.get("accuracy_gap")
    figures = {name: fit.get(name) for name in ("verdict", "change", "rise", "accuracy_gap", "loss_gap")}
    learnt = f"; train accuracy is {gap['value']:.3f} ({gap['low']:.3f} to {gap['high']:.3f}) above validation's" if gap else ""
    words = {
        OVERFITTING: (YES, "the validation loss rose before training ended, by more than images and epochs make it"),
        SETTLED: (NO, "the validation loss settled"),
        LEARNING: (NO, "the validation loss still fell when training ended: it was too short, not too long"),
    }
    verdict, text = words.get(fit.get("verdict", ""), (UNCLEAR, "the curves are too short or too restless to say"))
    return Cause("overfitting", verdict, text + learnt, None, figures)


def moved_threshold(known: Known) -> Cause:
    """Scores that lie higher, or lower, on test whatever the class, so that the threshold no longer stands between them."""
    drop = known.drop
    figures = {"moved": drop.moved, "p": drop.moved_p, "class": known.classes[drop.moved_class]}
    part = f"answering at test's own threshold would give back {points(drop.threshold)}"
    if drop.moved is None or drop.moved_p is None:
        return Cause("moved-threshold", UNCLEAR, "a class has too few images", drop.threshold, figures)
    if drop.moved_p < ALPHA:
        side = "higher" if drop.moved.value > 0 else "lower"
        text = f"scores for {known.classes[drop.moved_class]} lie {side} on test within classes (p {drop.moved_p:.2g}); "
        return Cause("moved-threshold", YES, text + part, drop.threshold, figures)
    return Cause(
        "moved-threshold", _absent(drop.threshold), f"scores did not move (p {drop.moved_p:.2g}); {part}", drop.threshold, figures
    )


def prevalence(known: Known) -> Cause:
    """Classes that have other shares on test, where some classes are easier than others."""
    drop = known.drop
    text = f"test's shares of classes cost {points(drop.prevalence)} (p of equal shares {drop.prevalence_p:.2g})"
    verdict = YES if drop.prevalence_p < ALPHA else _absent(drop.prevalence)
    return Cause("prevalence", verdict, text, drop.prevalence, {"p": drop.prevalence_p})


def lost_ranking(known: Known) -> Cause:
    """Images of test whose classes the scores tell apart less well, at any threshold."""
    drop = known.drop
    figures = {"auroc_lost": drop.auroc_lost, "p": drop.auroc_lost_p}
    if drop.auroc_lost is None or drop.auroc_lost_p is None:
        return Cause("lost-ranking", UNCLEAR, "a class has too few images", drop.ranking, figures)
    text = f"AUROC falls by {ends(drop.auroc_lost)} (p {drop.auroc_lost_p:.2g}); no threshold gives back {points(drop.ranking)}"
    verdict = YES if drop.auroc_lost_p < ALPHA else _absent(drop.ranking)
    return Cause("lost-ranking", verdict, text, drop.ranking, figures)


def _absent(part: Measure) -> str:
    return NO if part.low is not None and part.high is not None and part.low > -MARGIN and part.high < MARGIN else UNCLEAR
