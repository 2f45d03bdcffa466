"""A model card and its checklists as Markdown: a folder of them is ready to be published beside the model's tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from xzoo.audit.balance import NAMES
from xzoo.data.items import printable
from xzoo.report.cards.checklist import Checklist, Item, summary
from xzoo.report.cards.claim import CLAIM
from xzoo.report.cards.facts import facts, found, told
from xzoo.report.cards.figures import MEASURES, figure
from xzoo.report.cards.front import front_matter
from xzoo.report.cards.metadata import metadata, name
from xzoo.report.cards.trained import Trained
from xzoo.report.cards.tripod import TRIPOD
from xzoo.report.documents import escaped_markdown

CHECKLISTS: Sequence[Checklist] = (CLAIM, TRIPOD)
CARD, ITEMS = "README.md", "CHECKLISTS.md"
_YOURS = "*You must write:*"
_PARTS: Mapping[str, tuple[str, ...]] = {
    "The model": ("network", "start", "tensors", "output"),
    "Training data": ("data", "splits", "subset", "level", "level_of_drawn", "patients", "preprocessing"),
    "Training": ("training", "selection", "weighed"),
    "Results": ("over_seeds", "uncertainty", "failures"),
    "Calibration": ("calibration",),
}
"""Sections that are lists of facts, in their order."""
_NOT_CLINICAL = (
    "**Not for clinical use.** This model was made for research and teaching. It was not examined as a medical device, and none "
    "of its answers may decide over the care of a person."
)


def files(model: Trained) -> dict[str, str]:
    """Return the card and the checklists by file name."""
    known = facts(model)
    return {CARD: card_text(model, known), ITEMS: checklists_text(model, known)}


def card_text(model: Trained, known: Mapping[str, str]) -> str:
    """Return the card: front matter, then what it is for, learnt from, reaches, and where it fails."""
    return front_matter(metadata(model)) + "\n" + "\n\n".join(_chapters(model, known)) + "\n"


def checklists_text(model: Trained, known: Mapping[str, str]) -> str:
    """Return a table for each checklist: item, its topic, and the run's value, what to write, or why it does not apply."""
    parts = [f"# Reporting checklists: {escaped_markdown(name(model))}"]
    parts.append(
        "Filled by xzoo as far as one run can. *Filled from this run* means that the run has a value for the whole item; read it "
        "all the same before you sign it. Topics are in xzoo's words; the items' own stand in the publications."
    )
    for checklist in CHECKLISTS:
        items = checklist.answered(known)
        parts += [f"## {checklist.name}", f"<{checklist.source}>. {summary(items)}", _table(items)]
    return "\n\n".join(parts) + "\n"


def _chapters(model: Trained, known: Mapping[str, str]) -> Iterator[str]:
    yield f"# {escaped_markdown(name(model))}"
    yield _NOT_CLINICAL
    yield "## Intended use"
    yield (
        f"Research on images such as those of {escaped_markdown(str(model.dataset['name']))}, in one of the classes "
        f"{escaped_markdown(', '.join(model.dataset['classes']))}. {_YOURS} for whom it is, and where its answers go."
    )
    for title, names in _PARTS.items():
        yield f"## {title}"
        yield from (table(model) for table in [_TABLES.get(title)] if table is not None)
        yield _listed([known[one] for one in names]) or "Not recorded."
    yield "## Limits"
    yield from _limits(model, known)
    yield "## To make it again"
    yield from _again(model, known)


def _limits(model: Trained, known: Mapping[str, str]) -> Iterator[str]:
    lines = [known["shift"], *(f"{one.severity} {told(one)}" for one in found(model))]
    yield _listed(lines) or "No finding speaks of this model."
    audited = "and of an audit of the same images" if model.audit is not None else "alone: no audit of the images was given to it"
    yield (
        f"These are the findings of the run {audited}. {_YOURS} who and what is not among the training images, and whether "
        "test images come from another place or time; if they do not, nothing here speaks of other places."
    )


def _again(model: Trained, known: Mapping[str, str]) -> Iterator[str]:
    command = model.origins.command
    if command:
        # A fence is closed by nothing but a line that begins like one, and this line begins with xzoo.
        yield f"```sh\n{printable(command)}\n```"
    else:
        yield "The run does not know its command."
    yield _listed([f"Run {model.origins.plan}, asked for at {model.origins.when} (UTC).", known["software"]])


def _images(model: Trained) -> str:
    """Return the images of each class, a column for each split."""
    head = ["Images", *(NAMES[split] for split in model.counts)]
    rows = [[label, *(str(by_class[label]) for by_class in model.counts.values())] for label in model.dataset["classes"]]
    total = ["all", *(str(sum(by_class.values())) for by_class in model.counts.values())]
    return _figures_table([head, *rows, total])


def _results(model: Trained) -> str:
    """Return the model's own figures, a row for each measure and a column for each split, 95% intervals behind them."""
    metrics = model.metrics
    rows = [["Measure", *(f"{NAMES[split]} (n={one.accuracy.n if one.accuracy else '-'})" for split, one in metrics.items())]]
    for field, words in MEASURES.items():
        found = [getattr(one, field) for one in metrics.values()]
        rows += [[words, *("-" if one is None else figure(one) for one in found)]] if any(found) else []
    for label in model.dataset["classes"]:
        recalls = [one.recall.get(label) for one in metrics.values()]
        rows += [[f"recall of {label}", *("-" if one is None else figure(one) for one in recalls)]] if any(recalls) else []
    return _figures_table(rows)


def _figures_table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = [[escaped_markdown(row[0]), *row[1:]] for row in rows]
    return _grid([head, ["---", *["---:"] * (len(head) - 1)], *body])


def _table(items: Sequence[Item]) -> str:
    rows = [[f"{one.number}", *map(escaped_markdown, (one.topic, one.status, one.text))] for one in items]
    return _grid([["Item", "About", "Answer", "Value, or what to do"], ["---:", "---", "---", "---"], *rows])


def _grid(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"* {escaped_markdown(line)}" for line in lines if line)


_TABLES: Mapping[str, Callable[[Trained], str]] = {"Training data": _images, "Results": _results}
"""What stands above the facts of a section."""
