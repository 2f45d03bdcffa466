"""The part of a batch that one of several processes works on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """The contiguous parts of process number `rank` of `count`; the first ones have one image more where it does not divide."""

    rank: int = 0
    count: int = 1

    def part(self, num_images: int) -> slice:
        """Return the part of a batch of so many images; it may be empty."""
        each, more = divmod(num_images, self.count)
        start = self.rank * each + min(self.rank, more)
        return slice(start, start + each + (self.rank < more))

    def is_empty(self, num_images: int) -> bool:
        """Whether nothing of a batch of so many images is this process's."""
        return self.rank >= num_images

    def seen(self, num_images: int) -> slice:
        """Return the part, or the batch's first image where it is empty: a stand-in, so that every process makes each step."""
        return slice(0, 1) if self.is_empty(num_images) else self.part(num_images)


WHOLE = Share()
"""All of every batch."""
