"""How well changed copies of real radiographs are found, and how many pairs of different images are taken for copies.

    XZOO_REAL=... python tests/real/near_copies.py [SEED]

300 of the images, drawn by the seed, are changed and put beside all 2,400. Prints a row for each change.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from xzoo.audit import duplicates
from xzoo.audit.looks import SKETCH

NUM_COPIES = 300
Change = Callable[[Image.Image], Image.Image]


def cut(left: float, top: float, right: float, bottom: float) -> Change:
    """Return a crop by shares of the sides."""

    def crop(image: Image.Image) -> Image.Image:
        width, height = image.size
        return image.crop((round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height)))

    return crop


def encoded(image: Image.Image) -> Image.Image:
    """Re-encode at quality 40."""
    held = io.BytesIO()
    image.save(held, "JPEG", quality=40)
    return Image.open(io.BytesIO(held.getvalue())).convert("L")


def resized(image: Image.Image) -> Image.Image:
    """Resize to 60% and back."""
    width, height = image.size
    return image.resize((round(0.6 * width), round(0.6 * height))).resize((width, height))


def brightened(image: Image.Image, factor: float = 1.1) -> Image.Image:
    """Change the brightness by 10%."""
    return ImageEnhance.Brightness(image).enhance(factor)


def all_of(*changes: Change) -> Change:
    """Return the changes one after the other."""

    def change(image: Image.Image) -> Image.Image:
        for one in changes:
            image = one(image)
        return image

    return change


CHANGES: Mapping[str, Change] = {
    "re-encoded at quality 40": encoded,
    "resized to 60% and back": resized,
    "brighter by 10%": brightened,
    "darker by 10%": lambda image: brightened(image, 0.9),
    "3% cut off, half on each side": cut(0.015, 0.015, 0.015, 0.015),
    "3% cut off every side": cut(0.03, 0.03, 0.03, 0.03),
    "3% cut off right and bottom": cut(0, 0, 0.03, 0.03),
    "3% cut off the left": cut(0.03, 0, 0, 0),
    "all four, every side cut": all_of(encoded, resized, cut(0.03, 0.03, 0.03, 0.03), brightened),
    "all four in another order, a corner cut": all_of(
        cut(0, 0, 0.03, 0.03), lambda image: brightened(image, 0.9), resized, encoded
    ),
}


def row(name: str, change: Change, images: list[Image.Image], chosen: list[int]) -> str:
    """Return the line of a change: copies found, pairs that are none, and how many pairs were laid over each other."""
    every = [*images, *(change(images[place]) for place in chosen)]
    shown = [*range(len(images)), *chosen]
    digests = [hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest() for image in every]
    sketches_NHW = np.stack([np.asarray(image.resize((SKETCH, SKETCH), Image.Resampling.BILINEAR)) for image in every])
    found = duplicates.find(digests, [], sketches_NHW, every.__getitem__)
    same = {frozenset((pair.one, pair.other)) for pair in found.pairs if pair.kind == "pixels"}
    near = [pair for pair in found.pairs if pair.kind == "near"]
    right = [pair for pair in near if shown[pair.one] == shown[pair.other]]
    wrong = [
        pair
        for pair in near
        if shown[pair.one] != shown[pair.other] and frozenset((shown[pair.one], shown[pair.other])) not in same
    ]
    copied = sum(found.pictures_N[len(images) + row] == found.pictures_N[place] for row, place in enumerate(chosen))
    least = (
        min((pair.detail for pair in right), default=float("nan")),
        min((pair.likeness for pair in right), default=float("nan")),
    )
    figures = f"{copied} of {len(chosen)} | {len(wrong)} | {found.num_compared} | {least[0]:.3f} | {least[1]:.3f}"
    return f"| {name} | {figures} |"


def rows(seed: int) -> Iterator[str]:
    """Yield the table's lines."""
    root = Path(os.environ["XZOO_REAL"]) / "data" / "cxr"
    images = [Image.open(file).convert("L") for file in sorted(root.glob("*/*/*.jpeg"))]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(images))[:NUM_COPIES]).tolist()
    yield "| change | copies found | other pairs | laid over | least detail | least likeness |\n|---|---|---|---|---|---|"
    for name, change in CHANGES.items():
        yield row(name, change, images, chosen)


if __name__ == "__main__":
    for line in rows(int(sys.argv[1]) if len(sys.argv) > 1 else 0):
        print(line, flush=True)
