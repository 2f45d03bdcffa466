"""What `xzoo bench` is asked for and what it answers, as values. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xzoo.data.items import counted
from xzoo.runs import showing
from xzoo.runs.result import Measure
from xzoo.train.recipe import Recipe
from xzoo.zoo.spec import Choice

SCHEMA = "xzoo.bench/1"
TRAINING_BATCH = 8
"""Images in a step of training: few, so that the largest networks are timed within the budget on a CPU too."""


@dataclass(frozen=True, kw_only=True)
class Cold:
    """Seconds until the first answer: the network built and its weights loaded, an engine's preparation, the first call."""

    build: float
    load: float
    first_call: float


@dataclass(frozen=True, kw_only=True)
class FromFile:
    """The same batch from image files: decoded, resized, normalised, run. `rank` is among the others from files."""

    p50_ms: Measure
    p90_ms: Measure | None
    p99_ms: Measure | None
    images_per_second: Measure
    calls: int
    rank: int
    reasons: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class InferenceRow:
    """A backbone on an engine, from images in memory to logits. Where it failed, `error` says why and the rest is None.

    `precision` is what it computes in, `asked` what it was asked for. `rank` is among rows of its batch size: those that share
    one cannot be told apart. `weights_mb` is the size of the parameters in that precision, in 10^6 bytes. `reasons` says, by
    field, why a figure is None.
    """

    backbone: str
    engine: str
    asked: str
    batch: int
    precision: str | None = None
    size: tuple[int, int] | None = None
    p50_ms: Measure | None = None
    p90_ms: Measure | None = None
    p99_ms: Measure | None = None
    images_per_second: Measure | None = None
    calls: int = 0
    rank: int | None = None
    from_file: FromFile | None = None
    cold_seconds: float | None = None
    cold: Cold | None = None
    peak_memory_mb: float | None = None
    weights_mb: float | None = None
    detail: str = ""
    error: Mapping[str, str] | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainingRow:
    """A step of the trainer under a freeze strategy, in its last phase. `trains_on` is features, activations or images.

    `cold_seconds` hold what happens once: the classifier made, cut or run for its features, and the first step with its proof.
    """

    backbone: str
    freeze: str
    precision: str
    batch: int
    trains_on: str | None = None
    stages_learning: tuple[str, ...] = ()
    step_ms: Measure | None = None
    images_per_second: Measure | None = None
    rank: int | None = None
    cold_seconds: float | None = None
    peak_memory_mb: float | None = None
    error: Mapping[str, str] | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The answer to `xzoo bench`. Its fields are those of the machine output `xzoo.bench/1`."""

    schema: str = SCHEMA
    environment: Mapping[str, Any]
    rows: tuple[InferenceRow, ...]
    training: tuple[TrainingRow, ...]
    notes: tuple[str, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """The backbones of which nothing could be timed."""
        rows: list[InferenceRow | TrainingRow] = [*self.rows, *self.training]
        done = {row.backbone for row in rows if row.error is None}
        return tuple(dict.fromkeys(row.backbone for row in rows if row.backbone not in done))

    def to_frame(self) -> Any:
        """Return a pandas frame, a row per backbone, engine, precision and batch. Raises UnavailableError without pandas."""
        names = ("rank", "backbone", "engine", "precision", "batch", "cold_seconds", "peak_memory_mb", "weights_mb")
        figures = ("p50_ms", "p90_ms", "p99_ms", "images_per_second")
        rows = [
            {
                **{name: getattr(row, name) for name in names},
                **{name: found.value if (found := getattr(row, name)) is not None else None for name in figures},
            }
            for row in self.rows
        ]
        return showing.frame(rows)

    def __repr__(self) -> str:
        return showing.brief(self, counted(len(self.rows), "timing"), counted(len(self.training), "timing") + " of training")

    def __str__(self) -> str:
        return showing.as_text(self)

    def _repr_html_(self) -> str:
        return showing.as_html(self)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be timed, its words checked. No `precisions` means the hardware's own, no `images` a drawn one."""

    choices: tuple[Choice, ...]
    engines: tuple[str, ...]
    precisions: tuple[str, ...]
    batches: tuple[int, ...]
    freeze: tuple[str, ...]
    recipe: Recipe
    device: str
    seconds: float
    images: tuple[Path, ...]
    notes: tuple[str, ...]
