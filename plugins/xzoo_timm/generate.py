"""Write `catalogue.json`: the classification networks of the installed timm, counted on the meta device, and what timm publishes.

Run `python -m xzoo_timm.generate catalogue.json [--top1 results-imagenet.csv]` after raising timm's version; a run that was
stopped goes on where it was. Accuracies come from timm's own table, results/results-imagenet.csv in its repository, or stay.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import json
import logging
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import xzoo
from xzoo_timm.catalogue import declare
from xzoo_timm.rows import USUAL, Row, names, row_of

Top = dict[str, tuple[float, float]]


def rows(done: Mapping[str, Row]) -> Iterable[tuple[str, Row]]:
    """Yield each network's name and row; those in `done` are not observed again. What does not classify is left out."""
    for name in names():
        if name in done:
            yield name, done[name]
            continue
        began = time.perf_counter()
        try:
            row, module = row_of(name)
        except ValueError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            continue
        backbone = declare(name, name, row, [])
        facts = xzoo.info(xzoo.Backbone(**{**vars(backbone), "build": lambda module=module: module}))
        row["gmacs"] = facts.gmacs
        print(f"{name} {facts.params:,} {facts.gmacs} {time.perf_counter() - began:.1f} s", file=sys.stderr)
        yield name, row


def briefly(name: str, row: Row, top: Top) -> Row:
    """Return a row as the catalogue keeps it: without what is usual, and with accuracies at the size that the weights are for."""
    own = {key: value for key, value in row["input"].items() if USUAL.get(key) != value and key not in {"fixed", "paper"}}
    kept = {key: value for key, value in row.items() if value and USUAL.get(key) != value and key not in {"input", "weights"}}
    weights = []
    for entry in row["weights"]:
        accuracy = top.get(f"{name}.{entry['tag']}")
        said = {key: value for key, value in entry.items() if key not in {"fixed", "paper", "top1", "top5"}}
        brief = {key: value for key, value in said.items() if {**USUAL, **own}.get(key) != value}
        if brief.get("hf") == f"timm/{name}.{entry['tag']}":
            del brief["hf"]
        weights.append(brief | ({"top1": accuracy[0], "top5": accuracy[1]} if accuracy else {}))
    return {**kept, "input": own, "weights": weights}


def accuracies(path: Path) -> Top:
    """Read top-1 and top-5 from timm's table; where it has several sizes of image, the smallest, which is that of training."""
    found: dict[str, tuple[int, float, float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            size = int(line["img_size"])
            if size <= found.get(line["model"], (size, 0.0, 0.0))[0]:
                found[line["model"]] = (size, float(line["top1"]), float(line["top5"]))
    return {name: (top1, top5) for name, (_, top1, top5) in found.items()}


def kept(table: Mapping[str, Any]) -> Top:
    """Return the accuracies of a catalogue."""
    return {
        f"{name}.{entry['tag']}": (entry["top1"], entry["top5"])
        for name, row in table["networks"].items()
        for entry in row["weights"]
        if "top1" in entry
    }


def lines(networks: Mapping[str, Row], source: str) -> Iterable[str]:
    """Yield the catalogue as JSON, one network per line, so that a change is seen where it is."""
    about = {"timm": importlib.metadata.version("timm"), "top1": source}
    yield f'{json.dumps(about)[:-1]}, "networks": {{'
    rows = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in networks.items()]
    yield ",\n".join(rows)
    yield "}}"


def main() -> None:
    """Write the catalogue; what was observed goes beside it first, a line per network."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("catalogue", type=Path)
    words.add_argument("--top1", type=Path, help="timm's results/results-imagenet.csv")
    words.add_argument("--source", default="", help="Where that file is from.")
    asked = words.parse_args()
    logging.disable(logging.WARNING)
    before: dict[str, Any] = {"networks": {}, "top1": ""}
    if asked.catalogue.is_file():
        before = json.loads(asked.catalogue.read_text("utf-8"))
    top, source = (accuracies(asked.top1), asked.source) if asked.top1 else (kept(before), before["top1"])
    beside = asked.catalogue.with_suffix(".jsonl")
    done: dict[str, Row] = {}
    if beside.is_file():
        done = dict(json.loads(line) for line in beside.read_text("utf-8").splitlines())
    networks = {}
    with beside.open("a", encoding="utf-8") as file:
        for name, row in rows(done):
            if name not in done:
                file.write(f"{json.dumps([name, row])}\n")
                file.flush()
            networks[name] = briefly(name, row, top)
    asked.catalogue.write_text("\n".join(lines(networks, source)) + "\n", "utf-8")


if __name__ == "__main__":
    main()
