"""Reads command line and environment of every process on this machine (its machines' too) many times a second.

A process of its own, so that nothing else slows it: ``python -m tests.journeys.watching FILE``. It says a line a
sample; when its standard input ends it writes what it has seen and how often it looked into the file.
"""

from __future__ import annotations

import pickle
import select
import sys
import time
from pathlib import Path

SAMPLES_PER_S = 50


def watch(out: Path) -> None:
    """Looks until standard input ends."""
    seen: set[bytes] = set()
    samples, began = 0, time.monotonic()
    while True:
        turn = time.monotonic()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                for name in ("cmdline", "environ"):
                    try:
                        found = (folder / name).read_bytes()
                    except OSError:
                        continue
                    if found:
                        seen.add(found.replace(b"\0", b" "))
        samples += 1
        print(samples, flush=True)
        pause_s = max(0.0, 1 / SAMPLES_PER_S - (time.monotonic() - turn))
        if select.select([sys.stdin], [], [], pause_s)[0]:
            break
    out.write_bytes(pickle.dumps((seen, samples, time.monotonic() - began)))


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
