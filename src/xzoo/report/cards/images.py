"""What a run knows of the images that a model learnt from, in words; empty where it does not know it."""

from __future__ import annotations

import re

from xzoo.audit.balance import NAMES
from xzoo.data.items import SPLITS, listed
from xzoo.data.split import TEST_SEED
from xzoo.report.cards.figures import figure
from xzoo.report.cards.trained import Trained


def counts(model: Trained) -> str:
    """Return the images of each split by class."""
    parts = []
    for split, by_class in model.counts.items():
        shares = listed([f"{name} {count}" for name, count in by_class.items()], most=12)
        parts.append(f"{NAMES[split]} {sum(by_class.values())} ({shares})")
    return f"Images: {'; '.join(parts)}." if parts else ""


def splits(model: Trained) -> str:
    """Return where each split came from."""
    drawn = [f"{NAMES[name]} (seed {_seed(model, name)})" for name in model.dataset.get("drawn", ())]
    given = [NAMES[name] for name in SPLITS if name in model.counts and name not in model.dataset.get("drawn", ())]
    parts = [f"Given with the data: {', '.join(given)}." if given else ""]
    if drawn:
        parts.append(f"Drawn by xzoo, stratified by class: {', '.join(drawn)}.")
    return " ".join(part for part in parts if part)


def _seed(model: Trained, split: str) -> int:
    """Return the seed by which a split was drawn; what is left for training goes by validation's, where that is drawn."""
    rule, drawn = model.row.split, model.dataset.get("drawn", ())
    if not rule.startswith("pool") and (split == "test" or "val" not in drawn):
        return TEST_SEED
    named = re.search(r"\bseed (\d+)", rule)
    return int(named[1]) if named else model.cell.seed


def level(model: Trained) -> str:
    """Return on which level splits are apart, where that is known of all of them."""
    drawn = set(model.dataset.get("drawn", ()))
    if not model.group:
        return ""
    crossed = model.audit is not None and any(leak.what == "patients" and leak.count for leak in model.audit.leaks)
    is_checked = model.audit is not None and not crossed
    return f"Patients, named by {model.group}, lie in one split each." if is_checked or {"val", "test"} <= drawn else ""


def level_of_drawn(model: Trained) -> str:
    """Return what a drawn boundary keeps together, and what an audit found to cross splits."""
    rule = "patients as the run was told them" if model.group else "the patients that the data name, else byte-identical copies"
    parts = [f"A boundary that xzoo draws keeps on one side {rule}."]
    if model.audit is not None:
        parts += [
            f"{leak.count} {NAMES[leak.of]} images share {leak.what} with {NAMES[leak.within]}." for leak in model.audit.leaks
        ]
    return " ".join(parts)


def patients(model: Trained) -> str:
    """Return how many patients each split holds, where an audit knows them."""
    sizes = {} if model.audit is None else model.audit.splits
    known = [f"{NAMES[name]} {size.patients}" for name, size in sizes.items() if size.patients is not None]
    return f"Patients: {', '.join(known)}." if known else ""


def preprocessing(model: Trained) -> str:
    """Return what is done to an image before the network sees it."""
    recipe = model.row.recipe
    if model.size is None:
        return ""
    height, width = model.size
    crop = "the publisher's resize and centre crop" if recipe.get("crop") == "centre" else "resized without a crop"
    augment = recipe.get("augment", "none")
    varied = "no augmentation" if augment == "none" else f"in training augmented ({augment})"
    return f"Decoded to 8 bits, {crop} to {height} x {width}, normalised as the starting weights declare; {varied}."


def subset(model: Trained) -> str:
    """Return which of the images were used."""
    size = model.dataset.get("images")
    used = sum(sum(by_class.values()) for by_class in model.counts.values())
    if not size or used == size:
        return f"All {size} images that xzoo was given take part." if size else ""
    return f"{used} of the {size} images that xzoo was given take part: training on fewer was asked for."


def missing(model: Trained) -> str:
    """Return what became of images that could not be read."""
    return "No image and no label is missing: xzoo refuses data in which an image cannot be read." if model.counts else ""


def shift(model: Trained) -> str:
    """Return what an audit says tells validation or training images from test images."""
    rows = () if model.audit is None else model.audit.shifts
    lines = [
        f"{NAMES[row.first]} and test are told apart with AUROC {figure(row.appearance.auroc)} (p {row.appearance_p_holm:.2g})"
        for row in rows
        if row.second == "test"
    ]
    return f"By {model.audit.features.get('name', 'features')}: {'; '.join(lines)}." if lines and model.audit else ""


def data(model: Trained) -> str:
    """Return what the data is called and how it is recognised."""
    names = listed(list(model.dataset["classes"]), most=12)
    images, pack = model.dataset.get("images", "?"), model.dataset.get("pack", "-")
    return f"{model.dataset['name']}: {images} images of {names}; content {pack}."
