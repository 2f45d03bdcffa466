"""docs/catalogue.md is what the declarations say. `python tests/plugins/test_catalogue_page.py` writes it anew."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

import xzoo
from xzoo_timm import catalogue
from xzoo_timm.rows import USUAL

PAGE = Path(__file__).parents[2] / "docs" / "catalogue.md"

TEXT = """# Catalogue

The backbones that come with xzoo. This page is generated (`tests/plugins/test_catalogue_page.py`) from what the plugins declare,
and a test holds it to that. GMACs: 10^9 multiply-accumulates of one image of the input's size. top-1: the publisher's, in
percent, on ImageNet-1k. `xzoo info NAME` counts parameters, cost and stages on the network itself.

## One by one

All classification networks of torchvision, and four that learn from scratch. Of several published weights the table shows the
default. torchvision's quantised networks are left out: their weights are whole numbers, which no gradient reaches.

{single}

## timm

`timm/NAME` is any of the {count:,} classification networks of timm {timm}, with {files:,} files of published weights:

```sh
xzoo list timm                                        # all of them
xzoo list 'timm/convnext*'                            # some
xzoo list timm --max-params 10M --min-top1 78         # the best of the small ones first
xzoo list timm --licence apache
xzoo info timm/convnext_tiny
xzoo compare timm/convnext_tiny.in12k_ft_in1k timm/convnext_tiny@fb_in1k
xzoo compare timm/local-dir:/folder timm/hf-hub:owner/name@revision
```

Behind the dot stands the tag of published weights, behind `@` the weights: a tag, `random`, a local file, a hub's revision. A
folder or a repository is one that timm has saved. Stages are observed on the network (`plugins/xzoo_timm/stages.py`). The head is
what timm's `reset_classifier` replaces, several layers in distilled networks; VOLO goes without its second, optional one.

top-1 is known for {known:,} files, at the size that the weights are for; it comes from {source}, and later files have none. Lists
come from this catalogue, whatever timm is installed; a network that it lacks is observed when it is named.

{families}
"""


def single(zoo: Mapping[str, xzoo.Backbone], built: Callable[[str], nn.Module]) -> str:
    """Return a row for each backbone that is no member of a family."""
    rows = []
    for name, backbone in zoo.items():
        weights = backbone.weights[0] if backbone.weights else None
        preprocess = weights.preprocess if weights else backbone.preprocess
        stages = backbone.stages(built(name)) if callable(backbone.stages) else backbone.stages
        top1 = f"{weights.top1:.2f}" if weights and weights.top1 is not None else "-"
        side = f"{preprocess.shape[0]} x {preprocess.num_channels}"
        default = f"`{weights.name}`" if weights else "from scratch"
        licence = weights.licence if weights else backbone.licence
        params, cost = f"{backbone.params:,}", f"{backbone.gmacs:.2f}"
        rows.append([f"`{name}`", params, cost, top1, side, licence, default, ", ".join(stages)])
    head = ["backbone", "parameters", "GMACs", "top-1", "input", "licence", "weights", "stages"]
    return table(head, rows, right={1, 2, 3})


def families() -> str:
    """Return a row for each of timm's families."""
    of: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for name, row in catalogue.table()["networks"].items():
        of.setdefault(row["family"], []).append((name, row))
    head = ["family", "networks", "parameters, M", "GMACs", "best top-1", "of", "input", "stages", "licences"]
    rows = [[f"`{family}`", str(len(members)), *figures(members)] for family, members in sorted(of.items())]
    return table(head, rows, right={1, 4})


def figures(members: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterable[str]:
    """Yield what a family's row says behind its name."""
    entries = [(name, {**USUAL, **row["input"], **entry}) for name, row in members for entry in row["weights"]]
    best = max(((entry["top1"], f"`{name}.{entry['tag']}`") for name, entry in entries if "top1" in entry), default=None)
    yield span([row["params"] / 1e6 for _, row in members], "{:.1f}")
    yield span([row["gmacs"] for _, row in members], "{:.1f}")
    yield from (f"{best[0]:.1f}", best[1]) if best else ("-", "-")
    yield span([min({**USUAL, **row["input"]}["size"]) for _, row in members], "{}")
    yield span([row["stages"] for _, row in members], "{}")
    yield ", ".join(sorted({entry["licence"] or "not stated" for _, entry in entries})) or "-"


def span(values: Sequence[float], form: str) -> str:
    least, most = form.format(min(values)), form.format(max(values))
    return least if least == most else f"{least} to {most}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: set[int]) -> str:
    rule = ["--:" if column in right else "---" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def page(zoo: Mapping[str, xzoo.Backbone], built: Callable[[str], nn.Module]) -> str:
    entries = [entry for row in catalogue.table()["networks"].values() for entry in row["weights"]]
    return TEXT.format(
        single=single(zoo, built),
        families=families(),
        count=len(catalogue.names()),
        timm=catalogue.table()["timm"],
        files=len(entries),
        known=sum("top1" in entry for entry in entries),
        source=catalogue.table()["top1"],
    )


def test_the_page_is_what_the_declarations_say(zoo: Mapping[str, xzoo.Backbone], bare: Callable[[str], nn.Module]) -> None:
    assert PAGE.read_text("utf-8") == page(zoo, bare), "run python tests/plugins/test_catalogue_page.py"


if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("conftest", Path(__file__).with_name("conftest.py"))
    assert spec
    assert spec.loader
    conftest = importlib.util.module_from_spec(spec)
    sys.modules["conftest"] = conftest
    spec.loader.exec_module(conftest)
    PAGE.write_text(page(conftest.declared(), conftest.built), "utf-8")
