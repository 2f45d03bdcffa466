"""timm's networks by family, small ones first: head replaced, stages held against the calls, steps frozen and fine-tuned.

Run `python tests/real/timm_families.py [--count 120] [--at-once 2] FOLDER [NAMES]`; it goes on where it was stopped, and ends
with a table. Every network has a process of its own, limited in memory and time.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from xzoo.zoo.isolation import Limits, run
from xzoo_timm import catalogue

LIMITS = Limits(seconds=900.0, memory_mb=6_000)
SIDE = 64
"""Pixels of an image where a network takes any size; its own smallest if that is more."""

TOLERANCE = 1e-5


def chosen(count: int) -> list[str]:
    """Return so many networks: the smallest of every family, then the second smallest, and so on."""
    families: dict[str, list[str]] = {}
    rows: Mapping[str, Any] = catalogue.table()["networks"]
    for name, row in sorted(rows.items(), key=lambda pair: pair[1]["params"]):
        families.setdefault(row["family"], []).append(name)
    turns = range(max(map(len, families.values())))
    every = [names[turn] for turn in turns for names in families.values() if turn < len(names)]
    return every[:count]


def examine(name: str, tell: Callable[[Any], None]) -> None:
    """Tell what holds of a network, in an isolated process."""
    import torch

    from xzoo.model import classifier as classifiers
    from xzoo.model.heads import seeded
    from xzoo.zoo.registry import Registry

    began = time.perf_counter()
    choice = Registry.installed().get(f"timm/{name}@random")
    backbone = choice.backbone
    side = backbone.preprocess.shape if backbone.fixed_size else (max(SIDE, backbone.min_size),) * 2
    with seeded(0, "start"):
        network = backbone.build()
    classifier = classifiers.build(network, backbone, 2, seed=0, size=side)
    images_BCHW = torch.randn(2, backbone.preprocess.num_channels, *side, generator=torch.Generator().manual_seed(1))
    faults = [*answers(classifier, images_BCHW), *order(classifier, images_BCHW)]
    faults += steps(classifier, images_BCHW, {}, "frozen")
    faults += steps(classifier, images_BCHW, dict.fromkeys(classifier.stages, 1.0), "fine-tuned")
    faults += steps(classifier, images_BCHW, {classifier.stages[-1]: 1.0}, "the last stage")
    row = catalogue.table()["networks"][name]
    if len(classifier.stages) != row["stages"]:
        faults.append(f"{len(classifier.stages)} stages, {row['stages']} in the catalogue")
    tell(
        {
            "name": name,
            "family": row["family"],
            "params": row["params"],
            "size": side,
            "stages": classifier.stages,
            "head": backbone.head.path,
            "features": list(classifier.features(images_BCHW).shape[1:]),
            "faults": faults,
            "seconds": round(time.perf_counter() - began, 1),
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    )


def answers(classifier: Any, images_BCHW: Any) -> Iterable[str]:
    """Yield what is wrong with the logits in eval and in train mode, and with the head on features."""
    import torch

    classifier.learn({})
    with torch.no_grad():
        classifier.network.eval()
        logits_BK = classifier(images_BCHW)
        if tuple(logits_BK.shape) != (2, 2):
            yield f"logits of shape {tuple(logits_BK.shape)}"
        away = float((classifier.logits_of(classifier.features(images_BCHW)) - logits_BK).abs().max())
        if not away <= TOLERANCE * max(1.0, float(logits_BK.abs().max())):
            yield f"head(features(x)) is {away:.2e} away from model(x)"
        classifier.network.train()
        out = classifier.network(images_BCHW)
    if not isinstance(out, torch.Tensor) or tuple(out.shape) != (2, 2):
        yield f"in train mode it returns {type(out).__name__}"


def order(classifier: Any, images_BCHW: Any) -> Iterable[str]:
    """Yield stages that are first called after one that is declared later."""
    import torch

    from xzoo.model.ownership import HEAD

    first: dict[str, int] = {}
    owners: dict[str, str] = {}
    for name, _ in classifier.network.named_parameters():
        owners.setdefault(name.rpartition(".")[0], classifier.tensor_owner[name])

    def note(_module: Any, _inputs: Any, owner: str) -> None:
        first.setdefault(owner, len(first))

    handles = [
        module.register_forward_pre_hook(functools.partial(note, owner=owners[name]))
        for name, module in classifier.network.named_modules()
        if name in owners and name
    ]
    with torch.no_grad():
        classifier.network.eval()(images_BCHW)
    for handle in handles:
        handle.remove()
    called = [stage for stage in sorted(first, key=lambda stage: first[stage]) if stage != HEAD]
    if called != [stage for stage in classifier.stages if stage in called]:
        yield f"stages are called in the order {', '.join(called)}"


def steps(classifier: Any, images_BCHW: Any, rates: Mapping[str, float], word: str) -> Iterable[str]:
    """Yield what one step at these rates moves and should not, and what gets no gradient and should."""
    import torch

    before = {name: tensor.detach().clone() for name, tensor in classifier.network.state_dict().items()}
    classifier.learn(rates)
    learning = classifier.learning_owners(rates)
    classifier.network.zero_grad()
    torch.autograd.backward(torch.nn.functional.cross_entropy(classifier(images_BCHW), torch.tensor([0, 1])))
    without = [name for name, one in classifier.network.named_parameters() if one.requires_grad and one.grad is None]
    if without:
        yield f"{word}: no gradient for {len(without)} parameters such as {without[0]}"
    with torch.no_grad():
        for parameter in classifier.network.parameters():
            if parameter.requires_grad and parameter.grad is not None:
                parameter.sub_(1e-3 * parameter.grad.sign())
    moved = [name for name, tensor in classifier.network.state_dict().items() if not torch.equal(tensor, before[name])]
    astray = [name for name in moved if classifier.tensor_owner[name] not in learning]
    if astray:
        yield f"{word}: {len(astray)} tensors that should rest moved, such as {astray[0]}"
    still = learning - {classifier.tensor_owner[name] for name in moved}
    if still:
        yield f"{word}: nothing moved in {', '.join(sorted(still))}"
    classifier.network.load_state_dict(before)


def examined(name: str) -> dict[str, Any]:
    """Return what a process of its own says of a network, or how it ended."""
    ending = run("timm_families:examine", name, LIMITS, variables={"OMP_NUM_THREADS": "1"})
    if ending.answers:
        answer: dict[str, Any] = ending.answers[0]
        return answer
    row = catalogue.table()["networks"][name]
    fault = " ".join(f"{ending.fault} {ending.output[-300:]}".split())
    return {"name": name, "family": row["family"], "params": row["params"], "faults": [fault]}


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| network | family | parameters | input | stages | head | features | s | MB | faults |",
        "|---|---|--:|---|--:|---|---|--:|--:|---|",
    ]
    for row in sorted(rows, key=lambda row: (row["family"], row["params"])):
        size = "x".join(map(str, row.get("size", ())))
        features = "x".join(map(str, row.get("features", ())))
        cells = [
            row["name"],
            row["family"],
            f"{row['params']:,}",
            size,
            len(row.get("stages", ())),
            row.get("head", ""),
            features,
        ]
        cells += [row.get("seconds", ""), row.get("memory_mb", ""), "; ".join(row["faults"])]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Examine what is missing and write the table; return the number of networks with faults."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("folder", type=Path)
    words.add_argument("names", nargs="*")
    words.add_argument("--count", type=int, default=120)
    words.add_argument("--at-once", type=int, default=2)
    asked = words.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    kept = asked.folder / "families.jsonl"
    done = {row["name"]: row for row in map(json.loads, kept.read_text("utf-8").splitlines())} if kept.is_file() else {}
    todo = [name for name in asked.names or chosen(asked.count) if name not in done or asked.names]
    with kept.open("a", encoding="utf-8") as file, ThreadPoolExecutor(asked.at_once) as pool:
        for row in pool.map(examined, todo):
            done[row["name"]] = row
            file.write(f"{json.dumps(row)}\n")
            file.flush()
            print(row["name"], row.get("seconds", "-"), *row["faults"], flush=True)
    (asked.folder / "families.md").write_text(table(done.values()), "utf-8")
    return sum(bool(row["faults"]) for row in done.values())


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(min(main(), 1))
