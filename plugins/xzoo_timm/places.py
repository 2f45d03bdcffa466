"""Networks that lie elsewhere: `timm/local-dir:/folder` and `timm/hf-hub:owner/name[@revision]`, told by their `config.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xzoo
from xzoo_timm.catalogue import declare, optional_of, preprocess_of
from xzoo_timm.rows import configuration, row_of

FILES = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
"""The names of a folder's weights, the first that is there; timm looks for them in this order."""

LOCAL, HUB = "local-dir", "hf-hub"
_SAVED = "name a folder that timm has saved: config.json and weights"


def declare_place(member: str) -> xzoo.Backbone:
    """Declare `local-dir:/folder` or `hf-hub:owner/name`. Raises UsageError, WeightsError where the hub is out of reach."""
    kind, _, place = member.partition(":")
    if kind == LOCAL:
        folder = Path(place).expanduser()
        return _declared(member, _content(folder / "config.json"), {"file": str(_weights_file(folder))}, "local")
    if kind == HUB:
        return _declared(member, _from_hub(place, ""), {"hf": place}, "main")
    raise xzoo.UsageError(f"timm/{member} names no place", f"write timm/{LOCAL}:/folder or timm/{HUB}:owner/name")


def _declared(member: str, content: Mapping[str, Any], address: Mapping[str, str], called: str) -> xzoo.Backbone:
    name, given, config = _taken_apart(member, content)
    row, _ = row_of(name, given, config)

    def other(revision: str) -> xzoo.Weights:
        """Return the weights of another revision, which has to be of the same network."""
        if "hf" not in address:
            raise xzoo.UsageError(
                f"timm/{member} has no weights {revision!r}", "it has local; @random and @/path/file.safetensors work too"
            )
        there, _, theirs = _taken_apart(member, _from_hub(address["hf"], revision))
        if there != name:
            raise xzoo.UsageError(f"{member} is {name}, and at {revision!r} it is {there}", "name a revision of the same network")
        return _weights(revision, {"hf": f"{address['hf']}@{revision}"}, row, theirs)

    weights = _weights(called, address, row, config)
    return declare(member, name, row, [weights], tuple(given.items()), other_weights=other)


def _weights(called: str, address: Mapping[str, Any], row: Mapping[str, Any], config: Mapping[str, Any]) -> xzoo.Weights:
    return xzoo.Weights(
        called,
        **address,
        preprocess=preprocess_of(config),
        optional=optional_of(row, config["classes"]),
        licence=config["licence"],
    )


def _taken_apart(member: str, content: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return the network's name, the arguments it is made with, and its configuration; older files hold all on one level."""
    said = {**content, **content.get("pretrained_cfg", {})}
    if "num_classes" in content:
        said["num_classes"] = content["num_classes"]
    if not isinstance(content.get("architecture"), str):
        raise xzoo.UsageError(f"the config.json of timm/{member} names no architecture", "name what timm itself has saved")
    given = {key: value for key, value in content.get("model_args", {}).items() if key not in {"num_classes", "in_chans"}}
    channels = content.get("model_args", {}).get("in_chans")
    config = configuration(said)
    if channels:
        given["in_chans"] = config["channels"] = channels
    return content["architecture"], given, config


def _from_hub(place: str, revision: str) -> Mapping[str, Any]:
    at = f"@{revision}" if revision else ""
    try:
        path = xzoo.hub_file(f"{place}{at}/config.json")
    except xzoo.WeightsError as error:
        raise xzoo.WeightsError(
            f"what timm/{HUB}:{place}{at} is stands in its config.json, which is not here: {error.text}",
            f"three ways out: run `xzoo weights fetch timm/{HUB}:{place}{at}` on a connected machine and copy the cache; keep "
            f"the files in a folder, timm/{LOCAL}:/folder; or name the network itself, timm/NAME@/path/file.safetensors",
        ) from None
    return _content(path)


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise xzoo.UsageError(f"there is no file {path}", _SAVED) from None
    except (OSError, ValueError) as error:
        raise xzoo.UsageError(f"{path} cannot be read: {error}", _SAVED) from error
    if not isinstance(content, dict):
        raise xzoo.UsageError(f"{path} holds no configuration", _SAVED)
    return content


def _weights_file(folder: Path) -> Path:
    there = [folder / name for name in FILES if (folder / name).is_file()]
    return there[0] if there else folder / FILES[0]
