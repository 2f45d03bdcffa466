"""A server on 127.0.0.1 for the tests of downloads, and no proxy before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving import Serving, serving
from xzoo.model import exchange


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    monkeypatch.setattr(exchange, "ANSWER_SECONDS", 0.4)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with serving() as started:
        yield started
