"""Text in CSV that no spreadsheet takes for a formula."""

from __future__ import annotations

from typing import Any

from xzoo.data.items import printable

_FORMULA = tuple("=+-@\t\r\n|%＝＋－＠")  # noqa: RUF001 - full-width signs too begin a formula in some spreadsheets


def safe(value: Any) -> Any:
    """Return a value of CSV; text is shown in one line and never begins like a formula, also behind spaces."""
    if not isinstance(value, str):
        return "" if value is None else value
    text = printable(value)
    return f"'{text}" if text.lstrip(" \"'").startswith(_FORMULA) else text
