"""What readers have at hand: a folder of photos, new images, predictions of two models, and a finished run."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from xzoo.data.phantom import CLASSES, Dials, draw


def lay_out(folder: Path) -> None:
    """Write `photos/train|test/class/personN_i.png` of two images for each person, `new_images`, `a.csv` and `b.csv`."""
    images_NHW, labels_N, splits_N, _ = draw(Dials(train=64, val=0, test=32, size=32))
    for number, (image_HW, label, split) in enumerate(zip(images_NHW, labels_N, splits_N, strict=True)):
        place = folder / "photos" / str(split) / CLASSES[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image_HW).save(place / f"person{number // 4:02d}_{number % 4}.png")
    (folder / "new_images").mkdir()
    for number, image_HW in enumerate(draw(Dials(train=4, val=0, test=0, size=32, seed=1))[0]):
        Image.fromarray(image_HW).save(folder / "new_images" / f"{number}.png")
    random = np.random.default_rng(0)
    for name, reach in (("a.csv", 1.0), ("b.csv", 0.7)):
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "label", "normal", "pneumonia"])
            for number in range(80):
                chance = 1 / (1 + np.exp(-random.normal(reach * (1 if number % 2 else -1), 1)))
                writer.writerow([f"{number}.png", CLASSES[number % 2], f"{1 - chance:.6f}", f"{chance:.6f}"])
