"""The Hugging Face cache: the same folders and the same environment variables as huggingface_hub. No torch."""

from __future__ import annotations

import contextlib
import errno
import os
import urllib.error
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from xzoo import durable
from xzoo.errors import WeightsError
from xzoo.model.download import download, reach
from xzoo.model.exchange import ANSWER_SECONDS
from xzoo.refusal import told

_OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}
WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
"""The names of a repository's weights, the first that is there."""


def cache(variable: str, folder: str) -> Path:
    """Return the folder that `variable` names, or `folder` in the user's cache."""
    if chosen := os.environ.get(variable):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / folder


def snapshot_path(address: str) -> Path:
    """Return where "owner/repo[@revision][/path/file]" lies in the cache, or would: in `main`, else in any snapshot.

    Raises WeightsError for an address that is none.
    """
    repo, revision, files = split(address)
    folder = _folder(repo)
    reference = folder / "refs" / (revision or "main")
    meant = reference.read_text(errors="replace").strip() if reference.is_file() else ""
    named = folder / "snapshots" / (meant if is_name(meant) else revision or "main")
    there = [named / file for file in files if (named / file).is_file()]
    if not revision:
        there += [path for file in files for path in sorted(folder.glob(f"snapshots/*/{file}"))]
    return there[0] if there else named / files[0]


def split(address: str) -> tuple[str, str, tuple[str, ...]]:
    """Take "owner/repo[@revision][/path/file]" apart; without a file, give the names that one of weights may have.

    Raises WeightsError.
    """
    owner, _, rest = address.partition("/")
    repo, _, file = rest.partition("/")
    repo, at, revision = repo.partition("@")
    parts = [owner, repo, *([revision] if at else []), *(file.split("/") if file else [])]
    if not all(map(is_name, parts)) or ".." in address or address.endswith("/"):
        raise WeightsError(f"{address!r} is no address on the hub", "write owner/repo/file")
    return f"{owner}/{repo}", revision, (file,) if file else WEIGHTS_FILES


def is_name(part: str) -> bool:
    """Whether it is a file's or folder's own name, which leads nowhere else."""
    return part not in {"", ".", ".."} and part.isprintable() and not set(part) & set("/\\:")


def hub_file(address: str) -> Path:
    """Return a file of the hub, fetched where the cache lacks it. Raises WeightsError, within seconds when offline."""
    path = snapshot_path(address)
    return path if path.is_file() else fetch(address)


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


def fetch(address: str, *, anew: bool = False) -> Path:
    """Fetch "owner/repo[@revision][/path/file]" into the cache and return its path; `anew` also where the cache has it.

    Raises WeightsError, within seconds when offline.
    """
    repo, revision, files = split(address)
    if is_offline():
        raise WeightsError("HF_HUB_OFFLINE is set", "unset it to fetch")
    # huggingface_hub alone tries again and again; that the hub answers at all is found out first.
    reach(endpoint())
    for file in files[:-1]:
        with contextlib.suppress(_AbsentError):
            return _fetch_one(repo, revision, file, anew)
    return _fetch_one(repo, revision, files[-1], anew)


def forget(path: Path) -> None:
    """Remove a file from the cache, and what its name there stands for. Raises StorageError."""
    if path.is_relative_to(_hub()):
        meant = path.resolve()
        durable.remove(path)
        if meant.is_relative_to(_hub().resolve()):
            durable.remove(meant)


class _AbsentError(WeightsError):
    """The repository is there, and has no such file."""


def _fetch_one(repo: str, revision: str, file: str, anew: bool) -> Path:
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
    except ImportError:
        return _download_one(repo, revision or "main", file)
    asked = f"{repo}{'@' if revision else ''}{revision}/{file}"
    try:
        found = hf_hub_download(
            repo,
            file,
            revision=revision or None,
            cache_dir=_hub(),
            endpoint=endpoint(),
            etag_timeout=ANSWER_SECONDS,
            force_download=anew,
        )
    except Exception as error:
        _told_of_disk(error)
        is_absent = isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError)
        kind = _AbsentError if is_absent else WeightsError
        raise kind(
            f"{asked} cannot be fetched: {' '.join(str(error).split())[:200]}", "check the address and the network"
        ) from error
    return Path(found)


def _told_of_disk(error: BaseException | None) -> None:
    """Raise a StorageError where a disk is behind an error of huggingface_hub."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _OF_DISKS:
            with told(_hub()):
                raise error
        error = error.__cause__ or error.__context__


def _download_one(repo: str, revision: str, file: str) -> Path:
    path = _folder(repo) / "snapshots" / revision / file
    try:
        download(f"{endpoint()}/{repo}/resolve/{quote(revision, safe='')}/{file}", path)
    except WeightsError as error:
        if isinstance(error.__context__, urllib.error.HTTPError) and error.__context__.code == HTTPStatus.NOT_FOUND:
            raise _AbsentError(error.text, error.remedy) from None
        raise
    return path


def _folder(repo: str) -> Path:
    return _hub() / f"models--{repo.replace('/', '--')}"
