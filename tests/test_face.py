"""The public face: lazy, whole, and callable under every order of imports."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys

import pytest

import xzoo

WRONG = "try:\n    xzoo.compare([])\nexcept xzoo.XzooError as error:\n    print(error.text)\n"


def said(code: str) -> str:
    """Return what code prints in an interpreter of its own."""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, timeout=60, check=True)
    return done.stdout


@pytest.mark.parametrize(
    "first",
    [
        "import xzoo\n",
        "import xzoo, xzoo.compare.api\n",
        "import xzoo.compare.plan as plan, xzoo\nplan.Plan\n",
        "import xzoo\nfrom xzoo.compare.plan import Plan\n",
        "from xzoo import compare\nimport xzoo\nassert compare is xzoo.compare\n",
    ],
)
def test_compare_is_callable_twice_whatever_was_imported_before(first: str) -> None:
    assert said(first + 2 * WRONG) == 2 * "no backbone is named\n"


def test_audit_is_callable_whatever_was_imported_before() -> None:
    wrong = WRONG.replace("compare([])", "audit('')")
    for first in ("import xzoo\n", "import xzoo.audit.shift, xzoo\n", "import xzoo\nfrom xzoo.audit.outcome import Audit\n"):
        assert said(first + 2 * wrong) == 2 * "the path of the data is empty\n"


def test_the_room_that_bears_the_calls_name_stays_a_room() -> None:
    from xzoo.compare import api
    from xzoo.compare.plan import Plan

    assert sys.modules["xzoo.compare"] is xzoo.compare  # type: ignore[comparison-overlap]
    assert inspect.signature(xzoo.compare) == inspect.signature(api.compare)
    assert Plan.__module__ == "xzoo.compare.plan"


def test_looking_at_the_face_imports_no_torch() -> None:
    code = "import sys, xzoo\nxzoo.compare, xzoo.arrays, xzoo.Recipe, xzoo.Backbone, xzoo.Outcome\nprint('torch' in sys.modules)"
    assert said(code) == "False\n"


def test_every_name_of_the_face_is_there() -> None:
    assert set(xzoo.__all__) >= {"compare", "load", "predict", "arrays", "Recipe", "Backbone", "Choice", "XzooError"}
    assert dir(xzoo) == xzoo.__all__
    for name in xzoo.__all__:
        assert getattr(xzoo, name) is not None, name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'xzoo' has no attribute 'trian'"):
        xzoo.trian  # noqa: B018
