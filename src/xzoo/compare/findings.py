"""What a reader must know before believing a figure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xzoo.compare import advice
from xzoo.compare.crossing import judged
from xzoo.compare.drop import taken_apart, total_of
from xzoo.compare.plan import Plan
from xzoo.evaluate.metrics import is_chance
from xzoo.runs.conditions import in_words
from xzoo.runs.result import CellResult, Finding
from xzoo.runs.store import RunFolder
from xzoo.zoo.spec import Choice

SURE = 0.99
"""How sure it must be that test accuracy is other than validation accuracy before it is told."""

MOST_TAKEN_APART = 12
"""Of more contenders than this the drop from validation to test is not taken apart."""

NEAR_UNLEARNT = 0.95
"""A last training loss above this share of ln K counts as nothing learnt: uniform guessing costs ln K."""


def of_run(plan: Plan, results: Sequence[CellResult]) -> tuple[Finding, ...]:
    """Return the findings of a run, the gravest first."""
    found = [
        *_failures(results),
        *_guessing(results),
        *_not_learning(plan, results),
        *_lagging_batch_norm(results),
        *advice.of_run(results, len(plan.pack.classes)),
        *_random_demo(plan),
        *_watched(plan),
        *_short_of_memory(results),
        *_mixed(results),
        *plan.pack.repairs,
    ]
    return ordered(found)


def ordered(found: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings with the gravest first."""
    return tuple(sorted(found, key=lambda finding: ("error", "warning", "info").index(finding.severity)))


def of_drops(folder: RunFolder, results: Sequence[CellResult], groups_N: Sequence[str | None]) -> list[Finding]:
    """Return a finding for each contender whose test accuracy is other than its validation accuracy by more than chance."""
    found = []
    for name in list(dict.fromkeys(result.contender for result in results if result.status == "done"))[:MOST_TAKEN_APART]:
        done = [result for result in results if result.contender == name and result.status == "done"]
        seeds = [judged(folder, result.id, groups_N) for result in done]
        if any(not len(one.val.labels_N) or not len(one.test.labels_N) for one in seeds):
            continue
        total = total_of(seeds, SURE)
        if total.low is None or total.high is None or total.low <= 0 <= total.high:
            continue
        drop = taken_apart(seeds)
        parts = {"a moved threshold": drop.threshold, "lost ranking": drop.ranking, "other shares of classes": drop.prevalence}
        told = ", ".join(f"{100 * part.value:.1f} {what}" for what, part in parts.items())
        side = "below" if total.value > 0 else "above"
        text = f"{name}: test accuracy {drop.test:.3f} is {side} validation accuracy {drop.val:.3f} by more than chance makes; "
        text += f"of {100 * total.value:.1f} points: {told}"
        found.append(Finding("test-differs", "warning", text, f'`xzoo explain last --contender "{name}"` asks for the cause'))
    return found


def guessing(results: Sequence[CellResult], split: str = "val") -> list[str]:
    """Return the contenders of which at least half of the seeds cannot be told from guessing on a split."""
    seeds: dict[str, list[bool]] = {}
    for result in results:
        if (found := getattr(result, split)) is not None:
            seeds.setdefault(result.contender, []).append(is_chance(found))
    return [contender for contender, by_chance in seeds.items() if 2 * sum(by_chance) >= len(by_chance)]


def _failures(results: Sequence[CellResult]) -> list[Finding]:
    return [
        Finding("failed", "error", f"{result.contender}, seed {result.seed}: {result.error['text']}", result.error["remedy"])
        for result in results
        if result.status == "failed" and result.error
    ]


def _guessing(results: Sequence[CellResult]) -> list[Finding]:
    return [
        Finding(
            "chance",
            "warning",
            f"{name} is not distinguishable from guessing on validation",
            "train longer, change lr, or use more images; do not compare it with others",
        )
        for name in guessing(results)
    ]


def _not_learning(plan: Plan, results: Sequence[CellResult]) -> list[Finding]:
    num_classes = len(plan.pack.classes)
    smoothing = {cell.id: cell.recipe.get("label_smoothing", 0.0) for cell in plan.cells}
    return [
        Finding(
            "not-learning",
            "warning",
            f"{result.contender}, seed {result.seed}: the training loss ended at {result.curves[-1].train_loss:.3f}, "
            f"where guessing gives about ln {len(plan.pack.classes)} = {math.log(len(plan.pack.classes)):.3f}",
            "raise or lower lr, train longer, or check that labels belong to their images",
        )
        for result in results
        if result.curves and result.curves[-1].train_loss >= _unlearnt(num_classes, smoothing.get(result.id, 0.0))
    ]


def _unlearnt(num_classes: int, smoothing: float) -> float:
    """Return the loss from which nothing counts as learnt: near ln K, above the floor that label smoothing sets."""
    shares = [1 - smoothing + smoothing / num_classes, *[smoothing / num_classes] * (num_classes - 1)]
    floor = -sum(share * math.log(share) for share in shares if share > 0)
    return floor + NEAR_UNLEARNT * (math.log(num_classes) - floor)


def _lagging_batch_norm(results: Sequence[CellResult]) -> list[Finding]:
    """Training that goes well while validation, in eval mode, stays at chance: running statistics lag behind."""
    return [
        Finding(
            "validation-at-chance",
            "warning",
            f"{result.contender}, seed {result.seed}: training accuracy reached {result.curves[-1].train_accuracy:.2f} while "
            "validation stays at chance: overfitting, or batch-norm statistics that lag behind after few steps",
            "train more steps, or set batch_norm_momentum=0.4",
        )
        for result in results
        if result.val and is_chance(result.val) and result.curves[-1].train_accuracy > 0.9
    ]


def _random_demo(plan: Plan) -> list[Finding]:
    names = [label for label, choice in plan.choices.items() if choice.weights_name == "random" and not _is_asked_for(choice)]
    if not (plan.is_demo and names):
        return []
    return [
        Finding(
            "random-weights",
            "warning",
            f"the weights of {', '.join(names)} are random, because none could be fetched; "
            "the demo shows how xzoo works, not what pretraining gives",
            "run `xzoo weights fetch NAME` on a connected machine",
        )
    ]


def _is_asked_for(choice: Choice) -> bool:
    """Whether a random start is what was asked for: in words (`alexnet@random`), or because nothing else is published."""
    written = choice.reference.weights if choice.reference else ""
    return not choice.backbone.weights or written.partition(":")[0] == "random"


def _mixed(results: Sequence[CellResult]) -> list[Finding]:
    """Cells that were computed on other devices or thread counts, or a contender's at other precisions, repeat no bits of others.

    Contenders differ in precision by rule: each network has the one that suits it.
    """
    kinds = {tuple(result.environment.get(key) for key in ("device", "precision", "threads")) for result in results}
    kinds = {kind for kind in kinds if any(kind)}
    machines = {(device, threads) for device, _, threads in kinds}
    owners = {(result.contender, result.environment.get("precision")) for result in results}
    if len(machines) < 2 and len(owners) == len({contender for contender, _ in owners}):
        return []
    told = "; ".join(sorted(f"{device}, {precision}, {threads} threads" for device, precision, threads in kinds))
    text = f"cells were computed in {len(kinds)} environments ({told})"
    return [Finding("mixed-environments", "warning", text, "for times that compare, run the command in a new --runs folder")]


def _short_of_memory(results: Sequence[CellResult]) -> list[Finding]:
    """Cells that were computed in parts; where batch norms learnt from parts that is another training, and a graver matter."""
    found = []
    for is_other in (True, False):
        cells = [one for one in results if one.memory and any(short.statistics for short in one.memory) == is_other]
        if not cells:
            continue
        first = cells[0]
        named = f"{first.contender}, seed {first.seed}{f' and {len(cells) - 1} more cells' if len(cells) > 1 else ''}"
        short = next(one for one in reversed(first.memory) if one.statistics or not is_other)
        text = f"{named}: {in_words(short)}, of a batch of {short.of}; "
        if is_other:
            text += "batch norms that learn saw these parts, whose statistics are not the batch's, as with a smaller batch_size"
            remedy = f"compare it with cells of --set batch_size={short.at_once}, or run it where there is more memory"
            found.append(Finding("batch-norm-in-parts", "warning", text, remedy))
        else:
            text += "gradients are those of the whole batch, and all figures differ in last bits alone"
            found.append(Finding("out-of-memory", "info", text, "nothing has to be done; more memory is quicker"))
    return found


def _watched(plan: Plan) -> list[Finding]:
    if not plan.watch_test:
        return []
    return [
        Finding(
            "test-watched",
            "warning",
            "test watched: the test split was looked at after every epoch",
            "report a test split that nobody watched",
        )
    ]
