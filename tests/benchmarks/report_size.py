"""How long a report of a thousand cells takes and how large it is: python tests/benchmarks/report_size.py [CONTENDERS].

The run is written, not trained: three seeds, 400 test images and 30 epochs a cell, and every pair of contenders compared on
validation and on test. Where a Chromium is installed, it says how long the page takes to open, to sort, and to filter.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xzoo
from written_run import Wish, write_run
from xzoo import durable
from xzoo.compare.outcome import Outcome
from xzoo.runs.result import Comparison, Measure
from xzoo.runs.store import RunFolder


def large(folder: Path, num_contenders: int) -> Outcome:
    """Write a run of so many contenders, half of them frozen."""
    names = [f"family/network_{number}" for number in range(num_contenders // 2)]
    outcome = write_run(folder, Wish(names=names, images=400, epochs=30, distinct=12, comparing=False))
    same = Comparison(
        a="",
        b="",
        split="",
        metric="accuracy",
        difference=Measure(0.01, -0.02, 0.04, 400),
        test="exact McNemar",
        p=0.5,
        p_holm=1.0,
        verdict="cannot tell",
        rests_on="difference +0.010 (-0.020 to +0.040)",
        margin=0.02,
    )
    ids = [row.id for row in outcome.contenders]
    pairs = [
        dataclasses.replace(same, a=a, b=b, split=split) for split in ("val", "test") for a, b in itertools.combinations(ids, 2)
    ]
    whole = dataclasses.replace(outcome, comparisons=pairs)
    RunFolder(folder).write_outcome(whole)
    return whole


def in_browser(page: Path) -> str:
    """Return how long a browser takes over it, in words."""
    from playwright.sync_api import sync_playwright

    told = []
    with sync_playwright() as started:
        tab: Any = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"]).new_page()
        steps: dict[str, Callable[[], Any]] = {
            "opened": lambda: tab.goto(page.as_uri()),
            "sorted": lambda: tab.locator("table.board thead button").nth(4).click(),
            "filtered": lambda: tab.get_by_label("Filter").fill("network_1"),
            "pointed at": lambda: tab.locator("table.board tbody tr:visible").nth(1).hover(),
        }
        for what, act in steps.items():
            began = time.perf_counter()
            act()
            tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            told.append(f"{what} in {time.perf_counter() - began:.1f} s")
    return ", ".join(told)


if __name__ == "__main__":
    with durable.temporary_folder("xzoo-report-") as place:
        outcome = large(place / "run", int(sys.argv[1]) if len(sys.argv) > 1 else 334)
        stored = (place / "run" / "compare.json").stat().st_size / 1e6
        began, worked = time.perf_counter(), time.process_time()
        page = xzoo.report(place / "run", place / "report.html")
        took, worked = time.perf_counter() - began, time.process_time() - worked
        print(f"{len(outcome.cells)} cells, {len(outcome.comparisons)} comparisons, {stored:.0f} MB stored")
        print(f"report in {took:.1f} s, of which this process worked {worked:.1f} s; {page.stat().st_size / 1e6:.1f} MB")
        if shutil.which("chromium"):
            print(in_browser(page))
