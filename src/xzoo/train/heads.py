"""Linear heads on stored features, many at once as one batched problem, each trained as if it were alone.

M = heads, N = images, B = images in a batch, D = features and a constant 1, O = outputs, K = classes
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from xzoo.data.batches import chunks
from xzoo.data.order import Blocks, shuffled
from xzoo.train.head_loss import HeadLoss
from xzoo.train.recipe import Recipe
from xzoo.train.tables import Joined, Table

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Adam's, as torch's optimisers have them."""
_ALIGNED = 16
"""Numbers that take 64 bytes: without AVX-512 the last bits of MKL's products depend on where a matrix begins among these."""


@dataclass(frozen=True, eq=False)
class HeadTask:
    """A head to be trained: where it starts, what it learns from, and how.

    `start_OD` holds weights and, last, the bias; `inputs_ND` the features of every image with a last column of ones, `train_N`
    the places of those to learn from.
    """

    recipe: Recipe
    seed: int
    start_OD: Tensor
    inputs_ND: Tensor | Table
    labels_N: NDArray[np.int64]
    train_N: NDArray[np.int64]
    num_classes: int
    blocks: Blocks | None = None

    @property
    def kind(self) -> tuple[object, ...]:
        """What tasks must have in common to be trained together."""
        recipe = self.recipe
        return (recipe.epochs, recipe.batch_size, recipe.optimizer, recipe.loss, len(self.train_N), tuple(self.start_OD.shape))


@dataclass(frozen=True, eq=False)
class HeadEpoch:
    """A head after an epoch: weights (O,D), the epoch's mean training loss in nats and accuracy, and its first learning rate.

    `resting` says, of weights and bias, which the first step did not move because it was too small for a float32. `ended` is the
    step of this epoch, from 0, whose loss or gradients were no numbers: it was not made, nor was any behind it.
    """

    weights_OD: Tensor
    loss: float
    accuracy: float
    learning_rate: float
    resting: tuple[bool, bool]
    ended: int | None = None
    begun: BegunHead | None = None


@dataclass(frozen=True, eq=False)
class BegunHead:
    """A head in training between two epochs: weights, the optimiser's moments (O,D), and what rests; true until the next one."""

    weights_OD: Tensor
    first_OD: Tensor
    second_OD: Tensor
    resting: tuple[bool, bool]


@torch.no_grad()
def train_heads(tasks: Sequence[HeadTask], begun: Sequence[BegunHead] = (), num_behind: int = 0) -> Iterator[list[HeadEpoch]]:
    """Train tasks of one kind and yield, after each epoch, what became of each; `begun` are so many epochs further already.

    It does to each head what the loop does with autograd and torch's optimiser. No figure depends on which other heads are
    trained beside it, nor on the number of threads: of a batched product the library computes each matrix for itself, except
    where there is only one, so there are always two or more, and each begins at a whole 64 bytes.
    """
    if len({task.kind for task in tasks}) != 1:
        raise ValueError("heads of different kinds cannot be trained together")
    work = _Work([*tasks, tasks[0]] if len(tasks) == 1 else tasks)
    if begun:
        work.go_on([*begun, begun[0]] if len(begun) == 1 else begun, num_behind)
    for epoch in range(num_behind, tasks[0].recipe.epochs):
        # Between threads such small products wait longer than they work. What is counted in a generator is undone at each yield.
        num_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            found = work.epoch(epoch)
        finally:
            torch.set_num_threads(num_threads)
        yield found[: len(tasks)]


class _Work:
    """Heads in training, with their optimiser's moments. Their last dimension is filled up with zeros to whole 64 bytes."""

    def __init__(self, tasks: Sequence[HeadTask]) -> None:
        self.tasks = tasks
        tables = {id(task.inputs_ND): task.inputs_ND for task in tasks}
        starts = dict(zip(tables, np.cumsum([0, *(len(table) for table in tables.values())]), strict=False))
        self.offsets_M = np.array([starts[id(task.inputs_ND)] for task in tasks])
        self.table_RD = _joined(list(tables.values()))
        self.device = self.table_RD.device
        self.num_inputs = tasks[0].start_OD.shape[1]
        filling = -self.num_inputs % _ALIGNED
        self.labels_MN = np.stack([task.labels_N for task in tasks])
        self.weights_MOD = F.pad(torch.stack([task.start_OD for task in tasks]), (0, filling)).to(self.device)
        most = len(tasks) * min(tasks[0].recipe.batch_size, len(tasks[0].train_N))
        self.inputs_RD = self.weights_MOD.new_zeros(most, self.num_inputs + filling)
        self.first_MOD, self.second_MOD = torch.zeros_like(self.weights_MOD), torch.zeros_like(self.weights_MOD)
        self.update = {"sgd": self._sgd, "adam": self._adam, "adamw": self._adamw}[tasks[0].recipe.optimizer]
        labels = [task.labels_N[task.train_N] for task in tasks]
        self.loss = HeadLoss([task.recipe for task in tasks], labels, tasks[0].num_classes, self.device)
        self.decay_M11, self.momentum_M11 = (
            self._column([getattr(task.recipe, name) for task in tasks]) for name in ("weight_decay", "momentum")
        )
        self.clip_M11 = self._column([task.recipe.clip or math.inf for task in tasks])
        self.num_steps = 0
        self.goes_on_M = torch.ones(len(tasks), dtype=torch.bool, device=self.device)
        self.resting: list[tuple[bool, bool]] = []

    def go_on(self, begun: Sequence[BegunHead], num_behind: int) -> None:
        """Go on from these heads, one for each task, behind so many epochs."""
        for mine, name in ((self.weights_MOD, "weights_OD"), (self.first_MOD, "first_OD"), (self.second_MOD, "second_OD")):
            mine[..., : self.num_inputs].copy_(torch.stack([getattr(head, name) for head in begun]))
        self.num_steps = num_behind * len(chunks(self.tasks[0].train_N, self.tasks[0].recipe.batch_size))
        self.resting = [head.resting for head in begun]

    def epoch(self, epoch: int) -> list[HeadEpoch]:
        """Train one epoch and return what became of each head."""
        order_MN = np.stack([shuffled(task.train_N, task.seed, epoch, task.blocks) for task in self.tasks])
        edges = chunks(np.arange(order_MN.shape[1]), self.tasks[0].recipe.batch_size)
        labels_MN = torch.from_numpy(np.take_along_axis(self.labels_MN, order_MN, axis=1)).to(self.device)
        rows_MN = torch.from_numpy(order_MN + self.offsets_M[:, None]).to(self.device)
        rates = [[task.recipe.rate(epoch * len(edges) + step, len(edges)) for step in range(len(edges))] for task in self.tasks]
        loss_M = torch.zeros(len(self.tasks), device=self.device)
        right_M = torch.zeros(len(self.tasks), dtype=torch.long, device=self.device)
        ended_M = torch.full((len(self.tasks),), -1, device=self.device)
        rates_SM11 = torch.tensor(rates, device=self.device).T[:, :, None, None]
        for step, edge in enumerate(edges):
            part = slice(int(edge[0]), int(edge[-1]) + 1)
            of_batch_M, right = self._step(rows_MN[:, part], labels_MN[:, part], rates_SM11[step])
            loss_M += of_batch_M * len(edge)
            right_M += right
            ended_M = torch.where((ended_M < 0) & ~self.goes_on_M, step, ended_M)
        num_images, rows = order_MN.shape[1], zip(loss_M.tolist(), right_M.tolist(), ended_M.tolist(), strict=True)
        # Tensors of their own: what a head answers must not depend either on where in all heads it lies.
        weights = [head_OD[:, : self.num_inputs].clone() for head_OD in self.weights_MOD]
        first_MOD, second_MOD = (moment_MOD[..., : self.num_inputs] for moment_MOD in (self.first_MOD, self.second_MOD))
        return [
            HeadEpoch(
                weights[m],
                loss / num_images,
                right / num_images,
                rates[m][0],
                self.resting[m],
                None if end < 0 else end,
                BegunHead(weights[m], first_MOD[m], second_MOD[m], self.resting[m]),
            )
            for m, (loss, right, end) in enumerate(rows)
        ]

    def _step(self, rows_MB: Tensor, labels_MB: Tensor, rates_M11: Tensor) -> tuple[Tensor, Tensor]:
        inputs_MBD = self._taken(rows_MB.reshape(-1)).view(*rows_MB.shape, -1)
        # This way round the product takes 0.4 of the time of its transpose.
        logits_MBO = torch.bmm(self.weights_MOD, inputs_MBD.transpose(1, 2)).transpose(1, 2).contiguous()
        loss_M, error_MBO, right_M = self.loss(logits_MBO, labels_MB)
        gradient_MOD = torch.bmm(error_MBO.transpose(1, 2), inputs_MBD)
        # As torch.nn.utils.clip_grad_norm_ does it.
        norm_M11 = gradient_MOD.flatten(1).norm(dim=1).view(-1, 1, 1)
        gradient_MOD *= (self.clip_M11 / (norm_M11 + 1e-6)).clamp(max=1.0)
        self.goes_on_M &= loss_M.isfinite() & norm_M11.flatten().isfinite()
        before_MOD = self.weights_MOD.clone()
        self.num_steps += 1
        self.update(gradient_MOD, rates_M11)
        self.goes_on_M &= self.weights_MOD.isfinite().flatten(1).all(1)
        # A head that has ended stays as it was; asking whether one has would wait for the device.
        self.weights_MOD = torch.where(self.goes_on_M[:, None, None], self.weights_MOD, before_MOD)
        if self.num_steps == 1:
            self.resting = self._resting(before_MOD, gradient_MOD, rates_M11)
        return loss_M, right_M

    def _taken(self, rows_R: Tensor) -> Tensor:
        """Return these rows of the table, which the next call overwrites."""
        taken_RD = self.inputs_RD[: len(rows_R)]
        if isinstance(self.table_RD, Tensor):
            torch.index_select(self.table_RD, 0, rows_R, out=taken_RD[:, : self.num_inputs])
        else:
            taken_RD[:, : self.num_inputs] = self.table_RD.index_select(0, rows_R)
        return taken_RD

    def _resting(self, before_MOD: Tensor, gradient_MOD: Tensor, rates_M11: Tensor) -> list[tuple[bool, bool]]:
        """Return, of weights and bias, which have a gradient and a step below half the distance to the next float32."""
        size_MOD = gradient_MOD.abs()
        if self.update != self._sgd:
            size_MOD = size_MOD / (size_MOD + EPSILON)
        small_MOD = rates_M11 * size_MOD <= before_MOD.abs() * 2**-24
        bias = self.num_inputs - 1
        parts = (slice(None, bias), slice(bias, bias + 1))
        found = [
            (small_MOD[..., part].all((1, 2)) & (gradient_MOD[..., part] != 0).any(2).any(1) & (rates_M11.flatten() > 0)).tolist()
            for part in parts
        ]
        return list(zip(*found, strict=True))

    def _sgd(self, gradient_MOD: Tensor, rates_M11: Tensor) -> None:
        gradient_MOD = gradient_MOD + self.decay_M11 * self.weights_MOD
        self.first_MOD.mul_(self.momentum_M11).add_(gradient_MOD)
        self.weights_MOD.sub_(rates_M11 * self.first_MOD)

    def _adam(self, gradient_MOD: Tensor, rates_M11: Tensor) -> None:
        self._moments(gradient_MOD + self.decay_M11 * self.weights_MOD, rates_M11)

    def _adamw(self, gradient_MOD: Tensor, rates_M11: Tensor) -> None:
        self.weights_MOD.mul_(1 - rates_M11 * self.decay_M11)
        self._moments(gradient_MOD, rates_M11)

    def _moments(self, gradient_MOD: Tensor, rates_M11: Tensor) -> None:
        """Kingma and Ba 2015 (https://arxiv.org/abs/1412.6980), algorithm 1."""
        of_first, of_second = BETAS
        self.first_MOD.lerp_(gradient_MOD, 1 - of_first)
        self.second_MOD.mul_(of_second).addcmul_(gradient_MOD, gradient_MOD, value=1 - of_second)
        root_MOD = (self.second_MOD.sqrt() / math.sqrt(1 - of_second**self.num_steps)).add_(EPSILON)
        self.weights_MOD.sub_(rates_M11 / (1 - of_first**self.num_steps) * self.first_MOD / root_MOD)

    def _column(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device).view(-1, 1, 1)


def _joined(tables: Sequence[Tensor | Table]) -> Tensor | Table | Joined:
    if len(tables) == 1:
        return tables[0]
    held = [one for one in tables if isinstance(one, Tensor)]
    return torch.cat(held) if held else Joined([one for one in tables if isinstance(one, Table)])
