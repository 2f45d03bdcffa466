"""Bring one file over the network, whole and unaltered, or say within seconds why not. No torch."""

from __future__ import annotations

import hashlib
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from xzoo import durable
from xzoo.errors import WeightsError

ANSWER_SECONDS = 4.0
"""How long a server may stay silent, before its answer and within it: who is offline must learn so within seconds."""
_GRACE_SECONDS = 0.5
_PIECE = 1 << 20

Answer = TypeVar("Answer")


def download(url: str, path: Path, sha256: str = "") -> None:
    """Write what `url` serves to `path`, whole and with this sha256 (or prefix of it), or not at all.

    Raises WeightsError for an answer that is late, short, refused or altered, StorageError for the disk.
    """
    if urlsplit(url).scheme not in {"http", "https", "file"}:
        raise WeightsError(f"{url} cannot be fetched", "give an address that begins with https://")
    with _open(url) as response:
        if response.headers.get_content_type() == "text/html":
            raise WeightsError(
                f"{url} gave a web page, no file", "a proxy or a login page answers in its place: try another network"
            )
        durable.write_file(path, lambda file: _receive(response, file, url, sha256))


def reach(url: str) -> None:
    """Return when the server of `url` answers anything at all. Raises WeightsError within seconds when it does not."""
    try:
        _open(url, "HEAD").close()
    except WeightsError as error:
        if not isinstance(error.__context__, urllib.error.HTTPError):
            raise


def _receive(response: Any, file: IO[bytes], url: str, sha256: str) -> None:
    digest, received, expected = hashlib.sha256(), 0, response.headers.get("Content-Length")
    while piece := _told(url, lambda: response.read(_PIECE)):
        file.write(piece)
        digest.update(piece)
        received += len(piece)
    if expected is not None and received != int(expected):
        raise WeightsError(f"{url} ended after {received:,} of {int(expected):,} bytes", "try again")
    if not digest.hexdigest().startswith(sha256.lower()):
        raise WeightsError(
            f"{url} gave a file of sha256 {digest.hexdigest()[: max(8, len(sha256))]}, published is {sha256}",
            "it was altered on the way (by a proxy, a login page), or has changed: try another network",
        )


def _open(url: str, method: str = "GET") -> Any:
    # A socket's time-out does not cover the look-up of its host's name, so a thread is waited for instead.
    got: list[Any] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "xzoo"}, method=method)
            got.append(urllib.request.urlopen(request, timeout=ANSWER_SECONDS))
        except Exception as error:
            got.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS + _GRACE_SECONDS)
    return _told(url, lambda: _unwrap(got[0] if got else TimeoutError()))


def _unwrap(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _told(url: str, call: Callable[[], Answer]) -> Answer:
    """Return `call()`, turning what a network can do wrong into a WeightsError that names `url`."""
    host = urlsplit(url).hostname or url
    try:
        return call()
    except urllib.error.HTTPError as error:
        error.close()
        raise WeightsError(f"{url} answers {error.code} {error.reason}", "check the address, or try later") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _silent(host) from None
        raise WeightsError(f"{host} cannot be reached: {error.reason}", "check the network") from None
    except TimeoutError:
        raise _silent(host) from None
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise WeightsError(f"{url} broke off: {str(error) or type(error).__name__}", "try again") from None


def _silent(host: str) -> WeightsError:
    return WeightsError(f"{host} did not answer for {ANSWER_SECONDS:g} s", "check the network")
