"""The tables of "What a plan costs" in docs/scale.md; `scale_model.py --page` writes them between their marks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import scale_model as model
from scale_model import Law, Plan, Site

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
RATES = (500.0, 1200.0, 2500.0)
CORNERS = ((10_000, 2, 24), (100_000, 10, 102), (1_000_000, 10, 1002), (1_000_000, 1000, 1002))
MOVES = {
    "listing and hashing": "one core reads every file's bytes: one `.npz` in place of many files, or a faster disk",
    "packing": "cores of the machine that packs, all of which decode; it is done once for a dataset",
    "views": "cores of the machine that packs; `xzoo data pack --size` makes them beforehand",
    "packs to nodes": "a cache that all nodes see (`XZOO_CACHE` on a shared file system), or a faster network",
    "reading views": "memory of a node for the whole view, or a faster disk: else each epoch reads it again",
    "feature pass": "GPUs, up to one for each backbone; features are kept for later commands",
    "heads": "GPUs, up to one for each backbone; fewer epochs",
    "fine-tuning": "GPUs, up to one for each fine-tuned cell; `frozen` first, and fine-tune the best few",
    "statistics of cells": "workers side by side; fewer classes",
    "hand-over of cells": "nothing needs to: a machine alone has none of it",
    "predictions back": "a faster network; fewer classes, or fewer images to be answered",
    "verdicts and ranks": "fewer contenders: pairs grow with their square; of many classes, AUROC kept by each cell (not built)",
    "report": "fewer contenders in a plan",
}


def told(value: float) -> str:
    """Return seconds in the unit that a reader thinks in."""
    for unit, size in (("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if value >= 1.5 * size:
            return f"{value / size:,.1f} {unit}"
    return f"{value:.1f} s" if value >= 0.1 else "< 0.1 s"


def sized(value: float) -> str:
    """Return bytes in TB, GB or MB."""
    unit, size = next(((unit, size) for unit, size in (("TB", 1e12), ("GB", 1e9)) if value >= size), ("MB", 1e6))
    return f"{value / size:,.1f} {unit}"


def rows(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(line)} |" for line in lines)]) + "\n"


def fitted(law: Mapping[str, Law], points: model.Points) -> str:
    """Return the table of laws, with the peak memory of the smallest and the largest size."""
    lines = []
    for name, one in law.items():
        ends = f" ({1e3 * one.b_ends[0]:.3g} to {1e3 * one.b_ends[1]:.3g})" if math.isfinite(one.b_ends[0]) else ""
        power = f" ({one.exponent_ends[0]:.2f} to {one.exponent_ends[1]:.2f})" if ends else ""
        sizes = f"{min(one.sizes):,.0f} to {max(one.sizes):,.0f} ({len(one.sizes)})"
        slope, power = f"{1e3 * one.b:.3g} ms{ends}", f"{one.exponent:.2f}{power}"
        lines.append([name, model.STAGES[name][2], f"{one.a:.2g} s", slope, power, sizes, peaks(name, points)])
    return rows(["stage", "n counts", "a", "b (95% interval)", "exponent (95% interval)", "measured (points)", "peak MB"], lines)


def peaks(name: str, points: model.Points) -> str:
    """Return the resident memory of a stage's process at its smallest and its largest size."""
    own = sorted((one["size"], one["peak_mb"]) for one in points if one["stage"] == model.STAGES[name][0] and one["peak_mb"])
    return f"{own[0][1]:,} to {own[-1][1]:,}"


def foreseen(plans: Mapping[str, Plan], law: Mapping[str, Law], what: str) -> str:
    """Return a table of plans: time in all at each rate of a GPU, and what takes most and next at the middle one."""
    lines = []
    for name, plan in plans.items():
        of_rates = [model.seconds(dataclasses.replace(plan, rate=rate), law) for rate in RATES]
        middle = of_rates[1]
        named = (model.bottleneck(middle), model.second(middle))
        shares = [f"{one}, {told(middle[one])} ({middle[one] / sum(middle.values()):.0%})" for one in named]
        lines.append([name, *(told(sum(each.values())) for each in of_rates), *shares])
    return rows([what, *(f"{rate:,.0f} images/s" for rate in RATES), "takes most at 1,200", "then"], lines)


def step(plan: Plan, batch: int, site: Site | None = None) -> tuple[float, float, float]:
    """Return, of a step of one cell over all GPUs: seconds of computing, of summing gradients, and the bytes each GPU sends.

    A ring sends 2 (N - 1) / N times the gradients (Patarasuk and Yuan 2009, doi:10.1016/j.jpdc.2008.09.002), over the links of a
    node or the network, whose bandwidth the GPUs of a node share one way.
    """
    site = site or Site()
    sent = 2 * (plan.gpus - 1) / plan.gpus * plan.params * 4
    return batch / plan.gpus / plan.rate, sent / (site.link if plan.gpus <= site.gpus_of_node else site.network), sent


def steps() -> str:
    """Return the table of one cell over several GPUs, with the batch kept and with the batch grown."""
    lines = []
    for gpus in (1, 2, 8, 16, 64):
        for batch in dict.fromkeys((256, 256 * gpus)):
            computing, summing, sent = step(Plan(gpus=gpus), batch)
            faster = batch / (computing + summing) / Plan().rate
            most = "computing" if computing > summing else "summing"
            times = [f"{1e3 * one:.1f}" for one in (computing, summing)]
            lines.append([str(gpus), f"{batch:,}", *times, sized(sent), f"{faster:.1f}", most])
    return rows(["GPUs", "batch of all", "computing, ms", "summing, ms", "each sends", "times one GPU", "takes most"], lines)


def limits() -> str:
    """Return the table of bytes."""
    plans = [Plan(images, classes, cells) for images, classes, cells in CORNERS]
    found = [model.stored(plan) for plan in plans]
    head = ["what", *(f"{plan.images:,} images, {plan.classes:,} classes, {plan.cells:,} cells" for plan in plans)]
    return rows(head, [[name, *(sized(one[name]) for one in found)] for name in found[0]])


def tables(points: model.Points) -> dict[str, str]:
    """Return every table by the name of its mark."""
    law = model.laws(points)
    large = Plan(images=1_000_000, cells=1002)
    most = {str(gpus): dataclasses.replace(large, gpus=gpus) for gpus in (1, 8, 64)}
    many = dataclasses.replace(large, gpus=64, classes=1000)
    return {
        "laws": fitted(law, points),
        "plans by images": foreseen({f"{n:,}": Plan(images=n) for n in (1000, 10_000, 100_000, 1_000_000)}, law, "images"),
        "plans by cells": foreseen({f"{n:,}": Plan(cells=n, gpus=8) for n in (12, 102, 1002)}, law, "cells"),
        "plans by GPUs": foreseen({**most, "64, 1,000 classes": many}, law, "GPUs"),
        "steps": steps(),
        "limits": limits(),
        "moves": rows(["takes most", "what moves it"], list(MOVES.items())),
    }


def put(page: str, found: Mapping[str, str]) -> str:
    """Return the page with each table between its marks. Raises ValueError where a mark is missing."""
    for name, table in found.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, _, rest = page.partition(begin)
        _, mark, after = rest.partition(end)
        if not mark:
            raise ValueError(f"{PAGE} has no {begin.strip()} with its end")
        page = before + begin + table + end + after
    return page


def write() -> None:
    """Write the tables into the page."""
    PAGE.write_text(put(PAGE.read_text(), tables(model.measured())))
