"""One request over HTTP: who asks, how long it waits, where it may be sent on to, and what can go wrong in words. No torch."""

from __future__ import annotations

import email.utils
import http.client
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

from xzoo.errors import WeightsError

ANSWER_SECONDS = 4.0
"""How long a server may stay silent, before its answer and within it: who is offline must learn so within seconds."""
_GRACE_SECONDS = 0.5
_BUSY = {HTTPStatus.TOO_MANY_REQUESTS, *(HTTPStatus(code) for code in (500, 502, 503, 504))}
_FORBIDDEN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

Answer = TypeVar("Answer")


class CutError(WeightsError):
    """An answer that ended before its end, or is no part of what is here: asking again may help."""


class BusyError(WeightsError):
    """The server asks to come again. `seconds` is when, None where it does not say."""

    seconds: float | None = None


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        scheme = urlsplit(newurl).scheme
        if scheme not in {"http", "https"} or (urlsplit(req.full_url).scheme == "https" and scheme != "https"):
            # What comes over plain http can be altered by anybody on the way.
            fp.close()
            raise WeightsError(f"{req.full_url} sends on to {newurl[:200]}", "ask who offers it for an address with https://")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def ask(url: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Any:
    """Return the answer of `url`, to be read and closed. Raises WeightsError within seconds where there is none."""
    # A socket's time-out does not cover the look-up of its host's name, so a thread is waited for instead.
    got: list[Any] = []
    # What a proxy or a server packs would not be the bytes that were published.
    sent = {"User-Agent": "xzoo", "Accept-Encoding": "identity", **(headers or {})}

    def wait() -> None:
        try:
            request = urllib.request.Request(url, headers=sent, method=method)
            got.append(urllib.request.build_opener(_Redirects).open(request, timeout=ANSWER_SECONDS))
        except Exception as error:
            got.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS + _GRACE_SECONDS)
    return told(url, lambda: _unwrap(got[0] if got else TimeoutError()))


def told(url: str, call: Callable[[], Answer], kind: type[WeightsError] = WeightsError) -> Answer:
    """Return `call()`, turning what a network can do wrong into a WeightsError of this kind that names `url`."""
    host = urlsplit(url).hostname or url
    try:
        return call()
    except urllib.error.HTTPError as error:
        error.close()
        raise _status(url, error) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise _silent(host, kind) from None
        raise WeightsError(f"{host} cannot be reached: {error.reason}", "check the network and its proxy") from None
    except TimeoutError:
        raise _silent(host, kind) from None
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise kind(f"{url} broke off: {str(error) or type(error).__name__}", "try again") from None


def _unwrap(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _status(url: str, error: urllib.error.HTTPError) -> WeightsError:
    text = f"{url} answers {error.code} {error.reason}"
    if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return CutError(text, "try again")
    if error.code == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return WeightsError(text, "the proxy wants a login: https_proxy=http://user:password@host:port")
    if error.code in _FORBIDDEN:
        return WeightsError(text, "it is not for everybody: log in where it is offered, or take a local file")
    if error.code in _BUSY:
        busy = BusyError(text, "try later")
        busy.seconds = _seconds(error.headers.get("Retry-After", "") if error.headers else "")
        if busy.seconds is not None:
            busy.text += f" and asks to wait {busy.seconds:,.0f} s"
        return busy
    return WeightsError(text, "check the address, or try later")


def _seconds(words: str) -> float | None:
    """Return what Retry-After says in seconds, given as such or as a date (RFC 9110, 10.2.3)."""
    if words.strip().isdecimal():
        return float(words[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(words).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _silent(host: str, kind: type[WeightsError]) -> WeightsError:
    return kind(f"{host} did not answer for {ANSWER_SECONDS:g} s", "check the network")
