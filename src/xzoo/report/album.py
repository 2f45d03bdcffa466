"""Small pictures of a run's images, where these are at hand.

H, W = pixels, C = channels
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xzoo.compare import origin
from xzoo.data.pack import Pack
from xzoo.errors import UsageError, XzooError
from xzoo.report.reading import Reading

SIDE, QUALITY = 128, 70
"""Pixels of a picture's longer side at most, and how finely JPEG keeps it: about 3 kB each."""
HEAT = (255, 110, 0)
_MOST_HEAT = 0.65


@dataclass(frozen=True, eq=False)
class Album:
    """The images of a run; `pack` is None where they are not at hand, and `reason` says why."""

    pack: Pack | None
    reason: str = ""

    def pictures(self, ids: Iterable[str]) -> dict[str, str]:
        """Return a picture of each image that is here, by its id."""
        if self.pack is None:
            return {}
        places = {name: place for place, name in enumerate(self.pack.ids_N)}
        return {name: picture(self.pack.image(places[name])) for name in dict.fromkeys(ids) if name in places}


def open_album(reading: Reading, data: object = None) -> Album:
    """Return the images of a run from `data`, or from where it found them, if they are the ones that it learnt from.

    Images that cannot be had are a reason, never an error: a report is about more than pictures.
    """
    try:
        place = origin.place_of(reading.folder, data)
        return Album(origin.opened(reading.folder, place, reading.plan["data"].get("group"))[1])
    except XzooError as error:
        return Album(None, error.text)


def albums(readings: Iterable[Reading], data: object = None) -> list[Album]:
    """Return the album of each run. Raises UsageError where `data` is given and holds the images of none."""
    found = [open_album(one, data) for one in readings]
    if data is not None and all(one.pack is None for one in found):
        raise UsageError(f"--data: {found[0].reason}", "name the data that a run was made with, as it was named to it")
    return found


def picture(pixels_HWC: NDArray[np.uint8]) -> str:
    """Return an image, made small, as a data URI of a JPEG file; one of a single channel stays gray."""
    drawn = Image.fromarray(pixels_HWC[..., 0] if pixels_HWC.shape[-1] == 1 else pixels_HWC)
    drawn.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    drawn.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def heated(pixels_HWC: NDArray[np.uint8], shares_HW: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return an image in colour (H,W,3), warm where `shares_HW`, between 0 and 1, are great."""
    heat_HW1 = _MOST_HEAT * shares_HW.clip(0, 1)[..., None]
    coloured = np.broadcast_to(pixels_HWC, (*pixels_HWC.shape[:2], 3)) * (1 - heat_HW1) + np.array(HEAT) * heat_HW1
    return np.rint(coloured).astype(np.uint8)
