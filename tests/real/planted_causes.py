"""Does `xzoo explain` name the cause that was planted, and none where none was? Data sets with known causes, asked one by one.

    XZOO_REAL=... python tests/real/planted_causes.py run FOLDER [--seed N] [--clean 60] [--each 17] [--first N]
    python tests/real/planted_causes.py page FOLDER ...    # writes docs/planted.md, of one folder or of several together

`run` draws a seed, prints it, calibrates the plants, and appends a line to FOLDER/results.jsonl for each case; what stands there
is not done again. Half of the cases are phantoms, half chest X-rays, in turns; in each, one case in five is fine-tuned, but for
moved thresholds and for overfitting on phantoms: a fine-tuned network is so sure of itself that half a logit is lost in what
these sizes leave open, and on phantoms ten times as many epochs did its test loss no harm, as the pilot measured before any
case was asked about. Clean cases are of the same sizes and recipes. pytest does not collect this file.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import planted_page
import xzoo
from calibrating import WORLDS, Strength, World, backbone, calibrated
from planting import Data, Sizes, changed_looks, leaked, mislabelled
from training import TOO_LONG, Timed, spread_of, timed, train, trained

KINDS = ("clean", "leakage", "label-noise", "appearance-shift", "moved-threshold", "small-sample", "overfitting")
FROZEN = {("moved-threshold", "phantom"), ("moved-threshold", "x-ray"), ("overfitting", "phantom")}
LOGIT, FEW = 0.5, 16


@dataclass(frozen=True)
class Campaign:
    """What a folder's cases follow from: a seed, how many cases there are, and what was calibrated."""

    seed: int
    clean: int
    each: int
    strengths: tuple[Strength, ...]
    epochs: tuple[Timed, ...]


@dataclass(frozen=True)
class Case:
    """One data set to be asked about: a kind, where its images come from, its number, and the seed of all that is drawn."""

    kind: str
    world: str
    number: int
    seed: int

    @property
    def freeze(self) -> str:
        """The strategy: one case in five is fine-tuned, but for what could not be planted there."""
        return "finetune" if self.number % 5 == 2 and (self.kind, self.world) not in FROZEN else "frozen"


@dataclass(frozen=True)
class Row:
    """What came out: the causes named, the main one first, the verdict on each, and what was planted in words.

    `auroc` is that of validation and test, `spread` the deviation of test's logits within classes.
    """

    case: Case
    plant: str
    sizes: Sizes
    epochs: int
    named: tuple[str, ...]
    verdicts: dict[str, str]
    accuracy: dict[str, float]
    seconds: float
    error: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    auroc: dict[str, float] = field(default_factory=dict)
    spread: float = 0.0


def cases(campaign: Campaign) -> Iterator[Case]:
    """Yield the cases, kinds and sources in turns, so that a start is a sample of the whole."""
    names = tuple(WORLDS)
    for number in range(max(campaign.clean, campaign.each)):
        for place, kind in enumerate(KINDS):
            if number < (campaign.each if place else campaign.clean):
                world = names[(number + place) % 2]
                seed = int(np.random.SeedSequence([campaign.seed, place, number]).generate_state(1)[0]) // 2
                # Numbers count within a source, so that each has its share of fine-tuned cases.
                yield Case(kind, world, number // 2, seed)


def made(case: Case, campaign: Campaign) -> tuple[Data, str, float]:
    """Return a case's data, what was planted in words, and by how many logits the threshold is to be moved."""
    world, rng = WORLDS[case.world], np.random.default_rng([case.seed, 1])
    sizes = sizes_of(case, world, rng)
    if case.kind == "leakage":
        if world.signal and case.number % 2:
            return world.draw(case.seed, sizes, leakage=0.05), "another exposure of the same chest", 0.0
        return leaked(world.draw(case.seed, sizes), rng), "changed copies", 0.0
    if case.kind == "appearance-shift":
        strengths = [one for one in campaign.strengths if one.world == case.world]
        chosen = strengths[case.number % len(strengths)]
        words = f"{chosen.kind} {chosen.value:.3g}"
        if chosen.kind == "dial":
            return world.draw(case.seed, sizes, shift=chosen.value), words, 0.0
        return changed_looks(world.draw(case.seed, sizes), chosen.kind, chosen.value), words, 0.0
    data = world.draw(case.seed, sizes)
    if case.kind == "label-noise":
        return mislabelled(data, rng), "10% flipped", 0.0
    by = LOGIT * float(rng.choice([-1, 1])) if case.kind == "moved-threshold" else 0.0
    return data, f"{by:+g} logit" if by else "", by


def sizes_of(case: Case, world: World, rng: np.random.Generator) -> Sizes:
    """Draw a case's sizes."""
    train_size, val, test = (int(rng.choice(among)) for among in (world.train, world.other, world.other))
    return Sizes(train_size, FEW if case.kind == "small-sample" else val, test)


def asked(case: Case, campaign: Campaign, folder: Path) -> Row:
    """Make a case, train, ask for the cause, and remove what lies on the disk."""
    began = time.process_time()
    data, words, moved = made(case, campaign)
    sizes = Sizes(*(len(data.places(split)) for split in ("train", "val", "test")))
    right = next(one.epochs for one in campaign.epochs if (one.world, one.freeze) == (case.world, case.freeze))
    epochs = right * (TOO_LONG if case.kind == "overfitting" else 1)
    side, runs = WORLDS[case.world].side, folder / "runs"
    accuracy: dict[str, float] = {}
    auroc: dict[str, float] = {}
    spread = 0.0
    named: tuple[str, ...] = ()
    verdicts: dict[str, str] = {}
    figures: dict[str, Any] = {}
    error = ""
    try:
        run = train(data, side, case.freeze, epochs, case.seed % 1000, runs, moved)
        result, stored = trained(run)
        spread = spread_of(stored)
        auroc = {split: getattr(result, split).auroc.value for split in ("val", "test")}
        accuracy = {split: getattr(result, split).accuracy.value for split in ("train", "val", "test")}
        [told] = xzoo.explain(run.path, data=data.given(), backbone=backbone(side), runs=runs).contenders
        named, verdicts = tuple(told.named), {one.name: one.verdict for one in told.causes}
        figures = {one.name: {"text": one.text, "figures": one.figures} for one in told.causes}
    except (xzoo.XzooError, ArithmeticError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as fault:
        error = f"{type(fault).__name__}: {fault}"
    for part in (runs, folder / "cache"):
        shutil.rmtree(part, ignore_errors=True)
    seconds = time.process_time() - began
    return Row(case, words, sizes, epochs, named, verdicts, accuracy, seconds, error, figures, auroc, spread)


def prepared(folder: Path, seed: int | None, clean: int, each: int) -> Campaign:
    """Return the folder's campaign, calibrated now where it is new. Raises ValueError for a folder of another seed or size."""
    file = folder / "campaign.json"
    if file.exists():
        campaign = msgspec.json.decode(file.read_bytes(), type=Campaign)
        if (campaign.clean, campaign.each) != (clean, each) or seed not in (None, campaign.seed):
            raise ValueError(f"{file} is of seed {campaign.seed}, {campaign.clean} clean, {campaign.each} of each")
        return campaign
    seed = secrets.randbits(31) if seed is None else seed
    print(f"seed {seed}", flush=True)
    # Other seeds than those of cases, which are hashes of the seed.
    strengths, epochs = [], []
    for place, world in enumerate(WORLDS.values()):
        apart = int(np.random.SeedSequence([seed, 1000, place]).generate_state(1)[0]) // 4
        for kind in world.looks:
            strengths.append(calibrated(world, kind, apart))
            print(strengths[-1], flush=True)
        for number, freeze in enumerate(("frozen", "finetune")):
            epochs.append(timed(world, freeze, apart + 100 * (1 + number), folder / "runs"))
            print(epochs[-1], flush=True)
            shutil.rmtree(folder / "runs", ignore_errors=True)
            shutil.rmtree(folder / "cache", ignore_errors=True)
    campaign = Campaign(seed, clean, each, tuple(strengths), tuple(epochs))
    file.write_bytes(msgspec.json.format(msgspec.json.encode(campaign)))
    return campaign


def run(folder: Path, campaign: Campaign, first: int | None) -> None:
    """Ask about the cases that the folder has no line of, at most up to the `first` so many, and append a line for each."""
    file = folder / "results.jsonl"
    done = {row.case for row in rows(file)}
    for case in list(cases(campaign))[:first]:
        if case not in done:
            row = asked(case, campaign, folder)
            line = msgspec.json.encode({**asdict(row), "when": datetime.now(UTC).isoformat(timespec="seconds")})
            with file.open("ab") as out:
                out.write(line + b"\n")
            told = row.error or ", ".join(row.named) or "none"
            print(f"{case.kind:17} {case.world:8} {case.number:2} {case.freeze:9} {row.seconds:5.0f} s  {told}", flush=True)


def rows(file: Path) -> list[Row]:
    """Return what a results file holds."""
    return [msgspec.json.decode(line, type=Row) for line in file.read_bytes().splitlines()] if file.exists() else []


def main(words: Sequence[str]) -> int:
    """Carry out the command and return 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "page"))
    parser.add_argument("folder", type=Path, nargs="+")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--clean", type=int, default=60)
    parser.add_argument("--each", type=int, default=17)
    parser.add_argument("--first", type=int)
    given = parser.parse_args(words)
    if given.what == "page":
        campaigns = [msgspec.json.decode((one / "campaign.json").read_bytes(), type=Campaign) for one in given.folder]
        planted_page.write(campaigns, [row for one in given.folder for row in rows(one / "results.jsonl")])
        return 0
    if len(given.folder) > 1:
        parser.error("a campaign runs in one folder")
    import os

    (folder,) = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["XZOO_CACHE"] = str(folder / "cache")
    campaign = prepared(folder, given.seed, given.clean, given.each)
    print(f"seed {campaign.seed}, {len(list(cases(campaign)))} cases", flush=True)
    run(folder, campaign, given.first)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
