"""Broken images by the thousand, each decoded by Pillow without isolation: which decoders crash, hang, or take much memory?

    python tests/hostile/fuzz_images.py [NUMBER] [--seed N] [--format NAME]

Forks a process for every format and another where one dies. Prints a line for each: how many were decoded, refused, ended the
process; the longest in milliseconds of computing, the most memory. Exits with 1 where a decoder that xzoo has in its own process
crashes or hangs.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from image_samples import Sample, mutated, samples
from xzoo.data.decode import quietly
from xzoo.data.image_file import UnreadableImageError, read_image
from xzoo.data.items import Decoded

MOST_SECONDS = 10


class HandedError(Exception):
    """What xzoo would have decoded in another process."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all formats, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", nargs="?", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--format", default="")
    asked = parser.parse_args(arguments)
    chosen = [sample for sample in samples() if sample[0].startswith(asked.format)]
    wrong = 0
    for place, sample in enumerate(chosen):
        counts = tried(sample, asked.number // len(chosen), asked.seed * 1000 + place)
        wrong += sum(counts[key] for key in counts if key.startswith(("signal", "raised"))) if not counts["elsewhere"] else 0
        told = ", ".join(f"{value} {key}" for key, value in sorted(counts.items()) if key != "elsewhere")
        print(f"{sample[0]:24} {'in another process' if counts['elsewhere'] else 'here':18} {told}", flush=True)
    return int(wrong > 0)


def tried(sample: Sample, number: int, seed: int) -> Counter[str]:
    """Decode so many mutants of a sample, in as many processes as it takes, and return what came of them."""
    counts: Counter[str] = Counter()
    done = 0
    while done < number:
        reading, writing = os.pipe()
        if not (child := os.fork()):
            os.close(reading)
            _work(sample, range(done, number), seed, writing)
        os.close(writing)
        with os.fdopen(reading) as answers:
            for line in answers:
                kind, _, value = line.strip().partition(" ")
                done += kind == "next"
                if kind == "count":
                    counts[value] += 1
                elif kind == "most":
                    name, _, figure = value.partition(" ")
                    counts[name] = max(counts[name], int(figure))
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            counts[f"signal {signal.Signals(os.WTERMSIG(status)).name}"] += 1
    return counts


def _work(sample: Sample, places: range, seed: int, writing: int) -> None:
    def tell(words: str) -> None:
        os.write(writing, f"{words}\n".encode())

    def elsewhere(path: Path, name: str) -> Decoded:
        raise HandedError

    with tempfile.TemporaryDirectory() as folder, quietly():
        path = Path(folder) / "image"
        path.write_bytes(sample[1])
        try:
            read_image(path, "image", elsewhere)
        except UnreadableImageError as error:
            tell("count elsewhere" if isinstance(error.__cause__, HandedError) else "count raised nothing")
        for place in places:
            path.write_bytes(mutated(sample[1], random.Random(f"{seed} {place}")))
            tell("next")
            began = time.thread_time()
            signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
            try:
                read_image(path, "image")
                tell("count decoded")
            except UnreadableImageError:
                tell("count refused")
            except BaseException as error:
                tell(f"count raised {type(error).__name__}")
            signal.setitimer(signal.ITIMER_PROF, 0)
            tell(f"most ms {round(1000 * (time.thread_time() - began))}")
            tell(f"most MB {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}")
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
