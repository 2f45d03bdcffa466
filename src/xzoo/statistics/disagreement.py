"""What two shares of the same images leave open: how often the two contenders disagree."""

from __future__ import annotations


def extremes(num_right_a: int, num_right_b: int, n: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the fewest and the most disagreements that two counts of right answers among the same `n` images allow.

    Each as (images that A alone got right, images that B alone got right); their difference is that of the counts. With the
    difference given, the exact McNemar p grows with the number of disagreements, so these bound it too. The bounds are those of
    Frechet (1935) for a table with known margins. Raises ValueError for impossible counts.
    """
    if not (0 <= num_right_a <= n and 0 <= num_right_b <= n and n):
        raise ValueError(f"{num_right_a} and {num_right_b} right answers among {n} images")
    both_at_most, both_at_least = min(num_right_a, num_right_b), max(0, num_right_a + num_right_b - n)
    fewest = (num_right_a - both_at_most, num_right_b - both_at_most)
    most = (num_right_a - both_at_least, num_right_b - both_at_least)
    return fewest, most
