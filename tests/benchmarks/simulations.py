"""Whether xzoo's own statistics keep what they say: coverage, false alarms and power in 2,000 draws of known truth.

    python tests/benchmarks/simulations.py [PART ...]      # proportions, areas, scores, differences, families, power

Prints the tables and writes them into docs/statistics.md, each part between its marks. Every draw is fixed by a seed. pytest does
not collect this file.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, stats

from xzoo.compare.evidence import Answered, weigh
from xzoo.compare.verdict import conclude
from xzoo.evaluate.metrics import measure
from xzoo.statistics.auroc import auroc_interval, delong_difference
from xzoo.statistics.equivalence import tost_paired
from xzoo.statistics.intervals import wilson
from xzoo.statistics.paired import mcnemar_exact
from xzoo.statistics.power import detectable_difference, mcnemar_power
from xzoo.statistics.seeds import Combined

DRAWS = 2000
PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
Random = np.random.Generator
Rows = Iterator[Sequence[str]]


def proportions() -> Rows:
    """Wilson's interval, enumerated: the chance that it holds p, over 401 values of p with n min(p, 1 - p) >= 5."""
    yield "n", "least", "mean", "most", "share of p within 93-97%"
    for n in (10, 16, 20, 30, 50, 100, 200, 400, 1000, 2000):
        right = np.arange(n + 1)
        ends = np.array([wilson(int(count), n) for count in right])
        p = np.linspace(5 / n, 0.5, 401)
        chances = stats.binom.pmf(right[:, None], n, p)
        held = (chances * ((ends[:, :1] <= p) & (p <= ends[:, 1:]))).sum(0)
        inside = ((held >= 0.93) & (held <= 0.97)).mean()
        yield str(n), percent(held.min()), percent(held.mean()), percent(held.max()), percent(inside)


def areas() -> Rows:
    """Intervals of AUROC, and of the difference of two that correlate by 0.5, on normal scores."""
    yield "positives", "negatives", "AUROC", "interval of AUROC holds it", "interval of a difference of 0.03 holds it"
    for m, n, area in (
        (5, 50, 0.8),
        (10, 10, 0.8),
        (10, 90, 0.9),
        (20, 20, 0.95),
        (50, 50, 0.9),
        (200, 200, 0.95),
        (200, 200, 0.99),
    ):
        rng = np.random.default_rng([m, n])
        held: list[bool] = []
        apart: list[bool] = []
        positive = np.arange(m + n) < m
        shift, other = (math.sqrt(2) * stats.norm.ppf(value) for value in (area, area - 0.03))
        for _ in range(DRAWS):
            noise = rng.normal(size=(3, m + n))
            a, b = ((noise[0] + noise[place]) / math.sqrt(2) for place in (1, 2))
            _, low, high = auroc_interval(a + shift * positive, positive)
            held.append(bool(low <= area <= high))
            difference, variance = delong_difference(a + shift * positive, b + other * positive, positive)
            apart.append(bool(abs(difference - 0.03) <= stats.norm.ppf(0.975) * math.sqrt(variance)))
        yield str(m), str(n), f"{area:g}", share(held), share(apart)


def scores() -> Rows:
    """Every figure of `measure` on 200 images, 40% of them positive: independent, and four of each of 50 patients."""
    names = ("accuracy", "sensitivity", "balanced_accuracy", "auroc", "f1", "mcc", "brier", "loss")
    yield "images", *(name.replace("_", " ") for name in names)
    truth = true_scores(1.2, 0.4)
    for words, own, is_drawn in (
        ("independent, 80 positive", 0.0, False),
        ("4 of each of 50 patients, 20 of them positive", 0.6, False),
        ("4 of each of 50 patients, positive with a chance of 40%", 0.6, True),
    ):
        rng = np.random.default_rng(7)
        held: dict[str, list[bool]] = {name: [] for name in names}
        patients_N = np.arange(200) // 4
        ill_N = (patients_N if own else np.arange(200)) % 5 < 2
        for _ in range(DRAWS):
            ill_N = (rng.random(50) < 0.4)[patients_N] if is_drawn else ill_N
            noise_N = math.sqrt(own) * rng.normal(size=50)[patients_N] + math.sqrt(1 - own) * rng.normal(size=200)
            chance_N = stats.logistic.cdf(1.2 * (noise_N + 1.2 * (ill_N - 0.5)))
            chances_NK, groups_N = np.stack([1 - chance_N, chance_N], 1), patients_N if own else None
            found = measure(chances_NK, ill_N.astype(int), ["no", "yes"], "yes", groups_N=groups_N)
            for name in names:
                figure = getattr(found, name)
                held[name].append(figure.low is not None and figure.low <= truth[name] <= figure.high)
        yield words, *(share(held[name]) for name in names)


def true_scores(shift: float, prevalence: float) -> dict[str, float]:
    """Return the figures of a normal score shifted by the class, cut at the logit 0 of a slope that equals the shift."""
    hit, alarm = stats.norm.cdf(shift / 2), stats.norm.cdf(-shift / 2)
    true, false = prevalence * hit, (1 - prevalence) * alarm
    missed, spared = prevalence - true, 1 - prevalence - false
    spread = math.sqrt(prevalence * (1 - prevalence) * (true + false) * (missed + spared))

    def mean(value: Callable[[float, bool], float]) -> float:
        sides = [(prevalence, shift / 2, True), (1 - prevalence, -shift / 2, False)]
        return float(
            sum(w * integrate.quad(lambda x, c=c, t=t: value(x, t) * stats.norm.pdf(x - c), -12, 12)[0] for w, c, t in sides)
        )

    return {
        "accuracy": true + spared,
        "sensitivity": hit,
        "balanced_accuracy": (hit + 1 - alarm) / 2,
        "auroc": float(stats.norm.cdf(shift / math.sqrt(2))),
        "f1": 2 * true / (2 * true + false + missed),
        "mcc": (true * spared - false * missed) / spread,
        "brier": mean(lambda x, is_ill: (float(stats.logistic.cdf(shift * x)) - is_ill) ** 2),
        "loss": mean(lambda x, is_ill: -float(stats.logistic.logcdf(shift * x if is_ill else -shift * x))),
    }


def answers(right_SN: NDArray[np.bool_], images_SN: NDArray[Any], groups_N: NDArray[Any] | None) -> dict[int, Answered]:
    """Return answers that are right where it is said; all images are of one class, since rankings are drawn in `areas`."""
    return {
        seed: Answered.of(images_N, np.eye(2)[np.where(right_N, 0, 1)], np.zeros(len(images_N), np.int64), groups_N)
        for seed, (right_N, images_N) in enumerate(zip(right_SN, images_SN, strict=True))
    }


def drawn(rng: Random, means: Sequence[float], num_seeds: int, world: str, n: int = 200) -> dict[str, dict[int, Answered]]:
    """Return contenders' answers to the same images. `world` says what varies: seeds, own images for each seed, or patients."""
    by_seed, by_patient = 0.25 * ("seeds" in world), 0.8 * ("patients" in world)
    images_SN = np.stack([np.arange(n) + (1000 * seed if "own images" in world else 0) for seed in range(num_seeds)])
    groups_N = np.array([f"p{place // 4}" for place in range(n)]) if by_patient else None
    ease_SN = np.stack([rng.normal(size=n) for _ in range(num_seeds)]) if "own images" in world else rng.normal(size=n)
    scale = math.sqrt(1 + by_seed**2 + by_patient**2 + 1)
    found = {}
    for name, mean in zip("abcdefgh", means, strict=False):
        patient_N = by_patient * np.repeat(rng.normal(size=n // 4 + 1), 4)[:n]
        level_SN = stats.norm.ppf(mean) * scale + by_seed * rng.normal(size=(num_seeds, 1)) + ease_SN + patient_N
        right_SN = np.broadcast_to(level_SN, (num_seeds, n)) + rng.normal(size=(num_seeds, n)) > 0
        found[name] = answers(right_SN, images_SN, groups_N)
    return found


WORLDS = (
    ("one seed", 1, "images"),
    ("one seed, 4 images of a patient", 1, "patients"),
    ("3 seeds that vary, same images", 3, "seeds"),
    ("3 seeds that vary, own images", 3, "seeds, own images"),
    ("5 seeds that vary, patients", 5, "seeds, patients"),
    ("3 seeds that do not vary", 3, "images"),
)


def differences() -> Rows:
    """The interval of a true difference in accuracy of 0.05, 0.90 against 0.85, on 200 images."""
    yield "what varies", "interval holds 0.05"
    for words, num_seeds, world in WORLDS:
        rng = np.random.default_rng(len(words))
        held: list[bool] = []
        for _ in range(DRAWS):
            found = drawn(rng, (0.9, 0.85), num_seeds, world)
            one = weigh(found["a"], found["b"], 0.02)
            if one is not None and one.difference.low is not None and one.difference.high is not None:
                held.append(one.difference.low <= 0.05 <= one.difference.high)
        yield words, share(held)


def families() -> Rows:
    """Four contenders of one accuracy (0.85) on 200 images: how often any of the six pairs is told apart, after Holm."""
    yield (
        "what varies",
        "families in which one is called ahead",
        "families in which two are called equivalent that differ by 0.05",
    )
    for words, num_seeds, world in WORLDS:
        rng = np.random.default_rng(len(words))
        ahead: list[bool] = []
        equivalent: list[bool] = []
        for _ in range(DRAWS):
            ahead.append(
                any(one.verdict == "ahead" for one in conclude(drawn(rng, [0.85] * 4, num_seeds, world), "val", foresee=False))
            )
            pair = conclude(drawn(rng, [0.9, 0.85], num_seeds, world), "val", margin=0.05, foresee=False)
            equivalent.append(pair[0].equivalent)
        yield words, share(ahead), share(equivalent)


def power() -> Rows:
    """The least difference that is said to be found in 80%: how often the verdict finds it, and equivalence at its margin."""
    yield "images", "disagreement", "least difference", "exact power", "found", "called equivalent when they differ by 0.03"
    for n, disagreement in ((100, 0.2), (200, 0.1), (400, 0.1), (400, 0.3), (1000, 0.05), (2000, 0.1)):
        rng, least = np.random.default_rng(n), detectable_difference(n, disagreement) or math.nan
        level = max(disagreement, least)
        tables = rng.multinomial(n, [(level + least) / 2, (level - least) / 2, 1 - level], DRAWS)
        edge = rng.multinomial(n, [(disagreement + 0.03) / 2, (disagreement - 0.03) / 2, 1 - disagreement], DRAWS)
        told = [mcnemar_exact(int(a), int(b)) < 0.05 for a, b, _ in tables]
        alike = [tost_paired(int(a), int(b), n, 0.03) < 0.05 for a, b, _ in edge]
        exact = percent(mcnemar_power(n, level, least))
        yield str(n), f"{disagreement:g}", f"{least:.4f}", exact, share(told), share(alike)


def seeds() -> Rows:
    """The same over seeds on 400 images: the least difference for the errors at that difference, and how often it is found."""
    yield "what varies", "least difference", "found"
    for words, num_seeds, world in WORLDS[2:]:
        rng, least = np.random.default_rng(len(words)), 0.0
        for draws in (200, 200, DRAWS):
            # Errors are those of contenders that differ by this much, for seeds vary less where accuracy is high.
            least = detectable(drawn(rng, around(least), num_seeds, world, 400) for _ in range(draws))
        told = [conclude(drawn(rng, around(least), num_seeds, world, 400), "val", foresee=False)[0].verdict for _ in range(DRAWS)]
        yield words, f"{least:.3f}", share([verdict == "ahead" for verdict in told])


def around(difference: float) -> tuple[float, float]:
    """Return two accuracies that differ by this much, as far from a half."""
    return 0.5 + difference / 2, 0.5 - difference / 2


def detectable(draws: Iterable[dict[str, dict[int, Answered]]]) -> float:
    """Return the least difference that is stated for the mean errors of these draws."""
    found = [one.combined for given in draws if (one := weigh(given["a"], given["b"], 0.02))]
    residual, shared = (float(np.mean([getattr(one, part) for one in found])) for part in ("residual", "shared"))
    return Combined(0.0, residual, shared, None, found[0].num_seeds, found[0].most_degrees).detectable()


def percent(value: float) -> str:
    return f"{100 * value:.1f}%"


def share(held: Sequence[bool]) -> str:
    return percent(float(np.mean(held)))


PARTS: dict[str, Callable[[], Rows]] = {
    one.__name__: one for one in (proportions, power, areas, differences, families, seeds, scores)
}


def main(words: Sequence[str]) -> int:
    """Compute the parts named, or all, print their tables, and put them into the page where it has their marks."""
    for name in words or PARTS:
        head, *rows = list(PARTS[name]())
        lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
        print(f"\n{PARTS[name].__doc__}\n\n" + "\n".join(lines), flush=True)
        text, start, end = PAGE.read_text("utf-8"), f"<!-- {name} -->", f"<!-- end of {name} -->"
        if start in text:
            before, after = text.index(start) + len(start), text.index(end)
            PAGE.write_text(text[:before] + "\n\n" + "\n".join(lines) + "\n\n" + text[after:], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
