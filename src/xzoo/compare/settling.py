"""What would settle a pair that cannot be told apart: the least difference these images find, and how many more would do."""

from __future__ import annotations

from typing import Any

from xzoo.compare.evidence import Evidence
from xzoo.statistics.power import detectable_difference, images_to_equate, images_to_tell


def settle(one: Evidence, margin: float, alpha: float) -> dict[str, Any]:
    """Return `detectable`, `more_images` and `more_seeds`, of which either would do, for a power of 80% at this level, or None.

    From the disagreement seen: exact where there is one seed and no patients, else from the errors of images and seeds. Images
    would settle a pair by showing that one is ahead, or that both are equivalent, whichever needs fewer.
    """
    n = one.difference.n
    if one.is_by_count:
        least = detectable_difference(n, one.disagreement, alpha)
        # Where one gets right all that the other does and more, both are the same share, but for rounding.
        tells = images_to_tell(one.disagreement, min(abs(one.difference.value), one.disagreement), alpha)
    else:
        least = one.combined.detectable(alpha) if one.combined.deviation > 0 else None
        tells = one.combined.images_to_tell(n, alpha) if one.difference.value else None
    needed = [count for count in (tells, _to_equate(one, margin, alpha)) if count is not None]
    more = max(1, min(needed) - n) if needed else None
    seeds = one.combined.seeds_to_tell(alpha) if one.difference.value else None
    return {"detectable": least, "more_images": more, "more_seeds": seeds - len(one.seeds) if seeds else None}


def _to_equate(one: Evidence, margin: float, alpha: float) -> int | None:
    """Return how many images would show equivalence; None where seeds differ by themselves, which no image changes."""
    if one.combined.between:
        return None
    n = one.difference.n
    spread = one.disagreement if one.is_by_count else one.combined.deviation**2 * n
    return images_to_equate(min(1.0, spread), one.difference.value, margin, alpha)
