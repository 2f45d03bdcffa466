"""What answers rest on: Grad-CAM of the most confident hits and misses of each class, on test.

B = images, K = classes, N = test images, C = channels, H, W = pixels
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xzoo.data.pack import Pack
from xzoo.data.resize import fitted
from xzoo.errors import XzooError
from xzoo.report.album import Album, heated, picture
from xzoo.report.reading import Reading
from xzoo.runs.result import Contender

if TYPE_CHECKING:
    from xzoo.evaluate.cam import Maps as Found
    from xzoo.evaluate.deployed import Deployed

MOST_CONTENDERS, MOST_CLASSES, EACH = 6, 6, 2
TOLERANCE = 0.1
"""Probabilities that differ by more from those that the run stored are of another network; bfloat16 makes up to 0.05."""

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A test image beside its map, both data URIs; `said` is the probability of the answer.

    In an empty map no place raised the answer's score.
    """

    id: str
    label: str
    answer: str
    said: float
    image: str
    painted: str
    is_empty: bool


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """A contender's maps at `layer`, of the seed whose tensors were kept; without any, `reason` says why."""

    number: int
    id: str
    seed: int | None
    layer: str
    hits: Sequence[Shown]
    misses: Sequence[Shown]
    reason: str = ""


@dataclass(frozen=True)
class Maps:
    """The first contenders of the leaderboard; none, where the images are not at hand, for a `reason`."""

    rows: Sequence[Mapped]
    reason: str = ""


def maps(reading: Reading, album: Album) -> Maps:
    """Return the maps of the contenders that rank first."""
    if album.pack is None:
        return Maps([], album.reason)
    rows = reading.outcome.contenders[:MOST_CONTENDERS]
    return Maps([_mapped(reading, album.pack, number, row) for number, row in enumerate(rows, 1) if reading.done(row)])


def chosen(chances_NK: Floats, labels_N: Places) -> tuple[list[int], list[int]]:
    """Return the places of the most confident hits and misses, two of each class; of many classes those most often missed."""
    answers_N, said_N = chances_NK.argmax(1), chances_NK.max(1)
    numbers = np.arange(chances_NK.shape[1])
    if len(numbers) > MOST_CLASSES:
        missed_K = np.bincount(labels_N[answers_N != labels_N], minlength=len(numbers))
        numbers = np.argsort(-missed_K, kind="stable")[:MOST_CLASSES]
    order_N = np.argsort(-said_N, kind="stable")

    def first(is_hit: bool) -> list[int]:
        fits_N = (answers_N == labels_N) == is_hit
        return [int(place) for number in numbers for place in order_N[(fits_N & (labels_N == number))[order_N]][:EACH]]

    return first(True), first(False)


def _mapped(reading: Reading, pack: Pack, number: int, row: Contender) -> Mapped:
    def without(reason: str) -> Mapped:
        return Mapped(number=number, id=row.id, seed=None, layer="", hits=[], misses=[], reason=reason)

    from xzoo.compare import saved, selection

    try:
        kept = selection.find(reading.folder.path, contender=row.id)
        stored = reading.folder.predictions(kept.cell.id)
        chances_NK, labels_N = stored["test_probabilities"].astype(np.float64), stored["test_labels"].astype(np.int64)
        hits, misses = chosen(chances_NK, labels_N)
        if not hits and not misses:
            return without("there is no test image")
        places, model = [*hits, *misses], saved.rebuild(kept)
        indices_B = stored["test_index"].astype(np.int64)[places]
        found, pixels_BCHW = _looked_at(model, pack, indices_B, chances_NK[places])
    except XzooError as error:
        return without(error.text)
    except Exception as error:  # A network is anybody's code, and what it raises must not cost the page.
        return without(f"{type(error).__name__}: {error}")
    apart = float(np.abs(found.probabilities_BK.numpy() - chances_NK[places]).max())
    if apart > TOLERANCE:
        return without(f"rebuilt here, it answers otherwise than the run stored (by up to {apart:.2f})")
    labels = [kept.classes[int(label)] for label in labels_N[places]]
    shown = [
        _shown(pack.ids_N[int(index)], label, answer, float(said), pixels_CHW, shares_HW)
        for index, label, answer, said, pixels_CHW, shares_HW in zip(
            indices_B, labels, found.targets, chances_NK[places].max(1), pixels_BCHW, found.relative().numpy(), strict=True
        )
    ]
    told = shown[: len(hits)], shown[len(hits) :]
    return Mapped(number=number, id=row.id, seed=kept.cell.seed, layer=found.layer.path, hits=told[0], misses=told[1])


def _looked_at(model: Deployed, pack: Pack, indices_B: Places, chances_BK: Floats) -> tuple[Found, NDArray[np.uint8]]:
    """Return the maps of the stored answers, and the images (B,C,H,W) as the network's own view holds them."""
    import torch

    from xzoo.evaluate.cam import class_maps

    look, channels = model.preprocess, min(model.preprocess.num_channels, pack.num_channels)
    pixels = [fitted(pack.image(int(index)), look.shape, channels, look.interpolation, model.resize) for index in indices_B]
    pixels_BCHW = np.stack(pixels)
    return class_maps(model, torch.from_numpy(pixels_BCHW), chances_BK.argmax(1).tolist()), pixels_BCHW


def _shown(name: str, label: str, answer: str, said: float, pixels_CHW: NDArray[np.uint8], shares_HW: Floats) -> Shown:
    pixels_HWC = pixels_CHW.transpose(1, 2, 0)
    return Shown(
        id=name,
        label=label,
        answer=answer,
        said=said,
        image=picture(pixels_HWC),
        painted=picture(heated(pixels_HWC, shares_HW)),
        is_empty=not shares_HW.any(),
    )
