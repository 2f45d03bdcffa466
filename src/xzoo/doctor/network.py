"""Whether the servers of published weights answer, within two seconds or not at all."""

from __future__ import annotations

import os
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException

from xzoo.model import hub

SECONDS = 2.0
"""How long all servers together may take to answer."""

TORCH = "https://download.pytorch.org"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_LOGIN = re.compile(r"(?:(?<=//)|^(?!\w+://)).*@")


@dataclass(frozen=True)
class Server:
    """A server of weights: None where it was not asked; else whether it answered, and why not."""

    address: str
    answers: bool | None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Network:
    """What keeps the network away, or leads to it: variables that are set, without the logins in them, and the servers."""

    is_offline: bool
    variables: Mapping[str, str]
    servers: tuple[Server, ...]


def look(*, ask: bool = True) -> Network:
    """Return the state of the network; nothing is sent unless `ask` is true, nor to the hub where HF_HUB_OFFLINE is set."""
    offline = hub.is_offline()
    wanted = {TORCH: ask, hub.endpoint(): ask and not offline}
    faults: dict[str, str] = {}
    threads = {
        address: threading.Thread(target=_reach, args=(address, faults), daemon=True)
        for address, asked in wanted.items()
        if asked
    }
    ends = time.monotonic() + SECONDS
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(0.0, ends - time.monotonic()))
    late = f"no answer within {SECONDS:g} s"
    said = {address: faults.get(address, late) for address in threads}
    servers = (Server(_LOGIN.sub("", a), not said[a] if a in said else None, said.get(a, "")) for a in wanted)
    return Network(is_offline=offline, variables=_variables(), servers=tuple(servers))


def _reach(address: str, faults: dict[str, str]) -> None:
    """Note why a server does not answer, or nothing where it does; an answer of any kind is one."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=SECONDS):
            faults[address] = ""
    except urllib.error.HTTPError:
        faults[address] = ""
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        faults[address] = " ".join(str(reason).split())[:200] or type(reason).__name__


def _variables() -> dict[str, str]:
    names = [*(one for name in _PROXIES for one in (name, name.upper())), *_OFFLINE]
    return {name: _LOGIN.sub("", os.environ[name]) for name in names if os.environ.get(name)}
