"""Ten backbones under six strategies, each trained by the product and proven here, from state dicts and declarations alone.

XZOO_WRITE_TABLE=1 writes docs/proof-table.md; without it the table there is compared with this run's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import xzoo
from xzoo.compare import cell as cells
from xzoo.compare.finishing import Output
from xzoo.data.pack import Pack, make_pack
from xzoo.data.source import arrays, open_source
from xzoo.runs.result import Cell
from xzoo.train.device import choose
from xzoo.train.loop import train
from xzoo.train.prepared import Prepared
from xzoo.zoo.registry import Registry
from xzoo.zoo.strategies import parse

TORCHVISION = ("alexnet", "googlenet", "resnet18", "resnet34", "resnet50", "densenet121", "vgg16")
BACKBONES = (*TORCHVISION, "mlp", "cnn", "convgap")
STRATEGIES = ("frozen", "finetune", "last:1", "gradual:1", "lp-ft", "layerwise:0.75")
TABLE = Path(__file__).parents[2] / "docs" / "proof-table.md"
SIZE = 64
FOUND: dict[tuple[str, str], str] = {}

State = Mapping[str, Tensor]
Make = Callable[..., tuple[Prepared, Cell]]


@dataclass
class Seen:
    """What training did: the state dict before it and after each epoch, and each step's rate of each parameter held."""

    network: nn.Module | None = None
    states: list[State] = field(default_factory=list)
    rates: list[dict[int, float]] = field(default_factory=list)
    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    found = Seen()

    class Recorded(torch.optim.AdamW):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            found.optimizers.append(self)

        def step(self, closure: Any = None) -> Any:
            rates = {id(p): group["lr"] for group in self.param_groups for p in group["params"]}
            # The trainer steps group by group; a group that was there already begins the next step.
            if not found.rates or found.rates[-1].keys() & rates.keys():
                found.rates.append({})
            found.rates[-1].update(rates)
            return super().step(closure)

    def watched(learner: Any, *args: Any) -> Iterator[Any]:
        found.network = learner.classifier.network
        found.states.append(copied(learner.classifier.network))
        for record in train(learner, *args):
            found.states.append(copied(learner.classifier.network))
            yield record

    monkeypatch.setattr(cells, "train", watched)
    monkeypatch.setattr(torch.optim, "AdamW", Recorded)
    yield found
    # A class is a cycle that outlives its test, and VGG's optimiser alone holds a gigabyte.
    found.optimizers.clear()
    found.states.clear()


@pytest.fixture(scope="module")
def few() -> Pack:
    """Four training, two validation and two test images of noise."""
    images_NHW = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE), dtype=np.uint8)
    return make_pack(open_source(arrays(images_NHW, np.arange(8) % 2, splits=["train"] * 4 + ["val"] * 2 + ["test"] * 2)))


def copied(network: nn.Module) -> State:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def owners_of(backbone: xzoo.Backbone, network: nn.Module) -> dict[str, str]:
    """Return who holds each tensor of the state dict, read from the declaration alone."""
    stages = backbone.stages(network) if callable(backbone.stages) else backbone.stages
    claims = {stage: (named,) if isinstance(named, str) else tuple(named) for stage, named in stages.items()}
    claims |= {"HEAD": (backbone.head.path,), "AUXILIARY": tuple(auxiliary.path for auxiliary in backbone.auxiliary)}
    return {
        name: owner
        for name in network.state_dict()
        for owner, prefixes in claims.items()
        if any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes)
    }


def rates_of(backbone: xzoo.Backbone, network: nn.Module, freeze: str, epoch: int, num_epochs: int) -> dict[str, float]:
    """Return the rate of each tensor of the state dict in an epoch, 0 for what is frozen."""
    owners = owners_of(backbone, network)
    stages = backbone.stages(network) if callable(backbone.stages) else backbone.stages
    rates = dict(parse(freeze).rates(tuple(stages), epoch, num_epochs))
    all_learn = all(rates.get(stage, 0) > 0 for stage in stages)
    rates |= {"HEAD": 1.0, "AUXILIARY": float(all_learn)}
    return {name: rates.get(owners.get(name, ""), 0.0) for name in network.state_dict()}


def check(found: Output, seen: Seen, prepared: Prepared, freeze: str) -> str:
    """Hold a cell's training against its strategy's promise, epoch by epoch, and return the table's entry."""
    backbone, network = prepared.choice.backbone, seen.network
    assert network is not None
    num_epochs = len(seen.states) - 1
    named = dict(network.named_parameters())
    learnt: set[str] = set()
    held: set[str] = set()
    for epoch, (before, after) in enumerate(zip(seen.states[:-1], seen.states[1:], strict=True)):
        rates = rates_of(backbone, network, freeze, epoch, num_epochs)
        moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
        should = {name for name, rate in rates.items() if rate > 0}
        assert sorted(moved - should) == [], "frozen, and moved"
        assert sorted(should - moved) == [], "should learn, and did not"
        learnt, held = learnt | moved, held | (should & set(named))
        steps = seen.rates[len(seen.rates) * epoch // num_epochs : len(seen.rates) * (epoch + 1) // num_epochs]
        full = [step[id(named[f"{backbone.head.path}.weight"])] for step in steps]
        assert all(rate > 0 for rate in full)
        for name in held & should:
            assert [step[id(named[name])] for step in steps] == pytest.approx([rate * rates[name] for rate in full])
    [optimizer] = seen.optimizers
    in_optimizer = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert len(set(in_optimizer)) == len(in_optimizer)
    assert {name for name, p in named.items() if id(p) in set(in_optimizer)} == held, "the optimiser holds others"
    assert len(in_optimizer) == len(held)
    end, loaded = network.state_dict(), prepared.network.state_dict()
    new = tuple(f"{auxiliary.head.path}." for auxiliary in backbone.auxiliary)
    frozen = [name for name in loaded if name not in learnt and not name.startswith(new)]
    assert [name for name in frozen if not torch.equal(loaded[name], end[name].cpu())] == [], "not what was loaded"
    assert set(found.learnt) == learnt
    assert found.result.proof is not None
    assert found.result.proof.holds
    assert found.result.learning_params == sum(named[name].numel() for name in held)
    return f"{len(learnt)} / {len(end)}"


@pytest.fixture(scope="module")
def prepared_of(cell_of: Make, few: Pack) -> Callable[..., tuple[Prepared, Cell]]:
    """Plan a cell, of a network that is built once for neighbouring tests."""
    kept: dict[str, Prepared] = {}

    def make(name: str, freeze: str, size: int = SIZE, **recipe: Any) -> tuple[Prepared, Cell]:
        backbone = Registry.installed().get(f"{name}@random").backbone
        values = {"epochs": 1, "batch_size": 2, "size": 0 if backbone.fixed_size else size, "precision": "auto", **recipe}
        if name not in kept:
            kept.clear()
            kept[name] = cell_of(f"{name}@random", few, freeze, **values)[0]
        return kept[name], cell_of(f"{name}@random", few, freeze, **values, ready=kept[name])[1]

    return make


def trained(prepared: Prepared, cell: Cell, few: Pack, kind: str = "cpu") -> Output:
    *records, output = cells.compute(prepared, cell, few, choose(kind))
    assert len(records) == cell.recipe["epochs"]
    assert isinstance(output, Output)
    return output


@pytest.mark.parametrize("freeze", STRATEGIES)
@pytest.mark.parametrize("name", BACKBONES)
def test_what_was_promised_to_learn_did_and_nothing_else(
    name: str, freeze: str, few: Pack, seen: Seen, prepared_of: Make
) -> None:
    prepared, cell = prepared_of(name, freeze)
    FOUND[name, freeze] = check(trained(prepared, cell, few), seen, prepared, freeze)


@pytest.mark.parametrize("freeze", ["gradual:1", "lp-ft"])
@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnet18", "densenet121", "mlp", "cnn", "convgap"])
def test_a_second_phase_keeps_its_own_promise(name: str, freeze: str, few: Pack, seen: Seen, prepared_of: Make) -> None:
    prepared, cell = prepared_of(name, freeze, epochs=2, keep="last")
    check(trained(prepared, cell, few), seen, prepared, freeze)
    assert len(seen.optimizers[0].param_groups) > 1


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("freeze", STRATEGIES)
@pytest.mark.parametrize("name", TORCHVISION)
def test_the_same_holds_on_cuda_at_full_size(name: str, freeze: str, few: Pack, seen: Seen, prepared_of: Make) -> None:
    prepared, cell = prepared_of(name, freeze, size=0, epochs=2, keep="last")
    check(trained(prepared, cell, few, "cuda"), seen, prepared, freeze)


def test_the_table_in_the_docs_is_this_one() -> None:
    if len(FOUND) < len(BACKBONES) * len(STRATEGIES):
        pytest.skip("only some of its rows were run")
    rows = [[name, *(FOUND[name, freeze] for freeze in STRATEGIES)] for name in BACKBONES]
    head = ["backbone", *(f"`{freeze}`" for freeze in STRATEGIES)]
    lines = [" | ".join(row) for row in (head, ["---", *["---:"] * len(STRATEGIES)], *rows)]
    text = f"{INTRODUCTION}\n" + "".join(f"| {line} |\n" for line in lines)
    if os.environ.get("XZOO_WRITE_TABLE"):
        TABLE.write_text(text, "utf-8")
    assert TABLE.read_text("utf-8") == text


INTRODUCTION = """# What learns

Ten backbones with random weights, each trained for one epoch under six freeze strategies. An entry says how many tensors of the
state dict, parameters and buffers, are not bit for bit what they were, of how many. In every entry they are exactly those that
the strategy promises: no frozen tensor moved, and each that should learn did. `gradual:1` learns the head alone in its first
epoch, and a single epoch of `lp-ft` fine-tunes; their later phases are tested too. `XZOO_WRITE_TABLE=1` makes the table in
`tests/compare/test_table.py`, which fails where it is no longer true.
"""
