"""A classifier's frozen body as an engine runs it: images in, features out."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from xzoo.errors import UnavailableError
from xzoo.evaluate.engines.agreement import guarded
from xzoo.evaluate.engines.engine import Loaded
from xzoo.evaluate.engines.table import engine
from xzoo.model.body import body_of
from xzoo.model.classifier import Classifier
from xzoo.train.device import Device, version_of
from xzoo.train.features import Extractor


def extractor(classifier: Classifier, name: str, device: Device) -> Extractor:
    """Return a classifier's body as the engine of this name runs it, in float32 where bfloat16 would say something else.

    A network that the engine cannot convert is run by torch. Raises UnavailableError for an engine that is not here.
    """
    chosen = engine(name, device)

    def load(images_BCHW: Tensor) -> Loaded:
        try:
            return guarded(chosen, body_of(classifier), images_BCHW, device)
        except UnavailableError as error:
            if name == "eager":
                raise
            loaded = guarded(engine("eager", device), body_of(classifier), images_BCHW, device)
            return replace(loaded, detail=f"{loaded.detail}; eager, because {error.text}")

    return Extractor(f"{name} {version_of(chosen.package)}", load)
