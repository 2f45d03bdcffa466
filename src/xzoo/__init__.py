"""xzoo: which pretrained backbone, trained how, should I use on my images?

The face is lazy: `import xzoo` imports no torch, and what is asked for is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xzoo.audit.outcome import Audit as Audit
    from xzoo.audit.reading import audit as audit
    from xzoo.compare.api import compare as compare
    from xzoo.compare.autopsy import explain as explain
    from xzoo.compare.benchmark import bench as bench
    from xzoo.compare.cam import cam as cam
    from xzoo.compare.explanation import Explanation as Explanation
    from xzoo.compare.exporting import export as export
    from xzoo.compare.inference import predict as predict
    from xzoo.compare.marginals import compare_accuracies as compare_accuracies
    from xzoo.compare.outcome import Outcome as Outcome
    from xzoo.compare.predictions import compare_predictions as compare_predictions
    from xzoo.compare.saved import load as load
    from xzoo.compare.timings import Benchmark as Benchmark
    from xzoo.data.source import arrays as arrays
    from xzoo.doctor.examination import doctor as doctor
    from xzoo.errors import UsageError as UsageError
    from xzoo.errors import WeightsError as WeightsError
    from xzoo.errors import XzooError as XzooError
    from xzoo.model.facts import info as info
    from xzoo.model.hub import hub_file as hub_file
    from xzoo.report.writing import report as report
    from xzoo.train.recipe import Recipe as Recipe
    from xzoo.zoo.hookspecs import hookimpl as hookimpl
    from xzoo.zoo.maps import MapLayer as MapLayer
    from xzoo.zoo.spec import IMAGENET_224 as IMAGENET_224
    from xzoo.zoo.spec import Auxiliary as Auxiliary
    from xzoo.zoo.spec import Backbone as Backbone
    from xzoo.zoo.spec import Choice as Choice
    from xzoo.zoo.spec import ExpectedFailure as ExpectedFailure
    from xzoo.zoo.spec import Family as Family
    from xzoo.zoo.spec import Preprocess as Preprocess
    from xzoo.zoo.spec import ReplaceConv as ReplaceConv
    from xzoo.zoo.spec import ReplaceHead as ReplaceHead
    from xzoo.zoo.spec import ReplaceLinear as ReplaceLinear
    from xzoo.zoo.spec import ReplaceSeveral as ReplaceSeveral
    from xzoo.zoo.spec import Weights as Weights

__version__ = "0.1.0"

_ROOMS = ("audit", "compare", "doctor", "report")
"""Rooms that bear the name of their main call and answer it."""

_HOMES = {
    "IMAGENET_224": "xzoo.zoo.spec",
    "Audit": "xzoo.audit.outcome",
    "Auxiliary": "xzoo.zoo.spec",
    "Backbone": "xzoo.zoo.spec",
    "Benchmark": "xzoo.compare.timings",
    "Choice": "xzoo.zoo.spec",
    "ExpectedFailure": "xzoo.zoo.spec",
    "Explanation": "xzoo.compare.explanation",
    "Family": "xzoo.zoo.spec",
    "MapLayer": "xzoo.zoo.maps",
    "Outcome": "xzoo.compare.outcome",
    "Preprocess": "xzoo.zoo.spec",
    "Recipe": "xzoo.train.recipe",
    "ReplaceConv": "xzoo.zoo.spec",
    "ReplaceHead": "xzoo.zoo.spec",
    "ReplaceLinear": "xzoo.zoo.spec",
    "ReplaceSeveral": "xzoo.zoo.spec",
    "Weights": "xzoo.zoo.spec",
    "UsageError": "xzoo.errors",
    "WeightsError": "xzoo.errors",
    "XzooError": "xzoo.errors",
    "arrays": "xzoo.data.source",
    "bench": "xzoo.compare.benchmark",
    "cam": "xzoo.compare.cam",
    "compare_accuracies": "xzoo.compare.marginals",
    "compare_predictions": "xzoo.compare.predictions",
    "explain": "xzoo.compare.autopsy",
    "export": "xzoo.compare.exporting",
    "hookimpl": "xzoo.zoo.hookspecs",
    "hub_file": "xzoo.model.hub",
    "info": "xzoo.model.facts",
    "load": "xzoo.compare.saved",
    "predict": "xzoo.compare.inference",
}

__all__ = sorted([*_HOMES, "__version__", *_ROOMS])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"xzoo.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'xzoo' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
