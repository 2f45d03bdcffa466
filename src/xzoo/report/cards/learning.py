"""What a run knows of how a model was made, in words; empty where it does not know it."""

from __future__ import annotations

from xzoo.data.items import counted, listed
from xzoo.report import tables
from xzoo.report.cards.trained import Trained

_GONE = "Its learnt tensors were not kept; the command with --keep best or all keeps them."


def network(model: Trained) -> str:
    """Return the architecture, what became of its head, and what of it learnt."""
    row = model.row
    if model.facts is None or model.size is None or row.params is None or row.learning_params is None:
        return ""
    cost = "" if row.gmacs is None else f", {row.gmacs:.2f} GMACs"
    height, width = model.size
    return (
        f"{row.backbone} (declared by {model.facts.origin or 'its caller'}): {row.params:,} parameters{cost}, input {height} x "
        f"{width}; its head is replaced by one that answers with {len(model.dataset['classes'])} classes. Under {row.freeze} "
        f"{row.learning_params:,} parameters learn."
    )


def start(model: Trained) -> str:
    """Return what the network started from."""
    weights = {} if model.facts is None else model.facts.weights
    name = str(weights.get("name", ""))
    if not name:
        return ""
    known = [f"{key} {value}" for key in ("licence", "sha256", "source") if (value := weights.get(key))]
    kind = "from random numbers" if name.startswith("random") else "from pretrained weights"
    return f"Starts {kind}: {name}{f' ({listed(known)})' if known else ''}."


def training(model: Trained) -> str:
    """Return the recipe and how often it was carried out."""
    recipe, proof = model.row.recipe, model.cell.proof
    values = ", ".join(f"{key}={value}" for key, value in recipe.items())
    promise = "" if proof is None else f" Its proof {'holds' if proof.holds else 'does not hold'}."
    return f"Strategy {model.row.freeze}, {counted(len(model.row.seeds), 'seed')}; recipe: {values}.{promise}" if recipe else ""


def selection(model: Trained) -> str:
    """Return how this model was chosen from all that were trained."""
    rule = model.row.recipe.get("keep", "best")
    epoch = model.cell.best_epoch
    which = f"the epoch best on validation ({epoch + 1})" if rule == "best" and epoch is not None else "the last epoch"
    seeds, others = counted(len(model.row.seeds), "seed"), counted(len(model.reading.outcome.contenders), "contender")
    rank = "nowhere" if model.row.rank is None else tables.places(model.row.rank, model.row.worst_rank)
    chosen = f"of {seeds} the best on validation (seed {model.cell.seed})"
    flattered = "What was chosen on validation looks a little better there than it is; test had no part in the choice."
    return f"Weights of {which}; {chosen}. Of {others} it ranks {rank} there. {flattered}"


def software(model: Trained) -> str:
    """Return versions and the machine."""
    versions, machine = model.origins.versions, model.origins.environment
    known = ", ".join(f"{name} {version}" for name, version in versions.items())
    threads = counted(machine.get("threads", 0), "thread")
    return f"{known}; on {machine.get('device', 'an unnamed device')}, {threads}." if known else ""


def output(model: Trained) -> str:
    """Return what the model answers, and thresholds that validation chose."""
    points = [f"{one['rule']} at {one['threshold']:.3f}" for one in model.cell.operating if one.get("threshold") is not None]
    chosen = f" Thresholds chosen on validation: {', '.join(points)}." if points else ""
    names = listed(list(model.dataset["classes"]), most=12)
    return f"A probability for each of {names}; the answer is the most probable.{chosen}"


def rerun(model: Trained) -> str:
    """Return the command that makes the run again."""
    return f"Made again by: {model.origins.command}" if model.origins.command else ""


def tensors(model: Trained) -> str:
    """Return what tells the model's tensors from others, or that they are gone."""
    kept = model.reading.folder.learnt(model.cell.id).name
    return f"The learnt tensors are learnt/{kept} in the run's folder, sha256 {model.sha256}." if model.sha256 else _GONE


def imbalance(model: Trained) -> str:
    """Return that nothing was done about classes of other sizes, where that is so."""
    return "No method against it was used." if model.row.recipe.get("class_weights") == "none" else ""


def weighed(model: Trained) -> str:
    """Return what was done about classes of other sizes."""
    return "Losses are weighed by class (class_weights=balanced)." if model.row.recipe.get("class_weights") == "balanced" else ""
