"""The connection to a Ray cluster, found at RAY_ADDRESS or started here for the time of a command."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import socket
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xzoo import durable
from xzoo.errors import UnavailableError, UsageError
from xzoo.train.signals import restored

ADDRESS = "RAY_ADDRESS"
ANSWER_SECONDS = 5.0
"""A cluster that does not take a connection in this time is not there."""

_HERE = "127.0.0.1"
_LONGEST = 24
"""Letters of a path: a socket's has 107 at most (unix(7)), and Ray puts up to 75 of its own behind it."""
_LOCAL = ("", "local")


def check_address() -> None:
    """Raise UnavailableError where nothing listens at RAY_ADDRESS, UsageError for an address that no driver can use."""
    address = os.environ.get(ADDRESS, "")
    if address in _LOCAL or address == "auto":
        return
    if "://" in address:
        raise UsageError(
            f"{ADDRESS}={address} is an address of Ray Client, which cannot follow cells",
            "start the command on a node of the cluster, with its address as HOST:PORT or auto",
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"{ADDRESS}={address} is no address", "write HOST:PORT, as `ray start` shows it, or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error


@contextlib.contextmanager
def connected() -> Iterator[None]:
    """Connect to the cluster at RAY_ADDRESS, or start one on this machine that ends with the block, bound to 127.0.0.1.

    A connection that this process has already is used and left. Raises UnavailableError.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    address = os.environ.get(ADDRESS, "")
    with contextlib.ExitStack() as stack:
        own = {}
        if address in _LOCAL:
            own["_temp_dir"] = str(stack.enter_context(durable.temporary_folder("xzoo-ray-", _roomy())))
            stack.enter_context(_locked())
            stack.enter_context(_at_home())
        stack.enter_context(_silent())
        stack.callback(ray.shutdown)
        _begin(address, own)
        yield


def _begin(address: str, own: dict[str, Any]) -> None:
    """Let Ray begin; it neither shows what workers print nor keeps the signals' handlers that it brings."""
    import ray

    words: dict[str, Any] = {"address": "local", "include_dashboard": False, "_node_ip_address": _HERE, **own}
    if not own:
        is_here = address.rpartition(":")[0] in {_HERE, "localhost"}
        words = {"address": address, **({"_node_ip_address": _HERE} if is_here else {})}
    try:
        with restored(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(**words, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:
        if own:
            raise UnavailableError(f"Ray cannot be started here: {error}", "see whether `ray start --head` works") from error
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str, why: str) -> UnavailableError:
    return UnavailableError(
        f"there is no Ray cluster to work on at {ADDRESS}={address}: {' '.join(why.split())[:300]}",
        "start it (`ray start --head`), run the command on one of its nodes, or unset the variable to start one here",
    )


def _roomy() -> Path | None:
    """Return a folder whose path leaves room for the names of Ray's sockets; None where the system's own does."""
    return Path("/tmp") if len(tempfile.gettempdir()) > _LONGEST else None


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Let a cluster that is started here take nobody's word but this process's: others on this machine reach 127.0.0.1 too.

    Ray (2.60) asks for a token by itself, which it would write into the home folder; it reads the variable once in a process.
    """
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    os.environ.setdefault("RAY_AUTH_TOKEN", _token())
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


@functools.cache
def _token() -> str:
    return secrets.token_hex(32)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep Ray from printing to stdout and from talking to the internet.

    It prints what becomes of nodes, which the driver tells, and stdout belongs to the answer. Its API server, which runs without
    a dashboard too, asks clouds' metadata services where it is (ray._common.usage.usage_lib, Ray 2.60); nothing here needs it.
    """
    from ray._private import node, worker

    with _as(worker, "print_to_stdstream", _nothing), _as(node.Node, "start_api_server", _nothing):
        yield


@contextlib.contextmanager
def _at_home() -> Iterator[None]:
    """Keep Ray from putting the machine's address in the place of 127.0.0.1, as it does where clusters have several machines."""
    from ray._private import ray_constants

    with _as(ray_constants, "ENABLE_RAY_CLUSTER", value=False):
        yield


@contextlib.contextmanager
def _as(place: Any, name: str, value: object) -> Iterator[None]:
    """Let something of Ray's be another meanwhile; a Ray that has none of this name is left as it is."""
    before = getattr(place, name, None)
    if before is None:
        yield
        return
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


def _nothing(*words: object, **more: object) -> None:
    """Do nothing, whatever is asked."""
