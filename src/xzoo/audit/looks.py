"""One pass over a pack: of each image a digest of its pixels, a small gray sketch, and its traits.

N = images, T = traits, H, W = pixels, C = channels
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xzoo.audit.traits import TRAITS, traits_of
from xzoo.data.pack import Pack
from xzoo.data.packing import each

SKETCH = 48
"""Pixels of a sketch's side: twice what the search for near-copies reads, so that its crops are of whole pixels' worth."""


@dataclass(frozen=True, eq=False)
class Looks:
    """What an audit remembers of every image. `digests` tell pixels and shape, so equal ones are equal pictures."""

    digests: tuple[str, ...]
    sketches_NHW: NDArray[np.uint8]
    traits_NT: NDArray[np.float32]


def look_at(pack: Pack) -> Looks:
    """Read every image of a pack once. Memory stays at 2.5 kB for an image, whatever its size: pages read are given back."""
    digests: list[str] = []
    sketches_NHW = np.empty((len(pack), SKETCH, SKETCH), np.uint8)
    traits_NT = np.empty((len(pack), len(TRAITS)), np.float32)
    for place, (digest, sketch_HW, traits_T) in enumerate(each(lambda index: _look(pack.image(index)), len(pack))):
        digests.append(digest)
        sketches_NHW[place], traits_NT[place] = sketch_HW, traits_T
    return Looks(tuple(digests), sketches_NHW, traits_NT)


def gray(image_HWC: NDArray[np.uint8]) -> Image.Image:
    """Return an image of a pack in one channel (ITU-R BT.601-7 luminance)."""
    return Image.fromarray(image_HWC[..., 0] if image_HWC.shape[-1] == 1 else image_HWC).convert("L")


def _look(image_HWC: NDArray[np.uint8]) -> tuple[str, NDArray[np.uint8], NDArray[np.float32]]:
    digest = hashlib.blake2b(np.ascontiguousarray(image_HWC).data, digest_size=16)
    digest.update(str(image_HWC.shape).encode())
    image = gray(image_HWC)
    sketch_HW = np.asarray(image.resize((SKETCH, SKETCH), Image.Resampling.BILINEAR))
    return digest.hexdigest(), sketch_HW, traits_of(np.asarray(image), sketch_HW, image_HWC.shape[-1])
