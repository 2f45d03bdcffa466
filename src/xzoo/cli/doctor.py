"""`xzoo doctor`: what xzoo stands on, and what each problem needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rich_click as click
from click.exceptions import Exit

from xzoo.cli.frame import emit, format_option

if TYPE_CHECKING:
    from xzoo.doctor.examination import Examination

NOT_HEALTHY = 1


@click.command("doctor")
@click.option("--no-network", is_flag=True, help="Ask no server; else those of weights are asked, for two seconds.")
@format_option
def command(no_network: bool, form: str) -> None:
    """Look at the device, libraries, caches, the network, plugins and threads, and say what each problem needs.

    Works where torch does not. Exits with 1 where something does not work; warnings leave it at 0.
    """
    from xzoo.doctor.examination import doctor

    found = doctor(ask_network=not no_network)
    emit(found, form, lambda: _shown(found))
    if not found.healthy:
        raise Exit(NOT_HEALTHY)


def _shown(found: Examination) -> str:
    from xzoo.report.examinations import examination_text

    return examination_text(found)
