"""The Hugging Face cache: the same folders and the same environment variables as huggingface_hub. No torch."""

from __future__ import annotations

import os
from pathlib import Path

from xzoo.errors import WeightsError
from xzoo.model.download import ANSWER_SECONDS, download, reach


def cache(variable: str, folder: str) -> Path:
    """Return the folder that `variable` names, or `folder` in the user's cache."""
    if chosen := os.environ.get(variable):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / folder


def snapshot_path(address: str) -> Path:
    """Return where "owner/repo/path/file" lies in the cache, or would: the snapshot of `main`, else any that has the file.

    Raises WeightsError for an address that is none.
    """
    repo, file = split(address)
    folder = _hub() / f"models--{repo.replace('/', '--')}"
    reference = folder / "refs" / "main"
    revision = reference.read_text().strip() if reference.is_file() else "main"
    main = folder / "snapshots" / revision / file
    others = sorted(folder.glob(f"snapshots/*/{file}"))
    return main if main.is_file() or not others else others[0]


def split(address: str) -> tuple[str, str]:
    """Take "owner/repo/path/file" apart into repository and file. Raises WeightsError."""
    owner, _, rest = address.partition("/")
    repo, _, file = rest.partition("/")
    if not (owner and repo and file) or ".." in address:
        raise WeightsError(f"{address!r} is no address on the hub", "write owner/repo/file")
    return f"{owner}/{repo}", file


def endpoint() -> str:
    """Return the address of the hub."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _hub() -> Path:
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(chosen).expanduser()
    return cache("HF_HOME", "huggingface") / "hub"


def fetch(address: str) -> Path:
    """Fetch "owner/repo/path/file" into the cache and return its path. Raises WeightsError, within seconds when offline."""
    repo, file = split(address)
    if is_offline():
        raise WeightsError("HF_HUB_OFFLINE is set", "unset it to fetch")
    # huggingface_hub alone tries again and again; that the hub answers at all is found out first.
    reach(endpoint())
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        path = _hub() / f"models--{repo.replace('/', '--')}" / "snapshots" / "main" / file
        download(f"{endpoint()}/{repo}/resolve/main/{file}", path)
        return path
    try:
        return Path(hf_hub_download(repo, file, cache_dir=_hub(), endpoint=endpoint(), etag_timeout=ANSWER_SECONDS))
    except Exception as error:
        raise WeightsError(
            f"{address} cannot be fetched: {' '.join(str(error).split())[:200]}", "check the address and the network"
        ) from error
