"""From a row of the catalogue to a declaration. `generate.py` makes the catalogue; a network that it lacks is observed instead.

Nothing of timm is imported for what the catalogue holds.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xzoo
from xzoo_timm.heads import NOTHING, OVERRIDES, declared_head
from xzoo_timm.maps import map_layer
from xzoo_timm.network import Arguments, convert, network, skeleton
from xzoo_timm.rows import USUAL, arguments_of, late_in, row_of, seen_size

if TYPE_CHECKING:
    from torch import nn

Stages = Mapping[str, tuple[str, ...]]

DATASETS = {
    "in1k": "ImageNet-1k",
    "in12k": "ImageNet-12k",
    "in21k": "ImageNet-21k",
    "in22k": "ImageNet-22k",
    "inw21k": "ImageNet-21k",
    "lvd142m": "LVD-142M",
    "lvd1689m": "LVD-1689M",
    "sat493m": "SAT-493M",
    "laion2b": "LAION-2B",
    "laion400m": "LAION-400M",
    "laiona": "LAION-A",
    "datacompxl": "DataComp-XL",
    "datacomp1b": "DataComp-1B",
    "dfn2b": "DFN-2B",
    "dfn5b": "DFN-5B",
    "dfndr2b": "DFNDR-2B",
    "merged2b": "Merged-2B",
    "openai": "OpenAI's image and text pairs",
    "webli": "WebLI",
    "ig1b": "Instagram-1B",
    "yfcc15m": "YFCC-15M",
    "yfcc100m": "YFCC-100M",
    "jft": "JFT-300M",
    "m30m": "Merged-30M",
    "m38m": "Merged-38M",
    "sa1b": "SA-1B",
    "cc12m": "Conceptual 12M",
    "bamboo": "Bamboo",
    "mae": "ImageNet-1k",
    "fcmae": "ImageNet-1k",
    "dino": "ImageNet-1k",
}
"""What a tag's words say of the images that weights were trained on.

Masked autoencoders (https://arxiv.org/abs/2111.06377, also Hiera's, https://arxiv.org/abs/2306.00989, and ConvNeXt V2's,
https://arxiv.org/abs/2301.00808) and DINO (https://arxiv.org/abs/2104.14294) learnt from ImageNet-1k without its labels.
"""


def names() -> tuple[str, ...]:
    """Return the networks of the catalogue."""
    return tuple(table()["networks"])


def note() -> str:
    """Return a sentence where the installed timm is not the catalogue's."""
    installed, of = importlib.metadata.version("timm"), table()["timm"]
    if installed == of:
        return ""
    return (
        f"this list is of timm {of}; timm {installed} is installed: what only that has can be named too, and what it lacks fails"
    )


@functools.cache
def table() -> Mapping[str, Any]:
    """Read the catalogue."""
    content: Mapping[str, Any] = json.loads(Path(__file__).with_name("catalogue.json").read_text("utf-8"))
    return content


def get(member: str) -> xzoo.Backbone:
    """Declare `NAME`, with all its published weights, or `NAME.tag`, with these alone."""
    name, _, tag = member.partition(".")
    row = table()["networks"].get(name) or row_of(name)[0]
    entries = [{**row["input"], **entry} for entry in row.get("weights", ())]
    chosen = [entry for entry in entries if not tag or entry["tag"] == tag]
    if tag and not chosen:
        raise xzoo.UsageError(
            f"timm/{name} has no weights {tag!r}",
            f"it has {', '.join(entry['tag'] for entry in entries) or 'none'}; timm/{name}@random works too",
        )
    return declare(member, name, row, [weights_of(name, row, entry) for entry in chosen])


def declare(
    member: str, name: str, row: Mapping[str, Any], weights: Sequence[xzoo.Weights], arguments: Arguments = (), **more: Any
) -> xzoo.Backbone:
    """Return the declaration of timm's network `name` under the family's name `member`."""
    family, own = row["family"], {**USUAL, **row["input"]}
    arguments = arguments_of(family, row.get("classes", USUAL["classes"]), dict(arguments))
    return xzoo.Backbone(
        **more,
        name=f"timm/{member}",
        build=functools.partial(network, name, arguments),
        head=declared_head(row),
        stages=functools.partial(stages, name, family, arguments, tuple(row["heads"]), seen_size(family, own)),
        freeze="frozen" if weights else "finetune",
        map_layer=functools.partial(map_layer, family),
        weights=weights,
        leave_out=OVERRIDES.get(family, NOTHING).leave_out,
        convert=functools.partial(convert, name, arguments),
        preprocess=preprocess_of(own),
        fixed_size=row.get("fixed", False),
        min_size=row["least"],
        summary=f"from timm, of its family {family}",
        paper=row.get("paper", ""),
        licence="Apache-2.0",
        params=row.get("params"),
        gmacs=row.get("gmacs"),
        expected_failures=[
            *[unlicensed(one) for one in weights if not one.licence][:1],
            *[untold(one) for one in weights if not one.trained_on][:1],
        ],
    )


def unlicensed(weights: xzoo.Weights) -> xzoo.ExpectedFailure:
    """Return the known failure of weights for which timm names no licence."""
    return xzoo.ExpectedFailure("licence", f"timm names no licence for {weights.name}", _page(weights))


def untold(weights: xzoo.Weights) -> xzoo.ExpectedFailure:
    """Return the known failure of weights of which timm's tag does not say what they were trained on."""
    return xzoo.ExpectedFailure("dataset", f"timm does not say what {weights.name} was trained on", _page(weights))


def _page(weights: xzoo.Weights) -> str:
    return f"https://huggingface.co/{weights.hf}" if weights.hf else weights.url


def weights_of(name: str, row: Mapping[str, Any], entry: Mapping[str, Any]) -> xzoo.Weights:
    """Return the declaration of an entry's file. Its head is optional where it answers for other classes than the network."""
    said = {**USUAL, **entry}
    address = {"url": said["url"]} if "url" in said else {"hf": said.get("hf", f"timm/{name}.{said['tag']}")}
    return xzoo.Weights(
        said["tag"],
        **address,
        preprocess=preprocess_of(said),
        optional=optional_of(row, said["classes"]),
        trained_on=", ".join(_datasets(said["tag"])),
        licence=said["licence"],
        top1=said.get("top1"),
        top5=said.get("top5"),
    )


def optional_of(row: Mapping[str, Any], classes: int) -> tuple[str, ...]:
    """Return the prefixes that a file for so many classes may lack: the heads, and where it has none what is around them."""
    if classes == row.get("classes", USUAL["classes"]):
        return ()
    around = () if classes else (path.rpartition(".")[0] for path in row["heads"])
    return tuple(dict.fromkeys([*row["heads"], *(path for path in around if path)]))


def preprocess_of(said: Mapping[str, Any]) -> xzoo.Preprocess:
    """Return what is done to images: timm resizes to the size over the share that a crop keeps."""
    height, width = said["size"]
    return xzoo.Preprocess(
        size=height if height == width else (height, width),
        mean=tuple(said["mean"]),
        std=tuple(said["std"]),
        interpolation=said["interpolation"],
        resize=math.floor(min(height, width) / said["crop"]),
    )


def stages(
    name: str, family: str, arguments: Arguments, heads: tuple[str, ...], size: tuple[int, int, int], _module: nn.Module
) -> Stages:
    """Return the stages, observed once per process: they follow from the network's name and arguments."""
    return _observed(name, family, arguments, heads, size)


@functools.lru_cache(maxsize=256)
def _observed(name: str, family: str, arguments: Arguments, heads: tuple[str, ...], size: tuple[int, int, int]) -> Stages:
    from xzoo_timm.stages import stages_of

    module = skeleton(name, arguments)
    return stages_of(module, heads, size, late_in(family, module))


def _datasets(tag: str) -> Iterable[str]:
    return dict.fromkeys(DATASETS[word] for word in tag.split("_") if word in DATASETS)
