"""Tests talk to this machine alone: whoever looks further, a child process too, is refused and told on.

Two fences, one inside the other. The kernel's: where the tests run as root on Linux, the process and all that it starts have a
network of their own, in which there is nothing but 127.0.0.1 and ::1. Python's: a hook, here and through sitecustomize.py in the
children, that refuses each connection and each look-up of a name, and writes down who tried; with that the test fails, whatever
the code made of the refusal. Names in `.invalid` lead nowhere (RFC 6761) and pass.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

LOG = "XZOO_TESTS_LEFT_THE_MACHINE"
_NEW_NETWORK = 0x40000000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1
_LOOK_UPS = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyname_ex"}
_SENDS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def own_network() -> bool:
    """Give this process, and those it will start, a network of nothing but the loopback; whether the kernel allowed it."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False  # Another user would need a namespace in which files belong to others.
    import ctypes
    import fcntl
    import socket
    import struct

    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK) != 0:
        return False
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(door, _GET_FLAGS, request))[1]
        fcntl.ioctl(door, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))
    return True


def listen(log: Path) -> None:
    """Refuse from now on, here and in the Pythons that this process starts, and write to `log` who tried."""
    os.environ[LOG] = str(log)
    paths = [str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(path for path in paths if path))
    sys.addaudithook(refuse)


def refuse(event: str, words: tuple[Any, ...]) -> None:
    """Raise for what would leave the machine: an audit hook (PEP 578)."""
    if event not in _SENDS | _LOOK_UPS:
        return
    # Imported here, since every child process imports this file and few of them have a socket.
    import socket

    if event in _SENDS:
        door, address = words[:2]
        is_far = door.family in {socket.AF_INET, socket.AF_INET6} and isinstance(address, tuple)
        host = address[0] if is_far else None
    else:
        host = words[0]
    if host is None or _is_here(host, socket.gethostname()):
        return
    shown = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    if shown.rstrip(".").endswith(".invalid"):
        return
    if log := os.environ.get(LOG):
        handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, f"{shown} ({event}, {' '.join(sys.argv)[:200]})\n".encode("utf-8", "replace"))
        os.close(handle)
    raise ConnectionRefusedError(f"tests talk to this machine alone, not to {shown}")


def _is_here(host: object, own: str) -> bool:
    import ipaddress

    words = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host)
    if words.lower() in {"", "localhost", "localhost.localdomain", own.lower()}:
        return True
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(words.partition("%")[0])
        return address.is_loopback or address.is_unspecified
    return False
