"""How strong a change of looks must be: found before the campaign, on data of other seeds, without xzoo's statistics.

The measure is scikit-learn's logistic regression, cross-fitted, on features that torch alone computes.
N = images, D = features
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mobilenet
import xzoo
from planting import LOOKS, MOST, Data, Sizes, changed_looks, phantoms, radiographs

TARGET, CLOSE = 0.65, 0.005
PENALTIES = (0.001, 0.01, 0.1)
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class World:
    """One source of images: the side at which the network sees them, the phantoms' signal, and the sizes that cases take.

    The sides and the signal make classes overlap, with an AUROC near 0.93, and sizes follow from the two causes that are hardest
    to see. Half a logit is four to five standard errors of the difference between two splits' mean logits within classes, which
    deviate by 2.2 to 2.8: 0.5 / (2.5 sqrt(2 / 950)). Wrong labels take validation's AUROC to 0.8 * 0.93 + 0.1, about six standard
    errors below test's. Were the classes further apart, half a logit would be lost; were they closer, wrong labels would.
    """

    name: str
    side: int
    signal: float
    train: tuple[int, ...]
    other: tuple[int, ...]
    looks: tuple[str, ...]

    def draw(self, seed: int, sizes: Sizes, **dials: float) -> Data:
        """Draw a clean data set, or phantoms with dials."""
        return phantoms(seed, sizes, self.signal, **dials) if self.signal else radiographs(seed, sizes)


WORLDS = {
    "phantom": World("phantom", 64, 0.2, (400, 500), (900, 1000), ("dial",)),
    "x-ray": World("x-ray", 40, 0.0, (300, 340), (900, 1000), tuple(LOOKS)),
}
USUAL = {"phantom": Sizes(450, 950, 950), "x-ray": Sizes(320, 950, 950)}
"""The sizes at which training is timed: the middle of those that cases take."""


def backbone(side: int) -> xzoo.Backbone:
    """Return the pretrained MobileNet at a smaller input."""
    [weights] = mobilenet.net.weights
    assert isinstance(weights, xzoo.Weights)
    asked = xzoo.Preprocess(size=side, mean=(0.5,) * 3, std=(0.5,) * 3)
    return replace(mobilenet.net, weights=[replace(weights, preprocess=asked)])


@functools.cache
def network() -> Any:
    """Return the pretrained network as timm builds it."""
    made = mobilenet.build()
    made.load_state_dict(mobilenet.read())
    return made.eval()


def features(images_NHW: NDArray[np.uint8], side: int) -> Floats:
    """Return the pretrained network's features (N,D) of images at a side, by torch and timm alone."""
    import torch

    found = []
    with torch.inference_mode():
        for start in range(0, len(images_NHW), 64):
            images_B1HW = torch.from_numpy(images_NHW[start : start + 64])[:, None].float()
            small = torch.nn.functional.interpolate(images_B1HW, (side, side), mode="bilinear", antialias=True)
            seen = (small / 255 - 0.5) / 0.5
            found.append(network().forward_head(network().forward_features(seen.expand(-1, 3, -1, -1)), pre_logits=True).numpy())
    return np.concatenate(found)


def separation(features_ND: Floats, labels_N: NDArray[Any], changed_N: NDArray[np.bool_], seed: int = 0) -> float:
    """Return how well changed images are told from others of their class: AUROC, cross-fitted five-fold, the classes' mean.

    The penalty is the one of `PENALTIES` that tells them apart best, so that a plant is never stronger than it is said to be.
    """
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    found = []
    for penalty in PENALTIES:
        scores_N = np.empty(len(labels_N))
        for fit, held in folds.split(features_ND, 2 * labels_N + changed_N):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000))
            scores_N[held] = model.fit(features_ND[fit], changed_N[fit]).decision_function(features_ND[held])
        found.append(np.mean([roc_auc_score(changed_N[labels_N == k], scores_N[labels_N == k]) for k in np.unique(labels_N)]))
    return float(max(found))


@dataclass(frozen=True)
class Strength:
    """A kind of change at the strength whose two-sample AUROC is the target, as measured on `images` of other seeds."""

    world: str
    kind: str
    value: float
    auroc: float
    images: int


def calibrated(world: World, kind: str, seed: int, num_images: int = 1500) -> Strength:
    """Find the strength of a kind of change by bisection. X-rays are few: two draws of halves of all of them are averaged."""
    if kind == "dial":
        tried = _dial(world, seed, num_images)
    else:
        tried, num_images = _looks(world, kind, seed), 1100
    low, high = 0.0, MOST[kind]
    for _ in range(12):
        middle = (low + high) / 2
        found = tried(middle)
        if abs(found - TARGET) <= CLOSE:
            break
        low, high = (middle, high) if found < TARGET else (low, middle)
    return Strength(world.name, kind, middle, found, 2 * num_images)


def _dial(world: World, seed: int, num_images: int) -> Callable[[float], float]:
    sizes = Sizes(2, num_images, num_images)
    plain = world.draw(seed, sizes)
    places = np.concatenate([plain.places("val"), plain.places("test")])
    of_val = features(plain.images_NHW[plain.places("val")], world.side)

    def tried(strength: float) -> float:
        changed = world.draw(seed, Sizes(2, 0, num_images), shift=strength)
        found = np.concatenate([of_val, features(changed.images_NHW[2:], world.side)])
        return separation(found, plain.labels_N[places], plain.splits_N[places] == "test")

    return tried


def _looks(world: World, kind: str, seed: int) -> Callable[[float], float]:
    draws = [world.draw(seed + number, Sizes(2, 1100, 1100)) for number in range(2)]

    def tried(strength: float) -> float:
        aurocs = []
        for data in draws:
            places = np.concatenate([data.places("val"), data.places("test")])
            seen = features(changed_looks(data, kind, strength).images_NHW[places], world.side)
            aurocs.append(separation(seen, data.labels_N[places], data.splits_N[places] == "test"))
        return float(np.mean(aurocs))

    return tried
