"""A contender taken out of a finished run: which of its cells was kept, and its network as it was when it was evaluated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from xzoo.compare.bench import build, input_of, shorter_side
from xzoo.errors import StorageError, UsageError
from xzoo.evaluate.deployed import Deployed
from xzoo.evaluate.map_layer import declared_layer
from xzoo.model.classifier import Classifier
from xzoo.runs import store
from xzoo.runs.result import Cell, CellResult, Recommendation
from xzoo.runs.store import RunFolder
from xzoo.train.device import choose
from xzoo.train.prepared import prepare
from xzoo.train.recipe import make as make_recipe
from xzoo.zoo.names import Reference
from xzoo.zoo.registry import Registry, start_of
from xzoo.zoo.spec import Backbone, Choice, Preprocess
from xzoo.zoo.wording import did_you_mean

What = str | os.PathLike[str] | Recommendation | None
RUNS = "xzoo-runs"


@dataclass(frozen=True)
class Saved:
    """One cell of a run whose learnt tensors are there. `white` is the 16-bit value that its data took for 255."""

    folder: RunFolder
    cell: Cell
    classes: tuple[str, ...]
    reference: Reference | None
    white: int | None

    @property
    def label(self) -> str:
        """The backbone with the weights it started from."""
        return f"{self.cell.backbone}@{self.cell.weights}"


@dataclass(frozen=True)
class _Recommending:
    """The one field of an outcome that is needed here."""

    recommendation: Recommendation | None = None


def load(
    what: What,
    *,
    contender: str | None = None,
    seed: int | None = None,
    runs: str | Path = RUNS,
    backbone: Backbone | Choice | None = None,
) -> Deployed:
    """Return a contender of a run, in eval mode on the CPU, its preprocessing included.

    `what` is a recommendation, or a run's path, hash prefix or `last`; `contender` the recommended one where none is named;
    `seed` the best on validation of those whose tensors were kept. `backbone` stands for one that was made in Python, which a
    run folder cannot find again. Raises UsageError, WeightsError, PluginError, StorageError.
    """
    return rebuild(find(what, contender=contender, seed=seed, runs=runs), backbone)


def find(what: What, *, contender: str | None = None, seed: int | None = None, runs: str | Path = RUNS) -> Saved:
    """Return the cell that is meant. Raises UsageError where there is none, or where its tensors were not kept."""
    if what is None:
        raise UsageError("there is no recommendation to load", "name the run and one of its contenders")
    if isinstance(what, Recommendation):
        folder, contender = RunFolder(Path(what.run)), contender or what.contender
    else:
        folder = store.find(os.fspath(what), Path(runs))
    plan = folder.plan()
    cells = msgspec.convert(plan["cells"], list[Cell])
    name = _contender(folder, cells, contender)
    cell = _kept(folder, [cell for cell in cells if cell.contender == name], seed, str(plan["keep"]))
    asked = plan.get("backbones", {}).get(f"{cell.backbone}@{cell.weights}")
    reference = msgspec.convert(asked, Reference) if asked else None
    data: dict[str, Any] = plan["data"]
    return Saved(folder, cell, tuple(data["classes"]), reference, data.get("white"))


def rebuild(saved: Saved, backbone: Backbone | Choice | None = None, device: str = "cpu") -> Deployed:
    """Return the network of a saved cell on a device, in eval mode. Raises what `load` does."""
    classifier, preprocess = restored(saved, backbone, device)
    resize = shorter_side(preprocess, make_recipe(saved.cell.recipe))
    declared = declared_layer(classifier.backbone, classifier.network)
    paths = classifier.backbone.head.paths
    return Deployed(classifier.network, saved.classes, preprocess, resize, map_layer=declared, head_paths=paths).eval()


def restored(saved: Saved, backbone: Backbone | Choice | None = None, device: str = "cpu") -> tuple[Classifier, Preprocess]:
    """Return the classifier of a saved cell as it was learnt, and what its images go through. Raises what `load` does."""
    choice, recipe = choice_of(saved, backbone), make_recipe(saved.cell.recipe)
    prepared, preprocess = prepare(choice), input_of(choice, recipe)
    chosen = choose(device, recipe.precision)
    classifier, _ = build(prepared, len(saved.classes), recipe, saved.cell.seed, preprocess, chosen)
    learnt = _read(saved.folder.learnt(saved.cell.id))
    if not _restore(classifier, learnt):
        facts = saved.folder.facts(saved.label)
        body = prepared.tensors
        if facts is not None and facts.weights.get("body", body) != body:
            raise UsageError(
                f"{saved.label} does not start as it did in {saved.folder.path}: its code, its weights or torch changed",
                "bring back what it was, or run the comparison again",
            )
    return classifier, preprocess


def contenders_of(folder: RunFolder, cells: Sequence[Cell], asked: Sequence[str]) -> list[str]:
    """Return the contenders that are meant: those asked for, else the recommended one, else all. Raises UsageError."""
    if asked:
        return list(dict.fromkeys(_contender(folder, cells, name) for name in asked))
    outcome = folder.outcome(_Recommending)
    if outcome is not None and outcome.recommendation is not None:
        return [outcome.recommendation.contender]
    return list(dict.fromkeys(cell.contender for cell in cells))


def _contender(folder: RunFolder, cells: Sequence[Cell], asked: str | None) -> str:
    names = list(dict.fromkeys(cell.contender for cell in cells))
    if asked in names:
        return str(asked)
    known = f"its contenders are: {'; '.join(names)}"
    if asked is not None:
        raise UsageError(f"{folder.path} has no contender {asked!r}", did_you_mean(asked, names) + known)
    if len(names) == 1:
        return names[0]
    outcome = folder.outcome(_Recommending)
    if outcome is None or outcome.recommendation is None:
        raise UsageError(f"{folder.path} recommends no contender", f"name one with --contender; {known}")
    return outcome.recommendation.contender


def _kept(folder: RunFolder, cells: Sequence[Cell], seed: int | None, keep: str) -> Cell:
    name = cells[0].contender
    kept = [(cell, result) for cell in cells if folder.learnt(cell.id).is_file() and (result := folder.cell(cell.id))]
    done = [(cell, result) for cell, result in kept if result.status == "done"]
    if not done:
        why, remedy = (
            ("the run kept none (--keep none)", "run it again with --keep best or all")
            if keep == "none"
            else ("none of its cells is finished", "give its command again, or name another run; `xzoo runs` lists them")
        )
        raise UsageError(f"no trained tensors of {name} are in {folder.path}: {why}", remedy)
    seeds = ", ".join(str(cell.seed) for cell, _ in done)
    if seed is None:
        return max(done, key=lambda pair: (_accuracy(pair[1]), -pair[0].seed))[0]
    for cell, _ in done:
        if cell.seed == seed:
            return cell
    was_trained = any(cell.seed == seed for cell in cells)
    what = f"the trained tensors of seed {seed} were not kept" if was_trained else f"there is no seed {seed}"
    raise UsageError(
        f"{name} in {folder.path}: {what}", f"kept: seed {seeds}; leave the seed out, or run it again with --keep all"
    )


def _accuracy(result: CellResult) -> float:
    return result.val.accuracy.value if result.val and result.val.accuracy else 0.0


def choice_of(saved: Saved, backbone: Backbone | Choice | None) -> Choice:
    """Return the backbone of a saved cell, found again, or the value that stands for it. Raises UsageError, PluginError."""
    if isinstance(backbone, Choice):
        return backbone
    if backbone is not None:
        return replace(Registry.installed().get(backbone), start=start_of(backbone, saved.cell.weights))
    if saved.reference is None:
        raise UsageError(
            f"{saved.label} was made in Python, and {saved.folder.path} cannot find it again",
            "hand it over: backbone=...",
        )
    return Registry.installed().get(saved.reference)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise StorageError(
            f"cannot read {path}: {error}", "the run folder is incomplete or was altered; remove its cell and run it again"
        ) from error


def _restore(classifier: Classifier, learnt: dict[str, Tensor]) -> bool:
    """Put the learnt tensors in their places and say whether they are all there are. Raises UsageError."""
    state = classifier.network.state_dict()
    odd = [name for name, tensor in learnt.items() if name not in state or state[name].shape != tensor.shape]
    if odd:
        raise UsageError(
            f"{classifier.backbone.name} is not the network it was: {len(odd)} learnt tensors do not fit ({', '.join(odd[:3])})",
            "bring back its code, or run the comparison again",
        )
    with torch.no_grad():
        classifier.restore(learnt)
    return state.keys() <= learnt.keys()
