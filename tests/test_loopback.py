"""The fence around the tests holds: nobody leaves this machine, in this process or another, and who tries fails its test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import loopback

NOBODY = "192.0.2.1"
"""An address that stands for none (RFC 5737)."""

TRY = f"import socket; socket.create_connection(({NOBODY!r}, 9), timeout=20)"


def tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], str]:
    """Let who tries be written to a file of this test, so that this test does not fail for it."""
    monkeypatch.setenv(loopback.LOG, str(tmp_path / "log"))
    return lambda: (tmp_path / "log").read_text() if (tmp_path / "log").is_file() else ""


@pytest.mark.parametrize(
    "leave",
    [
        lambda: socket.create_connection((NOBODY, 9), timeout=20),
        lambda: socket.create_connection(("2001:db8::1", 9), timeout=20),
        lambda: socket.create_connection(("example.org", 80), timeout=20),
        lambda: socket.getaddrinfo("example.org", 80),
        lambda: socket.gethostbyname("example.org"),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (NOBODY, 53)),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_who_would_leave_is_refused_at_once_and_written_down(
    leave: Callable[[], object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tells(monkeypatch, tmp_path)
    with pytest.raises(ConnectionRefusedError, match="tests talk to this machine alone"):
        leave()
    assert told().startswith((NOBODY, "2001:db8::1", "example.org"))


def test_a_process_of_a_test_is_refused_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = tells(monkeypatch, tmp_path)
    done = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, timeout=60, check=False)
    assert "tests talk to this machine alone" in done.stderr
    assert told().startswith(NOBODY)


def test_a_process_without_the_hook_is_refused_by_the_kernel(request: pytest.FixtureRequest) -> None:
    told = request.config.hook.pytest_report_header(config=request.config, start_path=Path())
    if not any("the kernel" in str(line) for line in told):
        pytest.skip("only root has a network of its own here")
    done = subprocess.run([sys.executable, "-I", "-c", TRY], capture_output=True, text=True, timeout=60, check=False, env={})
    assert "Network is unreachable" in done.stderr


def test_this_machine_may_be_talked_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        got: list[bytes] = []

        def serve() -> None:
            with server.accept()[0] as asked:
                got.append(asked.recv(9))

        thread = threading.Thread(target=serve)
        thread.start()
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=20) as door:
            door.sendall(b"hello")
        thread.join()
    assert got == [b"hello"]
    for one in socket.socketpair():
        one.close()


def test_names_that_lead_nowhere_are_not_told() -> None:
    with pytest.raises(socket.gaierror):
        socket.create_connection(("nobody.invalid", 80), timeout=20)


@pytest.mark.parametrize(
    "code", [TRY, f"import contextlib, socket\nwith contextlib.suppress(OSError):\n    {TRY.partition('; ')[2]}"]
)
def test_a_test_that_tries_fails_even_if_it_hides_it(code: str, tmp_path: Path) -> None:
    root = Path(__file__).parent
    (tmp_path / "conftest.py").write_text((root / "conftest.py").read_text("utf-8"))
    body = "\n".join(f"    {line}" for line in f"import socket\n{code}".splitlines())
    hidden = f"def test_hidden():\n    subprocess.run([sys.executable, '-c', {code!r}], capture_output=True)"
    (tmp_path / "test_one.py").write_text(
        f"import subprocess, sys\n\n{hidden}\n\ndef test_open():\n{body}\n\ndef test_good():\n    pass\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "loopback"), *(place for place in sys.path if place)])}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, env=variables, cwd=tmp_path)
    assert "2 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert f"it tried to leave this machine:\n{NOBODY}" in done.stdout
