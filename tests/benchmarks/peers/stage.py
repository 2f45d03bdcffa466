"""What both sides start from, laid out once and untimed: the same images in folders, the same random weights."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SPLITS = ("train", "val")
WEIGHTS = """
import sys, torch
from xzoo.train.prepared import prepare
from xzoo.zoo.registry import Registry
torch.save(prepare(Registry.installed().get(sys.argv[1] + "@random")).network.state_dict(), sys.argv[2])
"""


def images(source: Path, sizes: Sequence[int], place: Path) -> Path:
    """Copy train and val images, drawn from SOURCE/train with seed 0 and balanced over its classes, and return their folder.

    A test split of one image per class is declared beside them, since xzoo would draw one from train where there is none.
    """
    drawn = random.Random(0)
    for folder in sorted(path for path in (source / "train").iterdir() if path.is_dir()):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        classes = len([path for path in (source / "train").iterdir() if path.is_dir()])
        counts = [size // classes for size in sizes]
        if sum(counts) + 1 > len(files):
            raise SystemExit(f"{folder} holds {len(files)} images, and {sum(counts) + 1} are needed")
        chosen = drawn.sample(files, sum(counts) + 1)
        parts = {"train": chosen[: counts[0]], "val": chosen[counts[0] : -1], "test": chosen[-1:]}
        for split, members in parts.items():
            target = place / split / folder.name
            target.mkdir(parents=True)
            for file in members:
                shutil.copy(file, target)
    return place


def weights(python: str, backbone: str, place: Path) -> Path:
    """Keep the random start that `BACKBONE@random` means as a state dict, for the peer to begin from."""
    path = place / f"{backbone}.pth"
    subprocess.run([python, "-c", WEIGHTS, backbone, str(path)], check=True)
    return path
