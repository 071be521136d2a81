"""One measurement: machines pour out lines, a person presses Tab; how long until the focus is seen to move."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles

from bench.screens.focus import focus_changes, latencies_s
from bench.screens.terminal import ROOT, open_terminal

COLUMNS, ROWS = 160, 48
_QUIT = b"\x11"
_TAB = b"\t"


@dataclass(frozen=True, slots=True)
class Answering:
    """What was measured.

    Attributes:
        p50_ms, p95_ms, max_ms: from the key's write to the bytes with the focus's change.
        lines_written, lines_shown: what the machines said, what the page took in.
        rss_mib: memory at the beginning of the load and after each minute.
    """

    presses: int
    p50_ms: float
    p95_ms: float
    max_ms: float
    lines_written: int
    lines_shown: int
    rss_mib: tuple[float, ...]
    seconds: float

    def as_data(self) -> dict[str, object]:
        """As JSON values."""
        return asdict(self)


def measure(*, machines: int = 12, lines_per_s: int = 5000, presses: int = 200, minutes: float = 0.0) -> Answering:
    """Measures.

    Args:
        machines: panes.
        lines_per_s: of all machines together.
        presses: of Tab.
        minutes: goes on for at least so long.
    """
    draw = random.Random(1)  # the same pauses each time
    pauses = [draw.uniform(0.2, 0.4) for _ in range(presses)]
    lasts_s = max(sum(pauses) + 3, minutes * 60 + 2)
    with tempfile.TemporaryDirectory(prefix="bs-") as name:
        folder, stats = Path(name) / "run", Path(name) / "stats.json"
        folder.mkdir()
        words = [str(folder), str(machines), str(lines_per_s), str(lasts_s)]
        command = [sys.executable, "-P", "-m", "bench.screens.writer", *words]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
        terminal = open_terminal("bench.screens.page", [str(folder), str(stats)], columns=COLUMNS, rows=ROWS)
        try:
            terminal.wait_for(f"ws-{machines}".encode())
            terminal.wait(2)
            rss = [terminal.rss_mib()]
            pressed: list[float] = []
            elapsed = 0.0
            for pause in pauses:
                pressed.append(terminal.press(_TAB))
                terminal.wait(pause)
                elapsed += pause
                if elapsed >= 60 * len(rss):
                    rss.append(terminal.rss_mib())
            measured = len(terminal.chunks)
            while writer.poll() is None:
                terminal.wait(1)
                elapsed += 1
                if elapsed >= 60 * len(rss):
                    rss.append(terminal.rss_mib())
                del terminal.chunks[measured:]
            terminal.wait(2)
            terminal.leave(_QUIT)
        finally:
            writer.kill()
            out, _ = writer.communicate()
            terminal.end()
        shown = json.loads(stats.read_text())["lines"] if stats.exists() else 0
    took = sorted(latencies_s(pressed, focus_changes(terminal.chunks[:measured], columns=COLUMNS, rows=ROWS)))
    cuts = quantiles(took, n=20, method="inclusive")
    return Answering(
        presses=presses,
        p50_ms=round(cuts[9] * 1000, 1),
        p95_ms=round(cuts[18] * 1000, 1),
        max_ms=round(took[-1] * 1000, 1),
        lines_written=json.loads(out or b'{"lines": 0}')["lines"],
        lines_shown=shown,
        rss_mib=tuple(rss),
        seconds=round(lasts_s, 1),
    )
