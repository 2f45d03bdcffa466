"""Every check of xzoo's conformance kit, one test each. `xzoo plugins check xrv-densenet121@random` says the same."""

from __future__ import annotations

from xzoo import conformance


@conformance.parametrize("xrv-densenet121@random")
def test_the_contract_holds(check: conformance.Check) -> None:
    check()
