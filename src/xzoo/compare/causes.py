"""Every cause that is asked for when test scores otherwise than validation, in the order in which they are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from xzoo.compare.cause import Cause, Known
from xzoo.compare.data_causes import appearance_shift, label_noise, leakage, small_sample
from xzoo.compare.score_causes import lost_ranking, moved_threshold, overfitting, prevalence

ASKED: Mapping[str, Callable[[Known], Cause]] = {
    "leakage": leakage,
    "label-noise": label_noise,
    "small-sample": small_sample,
    "appearance-shift": appearance_shift,
    "overfitting": overfitting,
    "moved-threshold": moved_threshold,
    "prevalence": prevalence,
    "lost-ranking": lost_ranking,
}
"""Every cause in the order in which they are named: what lies in the data, in its size, in training, and then in the scores."""


def causes(known: Known) -> tuple[Cause, ...]:
    """Return every cause that is asked for: those that lie in the data first, then what they do to scores."""
    return tuple(ask(known) for ask in ASKED.values())
