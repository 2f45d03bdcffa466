"""Published weights on this disk: where they lie, how they get there, and whether they are what was published. No torch."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from xzoo.errors import WeightsError
from xzoo.model import hub, verified
from xzoo.model.download import download
from xzoo.zoo.spec import Choice, FileStart, Weights


def where(choice: Choice) -> Path | None:
    """Return where the weights lie, or would after a fetch; None for random ones and those that a function reads."""
    if isinstance(choice.start, FileStart):
        return Path(choice.start.path).expanduser()
    return published_path(choice.start) if isinstance(choice.start, Weights) else None


def published_path(weights: Weights) -> Path | None:
    """Return the place that torch.hub or huggingface_hub would use for these weights; None where a function reads them.

    Raises WeightsError for an address that names no file.
    """
    if weights.file:
        return Path(weights.file).expanduser()
    if weights.url:
        name = PurePosixPath(unquote(urlsplit(weights.url).path)).name
        if not hub.is_name(name):
            raise WeightsError(f"{weights.url} names no file", "declare an address that ends in the file's name")
        return hub.cache("TORCH_HOME", "torch") / "hub" / "checkpoints" / name
    return hub.snapshot_path(weights.hf) if weights.hf else None


def fetch(choice: Choice) -> Path | None:
    """Return the weights' file, fetching it where it is not here or not what was published. None where there is no file.

    Raises WeightsError, with the three ways out where the network does not give them, for a file of one's own that is not
    there, and StorageError.
    """
    path, weights = where(choice), choice.start
    is_own = isinstance(weights, FileStart) or (isinstance(weights, Weights) and bool(weights.file))
    if is_own and path is not None and not path.is_file():
        raise WeightsError(f"there is no file {path}", "check the path behind the '@'")
    if path is None or not isinstance(weights, Weights):
        return path
    if path.is_file() and (weights.file or not _compare(path, weights)[1]):
        return path
    try:
        if weights.url:
            download(weights.url, path, weights.sha256)
        else:
            path = _from_hub(path, weights)
    except WeightsError as error:
        raise _missing(choice, path, error) from None
    return path


def _from_hub(path: Path, weights: Weights) -> Path:
    # What lies there is not what was published: huggingface_hub would hand it out again.
    path = hub.fetch(weights.hf, anew=path.is_file())
    try:
        verify(path, weights)
    except WeightsError:
        hub.forget(path)
        raise
    return path


def verify(path: Path, weights: Weights, *, anew: bool = False) -> str:
    """Return the file's sha256, having compared it with the published one. Raises WeightsError that says what differs.

    What was verified before and has not changed since is not read again, unless `anew`.
    """
    if not path.is_file():
        raise WeightsError(f"there is no file {path}", "fetch it on a connected machine: xzoo weights fetch NAME")
    found, difference = _compare(path, weights, anew)
    if difference:
        raise WeightsError(
            f"{path} is not what was published as {weights.name}: {difference}",
            "fetch it again (xzoo weights fetch NAME), or, if it is meant to differ, name it as your own file: NAME@/path/file",
        )
    return found


def _compare(path: Path, weights: Weights, anew: bool = False) -> tuple[str, str]:
    """Return a file's sha256, and in words how it differs from the published one."""
    size, found = path.stat().st_size, verified.sha256(path, weights.sha256, anew=anew)
    if not size:
        return found, "it is empty (0 bytes)"
    if not found.startswith(weights.sha256.lower()):
        shown = found[: max(8, len(weights.sha256))]
        return found, f"its sha256 is {shown} ({size:,} bytes), published is {weights.sha256}"
    return found, ""


def _missing(choice: Choice, path: Path, cause: WeightsError) -> WeightsError:
    name = choice.name or choice.backbone.name
    state = "not what was published" if path.is_file() else "not here"
    return WeightsError(
        f"the weights {choice.label} are {state} ({path}) and cannot be fetched: {cause.text}",
        f"three ways out: run `xzoo weights fetch {choice.label}` on a connected machine and copy the file to {path}; "
        f"use a local file, {name}@/path/file.safetensors; or start from random weights, {name}@random",
    )
