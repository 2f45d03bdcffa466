"""Whether class activation maps depend on what the network has learnt: its weights are drawn anew, from the last layer down.

B = images, H, W = pixels, h, w = places of a layer's output
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from xzoo.evaluate.cam import class_maps
from xzoo.evaluate.deployed import Deployed
from xzoo.model.modes import evaluating, refresh
from xzoo.runs.result import Measure
from xzoo.zoo.maps import MapLayer

ALIKE = 0.8
"""Maps of the whole network drawn anew that still correlate by this much with the trained one's fail the test.

A network drawn anew may by luck look at the same places, or away from them, in all images; so several are drawn. Maps that do
not depend on what was learnt correlate by 1 in each.
"""


@dataclass(frozen=True)
class Level:
    """All modules from the last down to `module` drawn anew: the mean rank correlation of the maps with the trained network's.

    Its n is the number of draws, whose means over images it rests on. `flat` counts maps that are the same everywhere; they count
    as a correlation of 0.
    """

    module: str
    similarity: Measure
    flat: int


@dataclass(frozen=True)
class Sanity:
    """The levels from the head down, and whether the maps pass: the whole of the last one's interval lies below `ALIKE`."""

    method: str
    levels: tuple[Level, ...]

    @property
    def holds(self) -> bool:
        """Whether maps without what was learnt are other maps."""
        high = self.levels[-1].similarity.high
        return high is not None and high < ALIKE


def randomised(
    model: Deployed,
    images_BCHW: Tensor,
    target: str | int | Sequence[int] | None = None,
    *,
    method: str = "grad-cam",
    layer: str | MapLayer | None = None,
    num_levels: int = 5,
    num_draws: int = 10,
    seed: int = 0,
) -> Sanity:
    """Return what is left of the maps of images when weights are drawn anew, in a cascade from the last layer down.

    The model parameter randomisation test of Adebayo et al. 2018 (https://arxiv.org/abs/1810.03292), with Spearman's correlation
    of the signed maps at the layer's own places. Each tensor's values are shuffled instead of drawn by an initialisation: so they
    keep their size, whatever the network. Classes are those of the trained network throughout. Raises UsageError as `class_maps`.
    """
    true = class_maps(model, images_BCHW, target, method=method, layer=layer)
    classes = [model.classes.index(name) for name in true.targets]
    order = _from_the_top(model.network, model.fitted(images_BCHW[:1]), model)
    parts = np.array_split(np.arange(len(order)), min(num_levels, len(order)))
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, list[list[float | None]]] = {order[part[-1]]: [] for part in parts}
    for _ in range(num_draws):
        drawn = copy.deepcopy(model)
        for part in parts:
            for place in part:
                _shuffle(drawn.network.get_submodule(order[place]), generator)
            refresh(drawn.network)
            maps = class_maps(drawn, images_BCHW, classes, method=method, layer=true.layer)
            found[order[part[-1]]].append(_alike(true.signed_Bhw, maps.signed_Bhw))
    return Sanity(method, tuple(_level(module, draws) for module, draws in found.items()))


def _from_the_top(network: nn.Module, fitted_1CHW: Tensor, model: Deployed) -> list[str]:
    """Return the modules that hold parameters of their own, the last in the forward pass first; uncalled ones come at the end."""
    called: list[str] = []
    own = [name for name, module in network.named_modules() if next(module.parameters(recurse=False), None) is not None]
    handles = [
        network.get_submodule(name).register_forward_pre_hook(lambda _module, _inputs, name=name: called.append(name))
        for name in own
    ]
    try:
        with evaluating(model), torch.no_grad():
            model.logits(fitted_1CHW)
    finally:
        for handle in handles:
            handle.remove()
    first_calls = list(dict.fromkeys(reversed(called)))
    return first_calls + [name for name in own if name not in first_calls]


@torch.no_grad()
def _shuffle(module: nn.Module, generator: torch.Generator) -> None:
    for parameter in module.parameters(recurse=False):
        order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
        parameter.copy_(parameter.flatten()[order].view(parameter.shape))


def _alike(true_Bhw: Tensor, drawn_Bhw: Tensor) -> list[float | None]:
    return [spearman(one.flatten().numpy(), other.flatten().numpy()) for one, other in zip(true_Bhw, drawn_Bhw, strict=True)]


def _level(module: str, draws: Sequence[Sequence[float | None]]) -> Level:
    """Return the mean over draws of their means over images, with Student's interval."""
    from scipy.special import stdtrit

    means = np.array([np.mean([0.0 if value is None else value for value in draw]) for draw in draws])
    n, value = len(means), float(means.mean())
    half = math.inf if n < 2 else float(stdtrit(n - 1, 0.975)) * float(means.std(ddof=1)) / math.sqrt(n)
    low, high = (value - half, value + half) if math.isfinite(half) else (None, None)
    return Level(module, Measure(value, low, high, n), sum(each is None for draw in draws for each in draw))


def spearman(one_P: NDArray[np.floating], other_P: NDArray[np.floating]) -> float | None:
    """Return the correlation of the ranks of two maps, ties sharing their mean rank; None where a map is the same everywhere.

    Spearman 1904 (https://doi.org/10.2307/1412159).
    """
    ranks = [_ranks(values_P) for values_P in (one_P, other_P)]
    away = [each - each.mean() for each in ranks]
    size = math.sqrt(float(away[0] @ away[0]) * float(away[1] @ away[1]))
    return float(away[0] @ away[1]) / size if size else None


def _ranks(values_P: NDArray[np.floating]) -> NDArray[np.float64]:
    _, place_P, counts = np.unique(values_P, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[place_P], np.float64)
