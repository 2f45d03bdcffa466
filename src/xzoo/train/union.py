"""What the ranks of a step do together: batch norm's statistics, sums of gradients, and what is told of the batch.

B = images in a batch, P = images of it that are this rank's
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from xzoo.train.norms import Norms
from xzoo.train.objective import Objective
from xzoo.train.ranks import Ranks
from xzoo.train.reduction import Reduction
from xzoo.train.shortage import MemoryShortageError


class Union:
    """The ranks in one step. A rank without an image of a batch makes it on a stand-in that counts for nothing."""

    def __init__(self, ranks: Ranks, compute: Objective) -> None:
        self.ranks, self.compute = ranks, compute
        self.norms, self.reduction = Norms(ranks), Reduction(ranks)
        self.num_images = 0
        self._is_summed = False

    def begin(self) -> None:
        """Begin a step."""
        self.norms.num_calls, self._is_summed = 0, False

    def learn(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum the gradients of these."""
        self.reduction.learn(parameters)

    @contextlib.contextmanager
    def sharing(self, num_images: int) -> Iterator[None]:
        """Make this rank's gradients of a batch inside, and let them be those of all ranks behind it."""
        self.num_images = num_images
        self.norms.counts = not self.ranks.share.is_empty(num_images)
        yield
        self._is_summed = True
        self.reduction.finish()

    def sending(self) -> contextlib.AbstractContextManager[None]:
        """Send gradients as the backward pass inside makes them, the last of this rank's batch."""
        return self.reduction.listening()

    def share(self, part_P: Tensor, labels_B: Tensor) -> Tensor | float:
        """Return what a part's loss counts in that of the whole batch."""
        return self.compute.share(part_P, labels_B) if self.norms.counts else 0.0

    def summed(self, loss: Tensor, loss_sum: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the batch's loss, the summed loss without auxiliary heads, and right answers, from this rank's part of each."""
        told = torch.stack([loss.double(), loss_sum.double(), right.double() * self.norms.counts])
        self.ranks.sum(told)
        return told[0].float(), told[1].float(), told[2].round().long()

    def demand_free(self, said: str) -> None:
        """Raise MemoryShortageError where the others have this rank's word for a try that failed: it cannot be made again."""
        if self._is_summed or self.norms.num_calls:
            raise MemoryShortageError(
                f"memory ran out in a step of which the other ranks have a part already: {said}",
                "start more ranks, or choose a smaller batch (--set batch_size=...), size or backbone",
            )
