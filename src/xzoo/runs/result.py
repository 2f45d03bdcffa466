"""The values a run is made of. They hold plain numbers and words, so msgspec reads and writes them as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xzoo.runs.conditions import Determinism, Shortage


@dataclass(frozen=True)
class Measure:
    """A figure with the ends of its 95% interval and the number of observations it rests on."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch as it was trained. Losses are means per image in nats, accuracies shares, `seconds` wall time.

    `note` says what was out of the ordinary about its steps, `memory` where it ran out.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
    seconds: float = 0.0
    stages_learning: tuple[str, ...] = ()
    note: str = ""
    memory: tuple[Shortage, ...] = ()


@dataclass(frozen=True)
class Metrics:
    """What a split's predictions say. Fields are None where they cannot be had; `reasons` says why, by field."""

    loss: Measure | None = None
    accuracy: Measure | None = None
    balanced_accuracy: Measure | None = None
    auroc: Measure | None = None
    recall: Mapping[str, Measure | None] = field(default_factory=dict)
    sensitivity: Measure | None = None
    specificity: Measure | None = None
    f1: Measure | None = None
    mcc: Measure | None = None
    brier: Measure | None = None
    majority: Measure | None = None
    calibration_slope: Measure | None = None
    calibration_intercept: Measure | None = None
    ece: Measure | None = None
    confusion: tuple[tuple[int, ...], ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proof:
    """The promise of a freeze strategy held against the state dict, both ways. Empty lists mean that it was kept."""

    should_stay_moved: tuple[str, ...] = ()
    should_learn_did_not: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing frozen moved and everything that should learn did."""
        return not self.should_stay_moved and not self.should_learn_did_not


@dataclass(frozen=True)
class Seconds:
    """Wall time of a cell's parts. `features` is what computing them took, once for all cells that share them."""

    prepare: float = 0.0
    train: float = 0.0
    val: float = 0.0
    test: float = 0.0
    features: float = 0.0


@dataclass(frozen=True)
class Finding:
    """Something a reader must know before believing a figure. `severity` is `info`, `warning` or `error`."""

    id: str
    severity: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Latency:
    """Time to run one batch, in milliseconds. A percentile is None where n is too small to know it."""

    engine: str
    precision: str
    batch: int
    p50_ms: float
    p90_ms: float | None
    p99_ms: float | None
    images_per_second: float
    n: int


@dataclass(frozen=True, kw_only=True)
class BackboneFacts:
    """What is true of a backbone and its weights, whatever data it is trained on. `gmacs` at `size` (height, width).

    `gmacs_at` holds them by the recipe's `size`, in words; "0" is the weights' own. `node` is where in a cluster it was measured.
    """

    params: int
    params_with_auxiliary: int
    gmacs: float | None
    size: tuple[int, int]
    gmacs_at: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)
    latency: tuple[Latency, ...] = ()
    origin: str = ""
    node: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A contender with a seed, before it is computed."""

    id: str
    contender: str
    backbone: str
    weights: str
    freeze: str
    seed: int
    recipe: Mapping[str, Any]
    split: Mapping[str, Any]

    @property
    def label(self) -> str:
        """The backbone with the weights it starts from."""
        return f"{self.backbone}@{self.weights}"


@dataclass(frozen=True, kw_only=True)
class CellResult:
    """What one cell produced; its predictions and learnt tensors lie beside it in the run folder.

    `heads` is the number of heads trained together on the same features; each cell's `seconds` are its share. `notes` say how it
    was computed: what was reused, which penalty was chosen. `engine` ran the frozen body.
    `steps_below_resolution` names parameters that got a gradient and a rate, whose product was too small to change a float32.
    `calibration` and `operating` are what compare/probabilities.py says of the probabilities. `memory` lists where it ran out.
    `resumed` counts how often its training went on from a checkpoint.
    """

    id: str
    contender: str
    backbone: str
    weights: str
    freeze: str
    seed: int
    status: str
    error: Mapping[str, str] | None = None
    learning_params: int | None = None
    epochs: int | None = None
    best_epoch: int | None = None
    seconds: Seconds | None = None
    peak_memory_mb: float | None = None
    curves: tuple[EpochRecord, ...] = ()
    train: Metrics | None = None
    val: Metrics | None = None
    test: Metrics | None = None
    proof: Proof | None = None
    steps_below_resolution: tuple[str, ...] = ()
    fit: Mapping[str, Any] = field(default_factory=dict)
    splits: Mapping[str, int] = field(default_factory=dict)
    precision: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    heads: int = 1
    notes: tuple[str, ...] = ()
    engine: str = ""
    calibration: Mapping[str, Any] = field(default_factory=dict)
    operating: tuple[Mapping[str, Any], ...] = ()
    resumed: int = 0
    memory: tuple[Shortage, ...] = ()
    determinism: Determinism | None = None


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One row of the table: a contender's measures over its seeds.

    `spread` is the sample deviation between seeds, `low` and `high` are of the images alone, `combined_low` and `combined_high`
    of images and seeds. The rank lies between `rank` and `worst_rank`. `pareto` is the front of accuracy, operations and learnt
    parameters; `front` that of accuracy, latency, training time and parameters, which changes with the machine. `guessing` says
    that validation does not tell it from guessing.
    """

    id: str
    backbone: str
    weights: str
    freeze: str
    recipe: Mapping[str, Any]
    split: str
    seeds: tuple[int, ...]
    train: Mapping[str, Any]
    val: Mapping[str, Any]
    test: Mapping[str, Any]
    seconds: float | None
    gmacs: float | None
    params: int | None
    learning_params: int | None
    rank: int | None
    pareto: bool
    worst_rank: int | None = None
    latency_ms: float | None = None
    front: bool = False
    guessing: bool = False
    fit: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two contenders held against each other on the same images.

    `verdict` is ahead, equivalent, cannot tell, or not distinguishable from guessing, and `rests_on` says on which figures.
    `p_equivalent`, after Holm, is that of a difference of `margin` or more. The standard error of the images and the deviation
    between seeds stand apart. Of a pair that cannot be told apart, `detectable` is the least difference that these images find
    with a power of 80%, and either `more_images` or `more_seeds` is about what would settle it. `auroc` is the same for the
    ranking.
    """

    a: str
    b: str
    split: str
    metric: str
    difference: Measure
    test: str
    p: float | None
    p_holm: float | None
    verdict: str
    rests_on: str = ""
    seeds: tuple[int, ...] = ()
    deviation_of_images: float | None = None
    deviation_between_seeds: float | None = None
    margin: float | None = None
    p_equivalent: float | None = None
    equivalent: bool = False
    detectable: float | None = None
    more_images: int | None = None
    more_seeds: int | None = None
    auroc: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Recommendation:
    """The contender to use, and why. `run` is its folder; `equivalent_to` is the best, where that is another, within `margin`."""

    contender: str
    reason: str
    run: str = ""
    equivalent_to: str = ""
    margin: float | None = None
