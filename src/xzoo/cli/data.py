"""`xzoo data`: a dataset made ready before anything is trained on it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import rich_click as click

from xzoo.cli.frame import emit, format_option, say
from xzoo.cli.options import not_empty
from xzoo.runs.following import followed

if TYPE_CHECKING:
    from xzoo.data.items import Decoded, Source
    from xzoo.data.ready import Kept, Ready

_EVERY_SECONDS = 10.0


@click.group("data")
def command() -> None:
    """Prepare a dataset before anything is trained on it."""


@command.command("pack")
@click.argument("data", callback=not_empty)
@click.option("--size", type=click.IntRange(1, 4096), multiple=True, help="Side of a view in pixels. Repeatable.")
@click.option(
    "--interpolation",
    type=click.Choice(["bilinear", "bicubic", "nearest"]),
    default="bilinear",
    help="How images are brought to a size; that of a backbone's weights (xzoo info).",
)
@format_option
def pack(data: str, size: tuple[int, ...], interpolation: str, form: str) -> None:
    """Decode DATA (a folder, .npz, .csv, .jsonl, or phantom) once, on all cores, and keep it in the cache.

    What is there is left, and a call that was interrupted is gone on with. With --size the images are also brought to the
    sides that networks take, where compare would do so later.
    """
    from xzoo.data.ready import prepare
    from xzoo.data.source import open_source

    found = followed(prepare(_counted(open_source(data)), size, interpolation), say)
    emit(found, form, lambda: _shown(found))


def _counted(source: Source) -> Source:
    """Return the source; each ten seconds it tells how many of its images have been decoded."""
    lock, began, told, count = threading.Lock(), time.monotonic(), 0, 0
    decode, read = source.decode, source.read

    def noted() -> None:
        nonlocal told, count
        with lock:
            count += 1
            if (passed := int((time.monotonic() - began) / _EVERY_SECONDS)) > told:
                told = passed
                say(f"{count:,} of {len(source.items):,} images")

    def decoding(index: int) -> Decoded:
        noted()
        assert decode is not None
        return decode(index)

    def reading(index: int) -> Any:
        noted()
        return read(index)

    return replace(source, decode=decoding if decode else None, read=reading)


def _shown(found: Ready) -> str:
    head = f"{found.name}: {found.images:,} images, {found.classes:,} classes, {found.channels} channels"
    return "\n".join([head, *(_line(one) for one in found.kept)])


def _line(one: Kept) -> str:
    what = "pack" if one.size is None else f"{one.size} x {one.size}"
    made = f"{one.made:,} made in {one.seconds:.1f} s" if one.made else "was there"
    files = "1 file" if one.files == 1 else f"{one.files} files"
    return f"{what}  {one.bytes / 1e6:,.1f} MB in {files}, {made}  {one.path}"
