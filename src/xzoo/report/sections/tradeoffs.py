"""What accuracy costs: against latency, training time and parameters, and what no other contender betters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xzoo.report.sections.leaderboard import Leaderboard, Row

_COSTS = (
    ("latency_ms", "Milliseconds for one image"),
    ("seconds", "Seconds of training"),
    ("params", "Parameters"),
)


@dataclass(frozen=True)
class Point:
    """A contender: what it costs, its validation accuracy, and its size."""

    number: int
    id: str
    cost: float
    accuracy: float
    params: int | None


@dataclass(frozen=True)
class Tradeoff:
    """Accuracy on validation against one cost. `front` holds the points that no other betters in both, the cheapest first."""

    cost: str
    title: str
    points: Sequence[Point]
    front: Sequence[Point]


def tradeoffs(board: Leaderboard) -> Sequence[Tradeoff]:
    """Return a picture's values for each cost that at least two contenders have."""
    found = []
    for cost, title in _COSTS:
        points = [point for row in board.rows if (point := _point(row, cost))]
        if len(points) > 1:
            found.append(Tradeoff(cost, title, points, _front(points)))
    return found


def _point(row: Row, cost: str) -> Point | None:
    value = getattr(row, cost)
    return Point(row.number, row.id, float(value), float(row.val["value"]), row.params) if value and row.val else None


def _front(points: Sequence[Point]) -> list[Point]:
    front: list[Point] = []
    for point in sorted(points, key=lambda one: (one.cost, -one.accuracy)):
        if not front or point.accuracy > front[-1].accuracy:
            front.append(point)
    return front
